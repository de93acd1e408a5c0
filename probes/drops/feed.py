"""Dropped packets as events: once a second, with the snapshot of their time."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from model.ledger import Stage
from probes.cell_feed import CellFeed
from probes.drops.cells import DropCells
from probes.kernel.namespaces import ChosenNamespaces

#: What the program counts beside what it keeps in cells.
NOTED: Final = ("seen", "noise", "unreadable", "folded")


class DropFeed(CellFeed[DropCells]):
    """In packets."""

    def __init__(self, chosen: ChosenNamespaces) -> None:
        super().__init__(Stage("packets"), chosen)

    def counted(self, events: np.ndarray) -> int:
        """Packets."""
        return int(events["count"].sum())

    def balance(self, events: np.ndarray, tallies: Mapping[str, int]) -> None:
        """By the program's count of packets in cells."""
        self.queue_rest(events, tallies, "counted", NOTED)
