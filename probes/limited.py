"""A probe that shows the sockets of some network namespaces only."""

import numpy as np

from probes.kernel.layout import enums, rows_where
from probes.kernel.namespaces import ChosenNamespaces
from probes.tcp.probe import Snapshot, TcpProbe

_KIND = enums()["event_kind"]
_ENDS = (_KIND["KIND_CLOSE"], _KIND["KIND_FAIL"])


class LimitedProbe:
    """Leaves out events and cells of other namespaces; where nothing was chosen, everything passes as it is.

    :param probe: the one that sees all of the machine.
    """

    def __init__(self, probe: TcpProbe, chosen: ChosenNamespaces) -> None:
        self._probe = probe
        self._chosen = chosen
        self._netns = np.zeros(0 if chosen.all else probe.slots, np.uint32)  # of the socket of each slot
        self._left_out = 0

    @property
    def ring_fd(self) -> int:
        """Readable when the ring should be read."""
        return self._probe.ring_fd

    def peek(self) -> np.ndarray:
        """Events that wait, in order, valid until ``release``."""
        events = self._probe.peek()
        if self._chosen.all or not len(events):
            return events
        self._chosen.refresh()
        mine = ~np.isin(events["header"]["kind"], _ENDS) | self._chosen.mask(events["socket"]["netns"])
        self._left_out += len(events) - int(np.count_nonzero(mine))
        return rows_where(events, mine)

    def release(self) -> None:
        """What ``peek`` showed is no longer needed."""
        self._probe.release()

    def snapshot(self) -> Snapshot:
        """The counters of live sockets."""
        shot = self._probe.snapshot()
        if self._chosen.all:
            return shot
        self._chosen.refresh()
        self._netns[shot.new_slots] = shot.descriptions["netns"]
        mine = self._chosen.mask(self._netns[shot.slots])
        new = self._chosen.mask(shot.descriptions["netns"])
        return Snapshot(
            shot.slots[mine],
            rows_where(shot.cells, mine),
            shot.new_slots[new],
            rows_where(shot.descriptions, new),
        )

    def tallies(self) -> dict[str, int]:
        """The kernel side's counts, without the events left out."""
        counts = self._probe.tallies()
        return counts | {"generated": counts["generated"] - self._left_out}

    def waiting(self) -> int:
        """Events in the ring."""
        return self._probe.waiting()

    def detach(self) -> None:
        """Takes the hooks off."""
        self._probe.detach()
