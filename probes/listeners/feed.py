"""Listening sockets as events: once a second, with the snapshot of its connections."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from model.ledger import Stage
from probes.kernel.layout import rows_where, structs
from probes.kernel.namespaces import ChosenNamespaces
from probes.listeners.cells import ListenerCells

_SHARED: Final = structs("tcp")["socket_event"]


class ListenerFeed:
    """Reads the cells when a window ends.

    :param chosen: network namespaces whose listeners are reported.
    """

    behind = False
    fds: Sequence[int] = ()

    def __init__(self, chosen: ChosenNamespaces) -> None:
        #: What is read; none where the probe is off, or the kernel does not offer what it needs.
        self.cells: ListenerCells | None = None
        #: In listening sockets.
        self.stage = Stage("listeners")
        self._chosen = chosen
        self._due = False

    def notice(self, _netns: np.ndarray) -> None:
        """A snapshot was taken: what is read next belongs to its window."""
        self._due = True

    def missed(self, begin_ns: int, end_ns: int) -> None:
        """Nothing of it comes by the ring."""

    def events(self) -> np.ndarray:
        """Those that changed in the window that ends, once; as records of the shared ring."""
        if not self._due or not self.cells:
            return np.zeros(0, _SHARED)
        self._due = False
        events = self._of_chosen(self.cells.read())
        self._balance()
        return events.view(_SHARED) if len(events) else np.zeros(0, _SHARED)

    def _of_chosen(self, events: np.ndarray) -> np.ndarray:
        if self._chosen.all or not len(events):
            return events
        self._chosen.refresh()
        return rows_where(events, self._chosen.mask(events["listener"]["netns"]))

    def _balance(self) -> None:
        assert self.cells
        stage, tallies = self.stage, self.cells.tallies()
        stage.delivered = tallies["taken"]
        stage.received = tallies["taken"] + tallies["no_cell"]
        if tallies["no_cell"]:
            stage.dropped["no_cell"] = tallies["no_cell"]

    def catch_up(self) -> np.ndarray:
        """Nothing more."""
        return np.zeros(0, _SHARED)
