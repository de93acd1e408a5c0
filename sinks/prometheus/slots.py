"""Places of series by their labels: bounded, and given back after silence."""

from collections.abc import Sequence
from typing import Final

import numpy as np

#: The series of all that found no room.
OTHER: Final = 0


class Slots:
    """Which series has which labels.

    :param limit: beside the one of all others.
    :param other: the labels of that one.
    """

    def __init__(self, limit: int, other: str) -> None:
        self.size = limit + 1
        self._other = other
        self._slots: dict[str, int] = {}
        self._free = list(range(limit, 0, -1))
        self._seen = np.full(self.size, -1, np.int64)

    def __len__(self) -> int:
        """Series, without the one of all others."""
        return len(self._slots)

    def of(self, labels: Sequence[str], window: int) -> np.ndarray:
        """The slots of these, which were seen in this second; new ones get one as long as there is room."""
        slots = np.array([self._slot(label) for label in labels], np.int64)
        self._seen[slots] = np.maximum(self._seen[slots], window)
        return slots

    def _slot(self, label: str) -> int:
        known = self._slots.get(label)
        if known is None:
            if not self._free:
                return OTHER
            known = self._slots[label] = self._free.pop()
        return known

    def expire(self, window: int) -> np.ndarray:
        """Ends series that were seen before this second alone; returns their slots, whose values begin at 0."""
        gone = [(label, slot) for label, slot in self._slots.items() if self._seen[slot] < window]
        for label, slot in gone:
            del self._slots[label]
            self._free.append(slot)
            self._seen[slot] = -1
        return np.array([slot for _, slot in gone], np.int64)

    def shown(self) -> tuple[list[str], np.ndarray]:
        """Labels and slots of the series that there are, by their labels; that of all others once it counted."""
        shown = sorted(self._slots.items())
        if self._seen[OTHER] >= 0:
            shown.append((self._other, OTHER))
        return [label for label, _ in shown], np.array([slot for _, slot in shown], np.int64)
