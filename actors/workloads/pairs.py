"""Rows that belong to the same pair, and their sums; whole columns at a time."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from model.arrays import Array, is_nothing


@dataclass(frozen=True)
class Pairs:
    """Rows in groups.

    :param order: rows, those of one pair beside each other; shape (rows,).
    :param begins: where in ``order`` each pair begins; shape (pairs,).
    """

    order: np.ndarray
    begins: np.ndarray

    @classmethod
    def of(cls, keys: np.ndarray) -> "Pairs":
        """Rows with the same key are of one pair."""
        order = np.argsort(keys)
        ordered = keys[order]
        changes = np.ones(len(keys), np.bool_)
        changes[1:] = ordered[1:] != ordered[:-1]
        return cls(order, np.flatnonzero(changes))

    def __len__(self) -> int:
        return len(self.begins)

    @property
    def first(self) -> np.ndarray:
        """A row of each pair."""
        rows: np.ndarray = self.order[self.begins]
        return rows

    @cached_property
    def numbers(self) -> np.ndarray:
        """The number of the pair of each row, in the order of ``order``."""
        return np.repeat(np.arange(len(self)), np.diff(self.begins, append=len(self.order)))

    def sums(self, column: Array) -> Array:
        """Of each pair, exact; uint64."""
        if not len(self) or is_nothing(column):
            return np.zeros(len(self), np.uint64)
        return np.add.reduceat(column[self.order], self.begins, dtype=np.uint64)

    def counts(self, codes: Array) -> np.ndarray:
        """How many rows of each pair have each code, 0 to 7; shape (pairs, 8)."""
        if len(codes) and (codes == codes[0]).all():
            alike = np.zeros((len(self), 8), np.int64)
            alike[:, codes[0]] = np.diff(self.begins, append=len(self.order))
            return alike
        cells = np.bincount(self.numbers * 8 + codes[self.order], minlength=len(self) * 8)
        return cells.reshape(len(self), 8)

    def folded(self, rest: np.ndarray, kinds: np.ndarray) -> "Pairs":
        """The same with the pairs that ``rest`` marks as one for each kind, behind the others.

        :param kinds: of each row.
        """
        mine = np.empty(len(self.order), np.int64)
        mine[self.order] = self.numbers
        return Pairs.of(np.where(rest[mine], len(self) + kinds, mine))
