"""Workload batches as public messages; a row says what its JSON line says (see ``model.kinds.workload_fields``)."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

import numpy as np

from model import subjects
from model.kinds.workload import Workload
from model.kinds.workload_batch import WorkloadBatch
from model.kinds.workload_fields import WORKLOAD_ROWS
from model.rows.messages import RowPart, row_parts

#: Kinds of clients that share a subject: there may be very many of them, and nobody waits for one.
_NAMELESS: Final = ("address", "other")


def workload_parts(batch: WorkloadBatch, limit: int) -> list[RowPart]:
    """``batch`` as messages; see ``row_parts``."""
    packed = ((subject, WORKLOAD_ROWS.packed(part)) for subject, part in _by_subject(batch))
    return row_parts("workload", batch, packed, limit)


def _by_subject(batch: WorkloadBatch) -> Iterator[tuple[str, WorkloadBatch]]:
    """The rows of each client."""
    index = batch.columns["client.workload.index"]
    order = np.argsort(index, kind="stable")
    numbers, begins = np.unique(index[order], return_index=True)
    same = defaultdict(list)
    for number, rows in zip(numbers.tolist(), np.split(order, begins[1:]), strict=True):
        same[_subject(batch.workloads[number])].append(rows)
    for subject, parts in same.items():
        yield subject, batch.take(np.sort(np.concatenate(parts)))


def _subject(client: Workload) -> str:
    if client.kind in _NAMELESS:
        return subjects.workload("", "")
    return subjects.workload(client.namespace, client.name)
