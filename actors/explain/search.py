"""The group of leaves that most speaks for: values of at most so many attributes, and a price for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from actors.explain.leaves import Either, Leaves

#: Nats that each attribute of a group costs, beside the logarithm of how many values it has.
PRICE: Final = 3.0
#: Values of one attribute that are looked into further, at most: those with most of the excess.
_WIDTH: Final = 24

#: Places of attributes and codes of their values. Negative: the place of an ``Either``, as -1 - place.
Group = tuple[tuple[int, int], ...]


@dataclass
class Best:
    """What was found so far."""

    score: float = 0.0
    group: Group = ()


class Search:
    """Searches among the same leaves, one after the other with other evidence; what does not change is kept.

    :param floor: excess that a group must hold: a group with more attributes never holds more than with fewer.
    """

    def __init__(self, leaves: Leaves, depth: int, floor: float, either: Sequence[Either] = ()) -> None:
        self.leaves, self.depth, self.floor, self.either = leaves, depth, floor, either
        self.best = Best()
        self._held = np.maximum(leaves.excess, 0) / leaves.dispersion
        self._columns = [np.ascontiguousarray(column, np.intp) for column in leaves.codes.T]
        self._ill: dict[tuple[Group, int], np.ndarray] = {}
        self._rows: dict[Group, np.ndarray] = {}

    def run(self, nats: np.ndarray) -> Best:
        """The best group; without attributes if all leaves together are the best.

        :param nats: the evidence of each leaf; shape (n,).
        """
        self.best = Best()
        if not self.leaves.supposed:
            self._offer(float(nats.sum()), ())
        self._look(nats, None, (), 0.0)
        for place, either in enumerate(self.either):
            self._look_at_either(either, -1 - place, nats)
        return self.best

    def _offer(self, score: float, group: Group) -> None:
        if score > self.best.score:
            self.best.score, self.best.group = score, group

    def _look(self, nats: np.ndarray, rows: np.ndarray | None, group: Group, paid: float) -> None:
        """Adds one attribute behind those of a group, whose leaves are ``rows`` (None: all).

        :param nats: of all leaves.
        """
        mine = nats if rows is None else nats[rows]
        for place in range(group[-1][0] + 1 if group else 0, len(self._columns)):
            size = len(self.leaves.values[place])
            ill = self._ill.get((group, place))
            if size < 2 or (ill is not None and not len(ill)):
                continue
            codes = self._columns[place] if rows is None else self._columns[place][rows]
            if ill is None:
                ill = self._ill[group, place] = self._values(codes, rows, size)
                if not len(ill):
                    continue
            price = paid + PRICE + np.log(size)
            scores = np.bincount(codes, mine, size)[ill] - price
            at = int(scores.argmax())
            self._offer(float(scores[at]), (*group, (place, int(ill[at]))))
            if len(group) + 1 < self.depth:
                for value in ill[:_WIDTH].tolist():
                    further = (*group, (place, value))
                    self._look(nats, self._inside(further, rows, codes), further, price)

    def _values(self, codes: np.ndarray, rows: np.ndarray | None, size: int) -> np.ndarray:
        """Those that hold enough of the excess, the one with most first."""
        excess = np.bincount(codes, self._held if rows is None else self._held[rows], size)
        kept = np.flatnonzero(excess >= self.floor)
        return np.asarray(kept[np.argsort(-excess[kept], kind="stable")])

    def _inside(self, group: Group, rows: np.ndarray | None, codes: np.ndarray) -> np.ndarray:
        """The leaves of a group, out of those of the group with one attribute less."""
        found = self._rows.get(group)
        if found is None:
            inside = np.flatnonzero(codes == group[-1][1])
            found = self._rows[group] = inside if rows is None else rows[inside]
        return found

    def _look_at_either(self, either: Either, place: int, nats: np.ndarray) -> None:
        first, second = self._columns[either.first], self._columns[either.second]
        size = max(len(self.leaves.values[at]) for at in (either.first, either.second))
        both = np.flatnonzero(first == second)

        def summed(column: np.ndarray) -> np.ndarray:
            parts = (np.bincount(first, column, size), np.bincount(second, column, size))
            return np.asarray(sum(parts) - np.bincount(first[both], column[both], size))

        kept = np.flatnonzero(summed(self._held) >= self.floor)
        if size < 2 or not len(kept):
            return
        scores = summed(nats)[kept] - PRICE - np.log(size)
        at = int(scores.argmax())
        self._offer(float(scores[at]), ((place, int(kept[at])),))


def inside_of(leaves: Leaves, group: Group, either: Sequence[Either] = ()) -> np.ndarray:
    """Which leaves belong to a group; shape (n,), bool."""
    inside = np.ones(len(leaves), np.bool_)
    for place, value in group:
        if place >= 0:
            inside &= leaves.codes[:, place] == value
        else:
            ends = either[-1 - place]
            inside &= (leaves.codes[:, ends.first] == value) | (leaves.codes[:, ends.second] == value)
    return inside


def group_count(leaves: Leaves, depth: int, either: Sequence[Either]) -> float:
    """How many groups there are, about: what a significance is corrected for."""
    sizes = [len(values) for values in leaves.values if len(values) > 1]
    total = float(sum(sizes)) + sum(len(leaves.values[ends.first]) for ends in either)
    return 1 + sum(total**level for level in range(1, depth + 1))
