"""What nobody saw of conntrack: times in which entries were missed, and namespaces that cannot be seen."""

from typing import Final

import numpy as np

#: Stretches that are remembered; beyond that the oldest two become one.
STRETCHES: Final = 1024
#: In the place of a network namespace: all of them.
ALL: Final = 0


class NatGaps:
    """Which connections may have had an entry that is not known. Times are nanoseconds of the entries' clock."""

    def __init__(self) -> None:
        self._begins = np.zeros(0, np.int64)  # of stretches, ascending; none overlap
        self._ends = np.zeros(0, np.int64)
        self._first = np.zeros(0, np.int64)  # of rounds of dumps, ascending
        self._last = np.zeros(0, np.int64)
        self._unseen: dict[int, int] = {}  # by namespace: the last time of which nothing is known

    def __bool__(self) -> bool:
        return bool(len(self._begins)) or bool(self._unseen)

    @property
    def losses(self) -> tuple[np.ndarray, np.ndarray]:
        """Begin and end of each stretch."""
        return self._begins, self._ends

    def lose(self, begin_ns: int, end_ns: int) -> None:
        """Entries that began or ended in this stretch may be missing."""
        apart = self._ends < begin_ns
        begin_ns = int(min([begin_ns, *self._begins[~apart][:1].tolist()]))
        end_ns = int(max([end_ns, *self._ends[~apart].tolist()]))
        self._begins = np.append(self._begins[apart], begin_ns)
        self._ends = np.append(self._ends[apart], end_ns)
        if len(self._begins) > STRETCHES:
            self._begins, self._ends = np.delete(self._begins, 1), self._ends[1:]

    def take_stock(self, first_ns: int, last_ns: int) -> None:
        """All namespaces were dumped in this time: what was there throughout is known."""
        self._first = np.append(self._first, first_ns)[-STRETCHES:]
        self._last = np.append(self._last, last_ns)[-STRETCHES:]

    def hide(self, netns: int, until_ns: int) -> None:
        """Entries of a namespace (or ``ALL``) that began up to then are not known; ``OPEN``: none ever are."""
        self._unseen[netns] = until_ns

    def show(self, netns: int) -> None:
        """All entries of this namespace are known, or it is gone."""
        self._unseen.pop(netns, None)

    def end_of_loss(self, begin_ns: np.ndarray, until_ns: np.ndarray) -> np.ndarray:
        """The end of the last stretch that has a part of each of these; 0 where none has; shape (n,), int64."""
        if not len(self._begins):
            return np.zeros(len(begin_ns), np.int64)
        place = np.searchsorted(self._begins, until_ns, "right") - 1
        ends = self._ends[np.maximum(place, 0)]
        return np.where((place >= 0) & (ends >= begin_ns), ends, 0)

    def dumped_within(self, begin_ns: np.ndarray, until_ns: np.ndarray) -> np.ndarray:
        """Whether all namespaces were dumped once in each of these; shape (n,), bool."""
        if not len(self._first):
            return np.zeros(len(begin_ns), np.bool_)
        place = np.searchsorted(self._first, begin_ns, "left")
        found: np.ndarray = place < len(self._first)
        found[found] = self._last[place[found]] <= until_ns[found]
        return found

    def unseen(self, netns: np.ndarray, local: np.ndarray, called_ns: np.ndarray) -> np.ndarray:
        """Which connections may have had entries in a namespace that could not be seen; shape (n,), bool.

        :param local: whether it stays in its namespace, as loopback does; others may cross any.
        """
        if not self._unseen:
            return np.zeros(len(netns), np.bool_)
        everywhere = self._unseen.get(ALL, 0)
        numbers, places = np.unique(netns, return_inverse=True)
        own = np.array([self._unseen.get(number, 0) for number in numbers.tolist()], np.int64)[places]
        until = np.where(local, np.maximum(own, everywhere), max(self._unseen.values()))
        found: np.ndarray = called_ns <= until
        return found
