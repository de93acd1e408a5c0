"""Tells the service manager how a role does, as long as its actors get on with their work."""

import logging
import time
from typing import Final

from engine.graph import Graph
from engine.service.losses import NewLosses
from engine.service.notify import ServiceManager
from engine.service.progress import Progress
from model.tasks import happens

#: Seconds between two status lines at most.
STATUS_SECONDS: Final = 5.0
#: Parts of the watchdog's time: one of them between two signs of life, two of them before a place is stuck.
_PARTS: Final = 4
#: The places where rows leave a process.
_ENDS: Final = ("fan_out", "bus")

log = logging.getLogger(__name__)


async def supervise(graph: Graph, manager: ServiceManager) -> None:
    """From when a role is ready until it stops: readiness, signs of life, status and losses.

    It runs in the loop that does the work, and says nothing more of life once an actor is stuck: the service manager
    then ends this process, and starts another.
    """
    if not manager.listens:
        return
    seconds = min(STATUS_SECONDS, manager.watchdog_seconds / _PARTS or STATUS_SECONDS)
    supervision = Supervision(graph, manager)
    manager.ready(supervision.status())
    while not await happens(graph.stopping, seconds):
        supervision.look()
    manager.stopping()


class Supervision:
    """One look after another at a graph."""

    def __init__(self, graph: Graph, manager: ServiceManager) -> None:
        self._graph = graph
        self._manager = manager
        self._progress = Progress(graph.working_places(), 2 * manager.watchdog_seconds / _PARTS)
        self._losses = NewLosses(graph.ledger)
        self._stuck = ""
        self._rows, self._at = self._sent(), time.monotonic()

    def look(self) -> None:
        """Once."""
        self._losses.log(time.monotonic())
        self._manager.status(self.status())
        if not self._manager.watchdog_seconds:
            return
        stuck = self._progress.stuck(time.monotonic())
        if not stuck:
            self._manager.alive()
        elif stuck != self._stuck:
            log.error("%s is stuck: the watchdog ends this process", stuck, extra={"actor": stuck})
        self._stuck = stuck

    def status(self) -> str:
        """Rows a second since the last look, and what was lost since the start."""
        rows, now = self._sent(), time.monotonic()
        rate = (rows - self._rows) / max(now - self._at, 1e-3)
        self._rows, self._at = rows, now
        return f"{rate:,.0f} rows/s; lost {self._losses.text()}"

    def _sent(self) -> int:
        statistics = self._graph.statistics()
        return sum(statistics[name].received_rows for name in _ENDS if name in statistics)
