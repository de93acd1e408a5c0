"""Which entries of a node other places should know, and when they are told."""

from typing import Final

import numpy as np

from actors.nat.lives import OPEN
from actors.nat.tuple_index import KEY

#: Windows in which each entry that holds is announced once.
REPEAT: Final = 60
#: Changes announced in one window at most; the rest, as after a start among many entries, in the windows that follow.
ANNOUNCED_AT_ONCE: Final = 50_000
#: An entry as one node tells it to others. With tuples of zeros it is none: entries that began or ended between its
#: times may be missing.
ANNOUNCED: Final = np.dtype(
    [
        ("called", KEY),
        ("seen", KEY),
        ("begin_ns", "<i8"),
        ("end_ns", "<i8"),
        ("netns", "<u4"),
        ("reserved", "<u4"),
    ]
)


class Announced:
    """What of a table was announced and what is to be; places are the table's.

    :param places: that there are.
    :param announces: whether ``due`` will be called, once a window.
    """

    def __init__(self, places: int, *, announces: bool) -> None:
        self.announces = announces
        self._claimed = np.zeros(places, np.bool_)  # rewrites a connection of this node's own sockets
        self._announced = np.zeros(places, np.bool_)
        self._changed: list[np.ndarray] = []  # places that began or ended since the last announcement
        self._losses: list[tuple[int, int]] = []

    def start(self, places: np.ndarray) -> None:
        """New entries stand at these places."""
        self._claimed[places] = self._announced[places] = False
        self.note(places)

    def note(self, places: np.ndarray) -> None:
        """Entries changed."""
        if self.announces:
            self._changed.append(places)

    def note_loss(self, begin_ns: int, end_ns: int) -> None:
        """Entries of this time may be missing; who has nothing to announce rewrites for nobody else."""
        if self.announces and self._announced.any():
            self._losses.append((begin_ns, end_ns))

    def claim(self, places: np.ndarray) -> None:
        """A socket of this node called by way of these entries: nobody else needs them."""
        self._claimed[places] = True

    def due(self, window: int, ends: np.ndarray) -> np.ndarray:
        """Places to announce: of entries that began or ended and rewrite nobody's call of this node, and of a part of
        those that hold, so that each is announced once in ``REPEAT`` windows.

        :param ends: of all entries.
        """
        changed = self._marked(*self._changed)
        changed = changed[~self._claimed[changed] & ((ends[changed] == OPEN) | self._announced[changed])]
        changed, self._changed = changed[:ANNOUNCED_AT_ONCE], [changed[ANNOUNCED_AT_ONCE:]]
        repeated = np.arange(window % REPEAT, len(ends), REPEAT)
        repeated = repeated[self._announced[repeated] & (ends[repeated] == OPEN)]
        places = self._marked(changed, repeated)
        self._announced[places] = True
        return places

    def losses(self) -> np.ndarray:
        """Losses since the last call, as entries of zeros."""
        told = np.zeros(len(self._losses), ANNOUNCED)
        for place, (begin_ns, end_ns) in enumerate(self._losses):
            told["begin_ns"][place], told["end_ns"][place] = begin_ns, end_ns
        self._losses = []
        return told

    def again(self, ends: np.ndarray) -> None:
        """Whoever kept what was announced has lost it: announce all entries that hold anew."""
        self._changed.append(np.flatnonzero(self._announced & (ends == OPEN)))

    def _marked(self, *parts: np.ndarray) -> np.ndarray:
        """Each of these places once; a set of hashes or a sort would take ten times as long."""
        marks = np.zeros(len(self._announced), np.bool_)
        for places in parts:
            marks[places] = True
        return np.flatnonzero(marks)
