"""Which ids are new."""

from typing import Final

import numpy as np

#: Places of the table for each id that is known.
_ROOM: Final = 4
_LEAST_BITS: Final = 10


class Once:
    """Ids that were named already.

    Most are asked for each second: a table by the lowest bits of an id, in which one of several with the same bits
    stands, answers for nearly all; the others are looked up among all of them.
    """

    def __init__(self) -> None:
        self._known = np.zeros(0, np.int64)
        self._table = np.zeros(1 << _LEAST_BITS, np.int64)  # ids are above 0

    def new(self, ids: np.ndarray) -> np.ndarray:
        """A place for each different id that was not asked for before; int64."""
        asked = np.flatnonzero(self._table[ids & (len(self._table) - 1)] != ids)
        if len(self._known) and len(asked):
            places = np.minimum(np.searchsorted(self._known, ids[asked]), len(self._known) - 1)
            asked = asked[self._known[places] != ids[asked]]
        if not len(asked):
            return asked
        different, first = np.unique(ids[asked], return_index=True)
        self._known = np.union1d(self._known, different)
        self._remember(different)
        return asked[first]

    def _remember(self, ids: np.ndarray) -> None:
        room = _ROOM * len(self._known)
        if room > len(self._table):
            self._table = np.zeros(1 << room.bit_length(), np.int64)
            ids = self._known
        self._table[ids & (len(self._table) - 1)] = ids
