"""When ctnetlink's messages were made: the filter of their socket writes it down, and it is found again by entry."""

from typing import Final

import numpy as np

from probes.conntrack.ctnetlink import MSG_DELETE, MSG_NEW
from probes.kernel.layout import ring_record, structs
from probes.kernel.ring import RingReader

#: As bpf/conntrack/maps.h has it: more messages than the socket's buffer holds by default.
RING_BYTES: Final = 512 << 10
_TIME: Final = structs("conntrack")["conntrack_time"]
#: A ring with so many times may have had no room for others; some processors may have been writing.
_FULL: Final = RING_BYTES // ring_record(_TIME).itemsize - 64
#: Reads at most until a time is there that another processor is writing just now, and those behind it.
_TRIES: Final = 1000


class EntryTimes:
    """Times of messages that were not read yet.

    :param program: the socket's filter, loaded; whoever loaded it closes it.
    :param ring: the map that it writes to, likewise.
    """

    def __init__(self, program: int, ring: int) -> None:
        self.program = program
        self._ring = RingReader(ring, RING_BYTES, _TIME)
        self._waiting = np.zeros(0, _TIME)
        self._full = False  # some may be missing

    def look(self) -> int:
        """Takes in what the filter wrote; how many times wait for their messages."""
        parts, left = [self._waiting], self._ring.waiting()
        self._full |= left >= _FULL
        for _ in range(_TRIES):
            if left <= 0:
                break
            parts.append(came := self._ring.read())
            left -= len(came)
        self._full |= left > 0
        if len(parts) > 1:
            self._waiting = np.concatenate(parts)
        return len(self._waiting)

    def of(self, ids: np.ndarray, new: np.ndarray, *, lossy: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """When these messages were made at the earliest and at the latest, monotonic; 0 where that is not known.

        Numbers of entries are used again: the first message of an entry and kind has the first time, and so on. Where
        messages were lost, any of the times may be theirs.

        :param ids: the kernel's numbers of the entries, in the order of the messages; shape (n,).
        :param new: whether each message is of a beginning; the others are of an end.
        :param lossy: whether some of which there are times may not come.
        :return: both of shape (n,), uint64.
        """
        self.look()
        first, last = np.zeros(len(ids), np.uint64), np.zeros(len(ids), np.uint64)
        wanted = _keys(ids, np.where(new, MSG_NEW, MSG_DELETE))
        there = _keys(self._waiting["id"], self._waiting["message"])
        asked, written = np.argsort(wanted, kind="stable"), np.argsort(there, kind="stable")
        wanted, there = wanted[asked], there[written]
        begin, end = np.searchsorted(there, wanted), np.searchsorted(there, wanted, "right")
        turn = np.arange(len(wanted)) - np.searchsorted(wanted, wanted)
        alike = np.searchsorted(wanted, wanted, "right") - np.searchsorted(wanted, wanted)
        spare = end - begin - alike  # more times than messages; less than 0: whose they are is not known
        known = (spare >= 0) & (not self._full)
        at_ns = self._waiting["at_ns"][written]
        place = (begin + turn)[known]
        first[asked[known]] = at_ns[place]
        last[asked[known]] = at_ns[place + spare[known] * lossy]
        self._waiting = np.delete(self._waiting, written[np.minimum(begin + turn, end - 1)[end > begin]])
        return first, last

    def older(self, at_ns: int) -> int:
        """How many of the first times lie before that one."""
        return int(np.searchsorted(self._waiting["at_ns"], np.uint64(at_ns)))

    def forget(self, count: int) -> np.ndarray | None:
        """The messages of the first so many times never come: the kernel left them out.

        :return: those times; None if there may be others that nobody wrote down.
        """
        gone = self._waiting["at_ns"][:count]
        self._waiting = self._waiting[count:]
        whole, self._full = not self._full, False
        return gone if whole else None

    def close(self) -> None:
        """Unmaps the ring."""
        self._ring.close()


def _keys(ids: np.ndarray, messages: np.ndarray) -> np.ndarray:
    keys: np.ndarray = messages.astype(np.uint64) << np.uint64(32) | ids.astype(np.uint64)
    return keys
