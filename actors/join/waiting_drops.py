"""Drops whose flow nobody has reported yet: a connection's first packet may be dropped before its first row."""

from typing import Final

import numpy as np

#: Windows for which they wait.
LINGER: Final = 8
#: Drops that wait at once; past it the oldest go.
LIMIT: Final = 65_536

_ENTRY: Final = np.dtype([("hash", "<u8"), ("drops", "<u8"), ("reason", "<u4"), ("window", "<i8")])


class WaitingDrops:
    """By a hash of both ends' addresses and ports."""

    def __init__(self) -> None:
        self._entries = np.zeros(0, _ENTRY)

    def __len__(self) -> int:
        """How many wait."""
        return len(self._entries)

    @property
    def reasons(self) -> np.ndarray:
        """The ids that they hold; uint32."""
        return np.unique(self._entries["reason"])

    def add(self, hashes: np.ndarray, drops: np.ndarray, reasons: np.ndarray, window: int) -> None:
        """These found no flow."""
        new = np.zeros(len(hashes), _ENTRY)
        new["hash"], new["drops"], new["reason"], new["window"] = hashes, drops, reasons, window
        self._entries = np.concatenate((self._entries, new))[-LIMIT:]

    def take(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What waits for any of these, which waits no more: its place among them, how many drops, and why.

        :param hashes: of flows that are new; of two that are equal the first gets it.
        """
        wanted, place = np.unique(hashes, return_index=True)
        places = np.minimum(np.searchsorted(wanted, self._entries["hash"]), len(wanted) - 1)
        found = wanted[places] == self._entries["hash"]
        taken = self._entries[found]
        self._entries = self._entries[~found]
        return place[places[found]], taken["drops"], taken["reason"]

    def expire(self, window: int) -> None:
        """Forgets those that have waited for ``LINGER`` windows."""
        if len(self._entries):
            self._entries = self._entries[self._entries["window"] > window - LINGER]
