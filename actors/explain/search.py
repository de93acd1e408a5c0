"""The group of leaves that most speaks for: values of at most so many attributes, and a price for each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Search:
    """One search among leaves.

    :param nats: the evidence of each leaf; shape (n,).
    :param floor: excess that a group must hold: a group with more attributes never holds more than with fewer.
    """

    leaves: Leaves
    nats: np.ndarray
    depth: int
    floor: float
    either: Sequence[Either] = ()
    best: Best = field(default_factory=Best)

    def run(self) -> Best:
        """The best group; without attributes if all leaves together are the best."""
        held = np.maximum(self.leaves.excess, 0)
        self._offer(float(self.nats.sum()), ())
        self._look(np.arange(len(self.leaves)), self.nats, held, 0, (), 0.0)
        for place, either in enumerate(self.either):
            self._look_at_either(either, -1 - place, held)
        return self.best

    def _offer(self, score: float, group: Group) -> None:
        if score > self.best.score:
            self.best.score, self.best.group = score, group

    def _look(
        self, rows: np.ndarray, nats: np.ndarray, held: np.ndarray, first: int, group: Group, paid: float
    ) -> None:
        """Adds one attribute from ``first`` on to a group, whose leaves are ``rows``."""
        for place in range(first, len(self.leaves.names)):
            size = len(self.leaves.values[place])
            if size < 2:
                continue
            codes = self.leaves.codes[rows, place]
            excess = np.bincount(codes, held, size)
            kept = np.flatnonzero(excess >= self.floor)
            if not len(kept):
                continue
            price = paid + PRICE + np.log(size)
            scores = np.bincount(codes, nats, size)[kept] - price
            at = int(scores.argmax())
            self._offer(float(scores[at]), (*group, (place, int(kept[at]))))
            if len(group) + 1 < self.depth:
                for value in kept[np.argsort(-excess[kept], kind="stable")][:_WIDTH].tolist():
                    inside = np.flatnonzero(codes == value)
                    further = (*group, (place, value))
                    self._look(rows[inside], nats[inside], held[inside], place + 1, further, price)

    def _look_at_either(self, either: Either, place: int, held: np.ndarray) -> None:
        first, second = self.leaves.codes[:, either.first], self.leaves.codes[:, either.second]
        size = max(len(self.leaves.values[at]) for at in (either.first, either.second))
        both = np.flatnonzero(first == second)

        def summed(column: np.ndarray) -> np.ndarray:
            parts = (np.bincount(first, column, size), np.bincount(second, column, size))
            return np.asarray(sum(parts) - np.bincount(first[both], column[both], size))

        kept = np.flatnonzero(summed(held) >= self.floor)
        if size < 2 or not len(kept):
            return
        scores = summed(self.nats)[kept] - PRICE - np.log(size)
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
