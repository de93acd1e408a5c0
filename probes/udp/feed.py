"""Flows of UDP as events: once a second those that counted something, ahead of the snapshot of their second."""

import logging
from collections.abc import Sequence
from typing import Final

import numpy as np

from model.ledger import Stage
from probes.kernel.layout import enums, rows_where, structs
from probes.kernel.namespaces import ChosenNamespaces
from probes.udp.cells import UdpFlows

log = logging.getLogger(__name__)

#: What the programs count beside flows (``enum udp_tally``).
NOTED: Final = tuple(
    name.removeprefix("UDP_").lower()
    for name in enums("udp")["udp_tally"]
    if name not in ("UDP_OPENED", "UDP_NO_SLOT", "UDP_TALLIES")
)
#: Windows after which hooks are looked at again: other programs take those off that they do not know.
LOOK_EVERY: Final = 10
_SHARED: Final = structs("tcp")["socket_event"]


class UdpFeed:
    """Reads the cells when a window ends.

    :param chosen: network namespaces whose flows are reported.
    """

    behind = False
    fds: Sequence[int] = ()

    def __init__(self, chosen: ChosenNamespaces) -> None:
        #: What is read; None where the probe is off.
        self.flows: UdpFlows | None = None
        self.stage = Stage("flows")
        self._chosen = chosen
        self._due = False
        self._windows = 0
        self._lost: list[str] = []

    def notice(self, _netns: np.ndarray) -> None:
        """A snapshot was taken: what is read next belongs to its window."""
        self._due = True

    def missed(self, begin_ns: int, end_ns: int) -> None:
        """Ends that find the ring full wait in their slots."""

    def events(self) -> np.ndarray:
        """What was counted in the window that ends, once; as records of the shared ring."""
        if not self._due or not self.flows:
            return np.zeros(0, _SHARED)
        self._due = False
        events = self.flows.read()
        self._look_at_hooks()
        self._balance()
        if not self._chosen.all and len(events):
            self._chosen.refresh()
            events = rows_where(events, self._chosen.mask(events["socket"]["netns"]))
        return events.view(_SHARED) if len(events) else np.zeros(0, _SHARED)

    def _look_at_hooks(self) -> None:
        """Says once which are lost; the ledger says so as long as they are."""
        assert self.flows
        if self._windows % LOOK_EVERY == 0:
            lost = self.flows.lost_hooks()
            if lost and lost != self._lost:
                places = ", ".join(lost)
                log.warning(
                    "another program has detached ours at %s: nothing is counted there; restart", places
                )
            self._lost = lost
            if lost:
                self.stage.noted["lost_hooks"] = len(lost)
        self._windows += 1

    def _balance(self) -> None:
        """A datagram in no flow counts as a flow that was lost."""
        assert self.flows
        stage, tallies = self.stage, self.flows.tallies()
        stage.delivered = tallies["opened"]
        if tallies["no_slot"]:
            stage.dropped["no_slot"] = tallies["no_slot"]
        stage.received = tallies["opened"] + tallies["no_slot"]
        for name in NOTED:
            if tallies[name]:
                stage.noted[name] = tallies[name]

    def catch_up(self) -> np.ndarray:
        """Nothing more."""
        return np.zeros(0, _SHARED)
