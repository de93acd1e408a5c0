"""Listening sockets as events: once a second, with the snapshot of its connections."""

from collections.abc import Mapping

import numpy as np

from model.ledger import Stage
from probes.cell_feed import CellFeed
from probes.kernel.namespaces import ChosenNamespaces
from probes.listeners.cells import ListenerCells


class ListenerFeed(CellFeed[ListenerCells]):
    """In listening sockets."""

    def __init__(self, chosen: ChosenNamespaces) -> None:
        super().__init__(Stage("listeners"), chosen)

    def netns(self, events: np.ndarray) -> np.ndarray:
        """That of each socket."""
        found: np.ndarray = events["listener"]["netns"]
        return found

    def counted(self, events: np.ndarray) -> int:
        """Sockets."""
        return len(events)

    def balance(self, events: np.ndarray, tallies: Mapping[str, int]) -> None:
        """Each counts once, when it takes a cell."""
        stage = self.stage
        stage.delivered = tallies["taken"]
        stage.received = tallies["taken"] + tallies["no_cell"]
        if tallies["no_cell"]:
            stage.dropped["no_cell"] = tallies["no_cell"]
