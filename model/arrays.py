"""Columns of rows as numpy arrays, and the tables that some of them point into."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
#: Column name -> one value for each row.
Columns = dict[str, Array]
#: Table name -> what index columns point into.
Tables = Mapping[str, Any]

#: Columns in which nothing stands are views of it: that is known without looking, and copies take no memory.
_NOTHING: Final = np.zeros(1 << 22, np.uint8)
_NOTHING.flags.writeable = False
_FIRST_BYTES: Final = 4096


def zeros(rows: int, dtype: "np.dtype[np.generic]") -> Array:
    """A column of zeros that nobody can write to."""
    size = rows * dtype.itemsize
    return _NOTHING[:size].view(dtype) if size <= len(_NOTHING) else np.zeros(rows, dtype)


def is_nothing(column: Array) -> bool:
    """Whether it comes from ``zeros``, or is a part of what does. False says nothing: it may still be all zeros."""
    return column.base is _NOTHING


def holds(column: Array) -> bool:
    """Whether anything in it is not 0; the first bytes nearly always tell."""
    if is_nothing(column):
        return False
    data = np.ascontiguousarray(column).view(np.uint8)
    return bool(data[:_FIRST_BYTES].any()) or bool(data[_FIRST_BYTES:].any())


def lean(columns: Columns) -> Columns:
    """The same, with views of ``zeros`` in place of columns in which nothing stands: they cost nothing after that."""
    return {
        name: column if holds(column) else zeros(len(column), column.dtype)
        for name, column in columns.items()
    }


def taken(column: Array, rows: np.ndarray) -> Array:
    """The rows at these places, of a column of which they may be many."""
    return zeros(len(rows), column.dtype) if is_nothing(column) else column.take(rows)


def concatenated(columns: Sequence[Array]) -> Array:
    """One after the other, all of one type; at least one."""
    if len(columns) == 1:
        return columns[0]
    if all(map(is_nothing, columns)):
        return zeros(sum(map(len, columns)), columns[0].dtype)
    return np.concatenate(columns)


def compacted(indexes: list[Array], count: int) -> tuple[list[np.ndarray], np.ndarray]:
    """``indexes`` renumbered without gaps, and the old numbers of the new ones, ascending; 0 stays first.

    :param indexes: of any shapes, all below ``count``.
    :return: uint32 arrays of the same shapes; int64.
    """
    marked = np.zeros(max(1, count), np.bool_)
    marked[0] = True
    for index in indexes:
        marked[index] = True
    renumbered = (np.cumsum(marked) - 1).astype(np.uint32)
    return [renumbered[index] for index in indexes], np.flatnonzero(marked)
