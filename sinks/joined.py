"""Chunks of one second put together again, so that their tables are looked at once."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from model.batch import Batch


class Rows(NamedTuple):
    """Rows of batches that share their tables.

    :param seqs: the number of each row's own batch.
    """

    batch: Batch
    seqs: np.ndarray


def joined(batches: Sequence[Batch]) -> Iterator[Rows]:
    """Neighbours of one kind, second and source that share their tables, as one batch."""
    for _, same in itertools.groupby(batches, _shared):
        parts = list(same)
        seqs = np.repeat(np.array([part.seq for part in parts], np.uint64), [len(part) for part in parts])
        columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns}
        yield Rows(replace(parts[0], columns=columns), seqs)


def _shared(batch: Batch) -> tuple[object, ...]:
    """What batches have in common whose rows can stand in one."""
    tables = [id(batch.tables[name]) for name in sorted(batch.tables)]
    return (batch.kind, batch.node, batch.boot, batch.window, *tables)
