"""Batches of any kind, and the loss ledgers that they carry, as JSON lines."""

from collections.abc import Iterator
from typing import Final

import msgspec

from model.kinds.delta_fields import DELTA_ROWS
from model.kinds.flow_batch import FlowBatch
from model.kinds.flow_fields import FLOW_ROWS
from model.kinds.workload_batch import WorkloadBatch
from model.kinds.workload_fields import WORKLOAD_ROWS
from model.sink import Batch

_encoder: Final = msgspec.json.Encoder()


def json_lines(batch: Batch) -> Iterator[tuple[int, bytes]]:
    """The rows of ``batch`` as JSON lines, some at a time: how many, and their text; nothing for an empty batch."""
    if isinstance(batch, FlowBatch):
        return FLOW_ROWS.lines(batch)
    return WORKLOAD_ROWS.lines(batch) if isinstance(batch, WorkloadBatch) else DELTA_ROWS.lines(batch)


def ledger_line(batch: Batch) -> bytes:
    """The loss ledger that ``batch`` carries, as one JSON line: ``stages`` by name, as in the schema."""
    head = {"kind": "ledger", "node": batch.node, "boot": batch.boot, "window": batch.window}
    return _encoder.encode(head | {"stages": batch.ledger}) + b"\n"
