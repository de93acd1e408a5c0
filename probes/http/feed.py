"""Counted requests as events: once a second, with the snapshot that has their sockets."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from model.ledger import Stage
from probes.http.cells import RequestCells
from probes.kernel.layout import enums, rows_where, structs
from probes.kernel.namespaces import ChosenNamespaces

#: What the programs count beside requests (``enum http_tally``): totals that lost nothing.
NOTED: Final = tuple(
    name.removeprefix("HTTP_").lower()
    for name in enums("http")["http_tally"]
    if name not in ("HTTP_REQUESTS", "HTTP_NO_CELL", "HTTP_TALLIES")
)
_SHARED: Final = structs("tcp")["socket_event"]
_REQUESTS: Final = enums("http")["http_event"]["KIND_REQUESTS"]


class RequestFeed:
    """Reads the cells when a window ends.

    :param chosen: network namespaces whose requests are reported.
    """

    behind = False
    fds: Sequence[int] = ()

    def __init__(self, chosen: ChosenNamespaces) -> None:
        #: What is read; none where the probe is off, or the kernel does not offer what it needs.
        self.cells: RequestCells | None = None
        self.stage = Stage("requests")
        self._chosen = chosen
        self._due = False
        self._left_out = 0  # requests of other namespaces

    def notice(self, _netns: np.ndarray) -> None:
        """A snapshot was taken: what is read next belongs to its window."""
        self._due = True

    def missed(self, begin_ns: int, end_ns: int) -> None:
        """Nothing of it comes by the ring but paths, which are sent again."""

    def events(self) -> np.ndarray:
        """What was counted in the window that ends, once; as records of the shared ring."""
        if not self._due or not self.cells:
            return np.zeros(0, _SHARED)
        self._due = False
        events = self._of_chosen(self.cells.read())
        self._balance(events[events["header"]["kind"] == _REQUESTS])
        return events.view(_SHARED) if len(events) else np.zeros(0, _SHARED)

    def _of_chosen(self, events: np.ndarray) -> np.ndarray:
        if self._chosen.all or not len(events):
            return events
        self._chosen.refresh()
        mine = self._chosen.mask(events["netns"])
        self._left_out += int(events["requests"][~mine].sum())
        return rows_where(events, mine)

    def _balance(self, events: np.ndarray) -> None:
        """While programs run, what is counted but not read is queued, for no two counts are of one moment."""
        assert self.cells
        stage, tallies = self.stage, self.cells.tallies()
        stage.delivered += int(events["requests"].sum())
        if tallies["no_cell"]:
            stage.dropped["no_cell"] = tallies["no_cell"]
        done = stage.delivered + tallies["no_cell"]
        stage.received = max(tallies["requests"] + tallies["no_cell"] - self._left_out, done)
        stage.queued = stage.received - done
        for name in NOTED:
            if tallies[name]:
                stage.noted[name] = tallies[name]

    def catch_up(self) -> np.ndarray:
        """Nothing more."""
        return np.zeros(0, _SHARED)
