"""Flows of UDP as events: once a second those that counted something, ahead of the snapshot of their second."""

import logging
from collections.abc import Mapping
from typing import Final

import numpy as np

from model.ledger import Stage
from probes.cell_feed import CellFeed
from probes.kernel.layout import enums
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


class UdpFeed(CellFeed[UdpFlows]):
    """In flows.

    :param chosen: network namespaces whose flows are reported.
    """

    def __init__(self, chosen: ChosenNamespaces) -> None:
        super().__init__(Stage("flows"), chosen)
        self._windows = 0
        self._lost: list[str] = []

    def netns(self, events: np.ndarray) -> np.ndarray:
        """That of each flow's socket."""
        found: np.ndarray = events["socket"]["netns"]
        return found

    def counted(self, events: np.ndarray) -> int:
        """Flows."""
        return len(events)

    def balance(self, events: np.ndarray, tallies: Mapping[str, int]) -> None:
        """A datagram in no flow counts as a flow that was lost."""
        self._look_at_hooks()
        stage = self.stage
        stage.delivered = tallies["opened"]
        if tallies["no_slot"]:
            stage.dropped["no_slot"] = tallies["no_slot"]
        stage.received = tallies["opened"] + tallies["no_slot"]
        for name in NOTED:
            if tallies[name]:
                stage.noted[name] = tallies[name]

    def _look_at_hooks(self) -> None:
        """Says once which are lost; the ledger says so as long as they are."""
        assert self.cells
        if self._windows % LOOK_EVERY == 0:
            lost = self.cells.lost_hooks()
            if lost and lost != self._lost:
                places = ", ".join(lost)
                log.warning(
                    "another program has detached ours at %s: nothing is counted there; restart", places
                )
            self._lost = lost
            if lost:
                self.stage.noted["lost_hooks"] = len(lost)
        self._windows += 1
