"""When ctnetlink's messages were made: the filter of their socket writes it down, and it is found again by entry."""

from typing import Final

import numpy as np

from probes.conntrack.ctnetlink import MSG_DELETE, MSG_NEW
from probes.kernel.layout import structs
from probes.kernel.ring import RingReader

#: As bpf/conntrack/maps.h has it: more messages than the socket's buffer holds by default.
RING_BYTES: Final = 512 << 10
_TIME: Final = structs("conntrack")["conntrack_time"]


class EntryTimes:
    """Times of messages that were not read yet.

    :param program: the socket's filter, loaded; whoever loaded it closes it.
    :param ring: the map that it writes to, likewise.
    """

    def __init__(self, program: int, ring: int) -> None:
        self.program = program
        self._ring = RingReader(ring, RING_BYTES, _TIME)
        self._waiting = np.zeros(0, _TIME)

    def look(self) -> int:
        """Takes in what the filter wrote; how many times wait for their messages."""
        came = self._ring.read()
        if len(came):
            self._waiting = np.concatenate((self._waiting, came))
        return len(self._waiting)

    def of(self, ids: np.ndarray, new: np.ndarray) -> np.ndarray:
        """When these messages were made, monotonic; 0 where that is not known; shape (n,), uint64.

        Numbers of entries are used again: the first message of an entry and kind has the first time, and so on.

        :param ids: the kernel's numbers of the entries, in the order of the messages; shape (n,).
        :param new: whether each message is of a beginning; the others are of an end.
        """
        self.look()
        found = np.zeros(len(ids), np.uint64)
        wanted = _keys(ids, np.where(new, MSG_NEW, MSG_DELETE))
        there = _keys(self._waiting["id"], self._waiting["message"])
        asked, written = np.argsort(wanted, kind="stable"), np.argsort(there, kind="stable")
        wanted, there = wanted[asked], there[written]
        turn = np.arange(len(wanted)) - np.searchsorted(wanted, wanted)
        place = np.searchsorted(there, wanted) + turn
        known = place < len(there)
        known[known] = there[place[known]] == wanted[known]
        used = written[place[known]]
        found[asked[known]] = self._waiting["at_ns"][used]
        self._waiting = np.delete(self._waiting, used)
        return found

    def forget(self, count: int) -> None:
        """The messages of the first so many times never come: the kernel left them out."""
        self._waiting = self._waiting[count:]

    def close(self) -> None:
        """Unmaps the ring."""
        self._ring.close()


def _keys(ids: np.ndarray, messages: np.ndarray) -> np.ndarray:
    keys: np.ndarray = messages.astype(np.uint64) << np.uint64(32) | ids.astype(np.uint64)
    return keys
