"""From the rows of many seconds to one row for each socket, whole columns at a time."""

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from model.arrays import Columns
from model.batch import Batch
from model.kinds.delta import COUNTERS, DELTA

#: Columns that are counted over the rows of a socket: the counters, and the marks of the window of an event.
SUMMED: Final = frozenset((*COUNTERS, "connection.opened", "connection.closed", "connection.failed"))
#: Columns that `collect` adds: the seconds of the first and last row, and how many rows there were.
ADDED: Final = ("window.first", "window.last", "rows")

_Index = npt.NDArray[np.intp]


def collect(batches: Iterable[Batch]) -> Columns:
    """One row for each (node, boot, slot, generation): sums of what counts, the latest of what describes.

    Rows may come in any order and late; of rows of the same window the later one describes. A message that
    comes twice counts once. The result has the delta columns, the summed ones as unsigned 64 bit, and those
    of `ADDED`.
    """
    columns = _concatenate(batches)
    keys = (columns["origin"], columns["socket.slot"], columns["socket.generation"])
    order = np.lexsort((columns["window"], *keys))
    first = _starts([key[order] for key in keys])
    last = np.append(first[1:], len(order))[: len(first)] - 1
    sockets = {name: columns[name][order][last] for name in DELTA.types if name not in SUMMED}
    for name in SUMMED:
        sockets[name] = _sums(columns[name][order], first)
    sockets["window.first"] = columns["window"][order][first]
    sockets["window.last"] = columns["window"][order][last]
    sockets["rows"] = last - first + 1
    return sockets


def _concatenate(batches: Iterable[Batch]) -> Columns:
    """All rows of all messages, with the columns ``window`` and ``origin``, a number for node and boot."""
    parts: dict[tuple[str, str, int, int, int], Batch] = {}
    for batch in batches:
        parts.setdefault((batch.node, batch.boot, batch.seq, batch.window, batch.chunk), batch)
    kept = list(parts.values())
    columns: Columns = {}
    for name, dtype in DELTA.types.items():
        columns[name] = np.concatenate([np.zeros(0, dtype), *(batch.columns[name] for batch in kept)])
    lengths = [len(batch) for batch in kept]
    origins: dict[tuple[str, str], int] = {}
    numbers = [origins.setdefault((batch.node, batch.boot), len(origins)) for batch in kept]
    windows = np.repeat(np.array([batch.window for batch in kept], np.int64), lengths)
    columns["window"] = windows - columns["window.late_s"].astype(np.int64)
    columns["origin"] = np.repeat(np.array(numbers, np.int64), lengths)
    return columns


def _starts(keys: list[npt.NDArray[np.generic]]) -> _Index:
    """Where the first row of each socket stands, in sorted rows."""
    if not len(keys[0]):
        return np.zeros(0, np.intp)
    changed = np.zeros(len(keys[0]), bool)
    changed[0] = True
    for key in keys:
        changed[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(changed)


def _sums(column: npt.NDArray[np.generic], first: _Index) -> npt.NDArray[np.uint64]:
    if not len(first):
        return np.zeros(0, np.uint64)
    return np.add.reduceat(column.astype(np.uint64), first)
