"""Counted requests as events: once a second, with the snapshot that has their sockets."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from model.ledger import Stage
from probes.cell_feed import CellFeed
from probes.http.cells import RequestCells
from probes.kernel.layout import enums
from probes.kernel.namespaces import ChosenNamespaces

#: What the programs count beside requests (``enum http_tally``): totals that lost nothing.
NOTED: Final = tuple(
    name.removeprefix("HTTP_").lower()
    for name in enums("http")["http_tally"]
    if name not in ("HTTP_REQUESTS", "HTTP_NO_CELL", "HTTP_TALLIES")
)
_REQUESTS: Final = enums("http")["http_event"]["KIND_REQUESTS"]


class RequestFeed(CellFeed[RequestCells]):
    """In requests."""

    def __init__(self, chosen: ChosenNamespaces) -> None:
        super().__init__(Stage("requests"), chosen)

    def counted(self, events: np.ndarray) -> int:
        """Requests, those included that a proxy passed on."""
        return int(events["requests"].sum())

    def balance(self, events: np.ndarray, tallies: Mapping[str, int]) -> None:
        """By the programs' count of requests; what proxies passed on has a stage of its own."""
        requests = events[events["header"]["kind"] == _REQUESTS]
        self.queue_rest(requests, tallies, "requests", NOTED)
