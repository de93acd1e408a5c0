"""Dropped packets as events: once a second, with the snapshot of their time."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from model.ledger import Stage
from probes.drops.cells import DropCells
from probes.kernel.layout import rows_where, structs
from probes.kernel.namespaces import ChosenNamespaces

_SHARED: Final = structs("tcp")["socket_event"]
#: What the program counts beside what it keeps in cells.
NOTED: Final = ("seen", "noise", "unreadable", "folded")


class DropFeed:
    """Reads the cells when a window ends.

    :param chosen: network namespaces whose drops are reported.
    """

    behind = False
    fds: Sequence[int] = ()

    def __init__(self, chosen: ChosenNamespaces) -> None:
        #: What is read; none where the kernel does not offer what the probe needs.
        self.cells: DropCells | None = None
        self.stage = Stage("packets")
        self._chosen = chosen
        self._due = False
        self._left_out = 0  # packets of other namespaces

    def notice(self, _netns: np.ndarray) -> None:
        """A snapshot was taken: what is read next belongs to its window."""
        self._due = True

    def missed(self, begin_ns: int, end_ns: int) -> None:
        """Nothing of it comes by the ring."""

    def events(self) -> np.ndarray:
        """What was dropped in the window that ends, once; as records of the shared ring."""
        if not self._due or not self.cells:
            return np.zeros(0, _SHARED)
        self._due = False
        events = self._of_chosen(self.cells.read())
        self._balance(int(events["count"].sum()))
        return events.view(_SHARED) if len(events) else np.zeros(0, _SHARED)

    def _of_chosen(self, events: np.ndarray) -> np.ndarray:
        if self._chosen.all or not len(events):
            return events
        self._chosen.refresh()
        mine = self._chosen.mask(events["netns"])
        self._left_out += int(events["count"][~mine].sum())
        return rows_where(events, mine)

    def _balance(self, delivered: int) -> None:
        """While packets are dropped, what is counted but not read is queued: no two counts are of one moment."""
        assert self.cells
        stage, tallies = self.stage, self.cells.tallies()
        stage.delivered += delivered
        if tallies["no_cell"]:
            stage.dropped["no_cell"] = tallies["no_cell"]
        done = stage.delivered + tallies["no_cell"]
        stage.received = max(tallies["counted"] + tallies["no_cell"] - self._left_out, done)
        stage.queued = stage.received - done
        for name in NOTED:
            if tallies[name]:
                stage.noted[name] = tallies[name]

    def catch_up(self) -> np.ndarray:
        """Nothing more."""
        return np.zeros(0, _SHARED)
