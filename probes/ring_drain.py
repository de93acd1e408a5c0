"""What is read of one ring: whole windows, and the ledger stage of what its programs made."""

from typing import Protocol

import numpy as np

from model.ledger import Stage
from probes.kernel.layout import copied, joined, rows_where


class EventRing(Protocol):
    """Events that wait to be read, in order."""

    @property
    def fd(self) -> int:
        """Readable when the ring should be read at once."""

    def peek(self) -> np.ndarray:
        """All of them, valid until ``release``."""

    def release(self) -> None:
        """What ``peek`` showed is no longer needed."""

    def waiting(self) -> int:
        """How many there are."""


class RingDrain:
    """Takes the events of one ring window by window.

    :param urgent: whether events of a kind do not wait for the window of their time; by number.
    :param stage: the kernel's own: events made, read, lost because the ring was full; it travels in snapshots.
    """

    def __init__(self, ring: EventRing, urgent: np.ndarray, stage: Stage) -> None:
        self._ring = ring
        self._urgent = urgent
        self._later: np.ndarray | None = None
        self.stage = stage

    def peek(self) -> np.ndarray:
        """What the ring holds, valid until ``release``."""
        return self._ring.peek()

    def take(self, events: np.ndarray, boundary: int | None, offset_ns: int) -> np.ndarray:
        """What is to be sent of what ``peek`` gave and what was kept before, valid until ``release``.

        Events from ``boundary`` on (wall clock) are kept for the next window. Urgent ones are not: the snapshot may
        have sockets that were opened since.
        """
        if self._later is not None:
            events, self._later = joined(self._later, events), None
        if boundary is not None:
            late = events["header"]["at_ns"].astype(np.int64) + offset_ns >= boundary
            late &= ~self._urgent[events["header"]["kind"]]
            self._later = copied(rows_where(events, late)) if late.any() else None
            events = rows_where(events, ~late)
        self.stage.delivered += len(events)
        return events

    def release(self) -> None:
        """What ``peek`` and ``take`` gave is no longer needed."""
        self._ring.release()

    def balance(self, made: int, lost: int, *, final: bool) -> None:
        """Brings the stage up to date. While programs run, what is made but not read counts as queued, for no two
        counts are of one moment; at the end the ring is empty or it is not, and the counts must agree."""
        stage = self.stage
        stage.received, stage.dropped["ring_full"] = made, lost
        waiting = self._ring.waiting() + (len(self._later) if self._later is not None else 0)
        stage.queued = waiting if final else made - lost - stage.delivered
