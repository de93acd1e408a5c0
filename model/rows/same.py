"""Rows that say the same in some columns, found without sorting, whole columns at a time."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from model.arrays import Array

#: Tables that are tried until every row has met one that says the same; what is left then stands for itself.
_TURNS: Final = 4
#: Of each word of 64 bits; nobody can know them and choose values that meet.
_ODD: Final = np.random.default_rng().integers(1, 1 << 63, 256 + _TURNS, dtype=np.uint64) * 2 + 1


class SameRows(NamedTuple):
    """Groups of rows that say the same.

    :param firsts: the place of one row of each group; shape (groups,).
    :param numbers: the group of each row; shape (n,).
    """

    firsts: np.ndarray
    numbers: np.ndarray


@lru_cache(64)
def sample(rows: int, count: int) -> np.ndarray:
    """The places of some of so many rows, at random: rows that are alike may stand at regular distances."""
    return np.random.default_rng(count).integers(0, rows, count)


def is_constant(column: Array) -> bool:
    """Whether all values of a column are the same."""
    data = column.tobytes()
    return data.startswith(data[column.itemsize :])


def same_rows(columns: Sequence[Array]) -> SameRows:
    """Rows by what these columns say together; exact, but that rows of one group may be given two.

    :param columns: at least one, of any types, all of the same length.
    """
    words = np.concatenate([_words(column) for column in columns])
    count = words.shape[1]
    leader = _leaders(np.resize(_ODD[:-_TURNS], len(words)) @ words)
    if not (words.take(leader, axis=1) == words).all():  # two sums are the same by chance
        leader = np.arange(count)
    marked = np.zeros(count, np.bool_)
    marked[leader] = True
    firsts = np.flatnonzero(marked)
    number = np.empty(count, np.intp)
    number[firsts] = np.arange(len(firsts))
    return SameRows(firsts, number.take(leader))


def _leaders(sums: np.ndarray) -> np.ndarray:
    """For each row the place of one with the same sum."""
    count = len(sums)
    bits = max(4, (4 * count).bit_length())
    table = np.empty(1 << bits, np.intp)
    leader, pending, mine = np.arange(count), np.arange(count), sums
    for odd in _ODD[-_TURNS:]:
        slots = ((mine * odd) >> np.uint64(64 - bits)).view(np.int64)
        table[slots] = pending
        met = table.take(slots)
        alike = sums.take(met) == mine
        if alike.all():
            leader[pending] = met
            break
        leader[pending[alike]] = met[alike]
        pending = pending[~alike]
        mine = sums.take(pending)
    return leader


def _words(column: Array) -> np.ndarray:
    """The bytes of each value as numbers of 64 bits; shape (words, n)."""
    size = column.itemsize
    column = np.ascontiguousarray(column)
    if size in (1, 2, 4, 8):
        return column.view(f"<u{size}").astype(np.uint64).reshape(1, -1)
    if size % 8:
        padded = np.zeros((len(column), -(-size // 8) * 8), np.uint8)
        padded[:, :size] = column.view(np.uint8).reshape(-1, size)
        return padded.view("<u8").T
    return column.view("<u8").reshape(len(column), size // 8).T
