"""Probes that show the sockets of some network namespaces only."""

from collections.abc import Mapping

import numpy as np

from probes.attached import AttachedProbes
from probes.kernel.event_types import EventTypes
from probes.kernel.layout import rows_where
from probes.kernel.namespaces import ChosenNamespaces
from probes.ring_drain import EventRing
from probes.selection import Selection
from probes.tcp.sockets import Snapshot


class LimitedRing:
    """Leaves out events that belong to other namespaces."""

    def __init__(self, ring: EventRing, event_types: EventTypes, chosen: ChosenNamespaces) -> None:
        self._ring = ring
        self._event_types = event_types
        self._chosen = chosen
        #: Events left out since the start.
        self.left_out = 0

    @property
    def fd(self) -> int:
        """Readable when the ring should be read."""
        return self._ring.fd

    def peek(self) -> np.ndarray:
        """Events that wait, in order, valid until ``release``."""
        events = self._ring.peek()
        if not len(events):
            return events
        self._chosen.refresh()
        mine = np.ones(len(events), np.bool_)
        for struct, field in self._event_types.namespaces.items():
            theirs = np.flatnonzero(np.isin(events["header"]["kind"], self._event_types.kinds_of(struct)))
            netns = np.ascontiguousarray(events[theirs]).view(self._event_types.structs[struct])
            for name in field.split("."):
                netns = netns[name]
            mine[theirs] = self._chosen.mask(netns)
        self.left_out += len(events) - int(np.count_nonzero(mine))
        return rows_where(events, mine)

    def release(self) -> None:
        """What ``peek`` showed is no longer needed."""
        self._ring.release()

    def waiting(self) -> int:
        """Events in the ring."""
        return self._ring.waiting()


class LimitedProbes:
    """Leaves out events and cells of other namespaces; where nothing was chosen, everything passes as it is.

    :param probes: those that see all of the machine.
    """

    def __init__(self, probes: AttachedProbes, selection: Selection, chosen: ChosenNamespaces) -> None:
        self._probes = probes
        self._event_types = selection.event_types
        self._chosen = chosen
        slots = 0 if chosen.all else selection.config.tcp.slots
        self._netns = np.zeros(slots, np.uint32)  # of the socket of each slot
        self._limited: dict[str, LimitedRing] = {}

    @property
    def rings(self) -> Mapping[str, EventRing]:
        """By name, the shared one first."""
        if self._chosen.all:
            return self._probes.rings
        for name, ring in self._probes.rings.items():
            self._limited.setdefault(name, LimitedRing(ring, self._event_types, self._chosen))
        return self._limited

    def snapshot(self) -> Snapshot:
        """The counters of live sockets."""
        shot = self._probes.snapshot()
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

    def ring_counts(self) -> Mapping[str, tuple[int, int]]:
        """Events made for each ring and lost, without those left out."""
        counts = self._probes.ring_counts()
        return {
            name: (made - self._limited[name].left_out if name in self._limited else made, lost)
            for name, (made, lost) in counts.items()
        }

    def tallies(self) -> Mapping[str, int]:
        """The kernel side's counts of sockets."""
        return self._probes.tallies()

    def detach(self) -> None:
        """Takes the hooks off."""
        self._probes.detach()
