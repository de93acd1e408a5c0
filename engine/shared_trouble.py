"""Incidents of a cluster: every engine watches the partitions that it owns; one of them keeps incidents."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from actors.trouble.items import Look, Remembered
from actors.trouble.merged import Merged
from engine.actor import Place
from engine.config import Config
from engine.graph import Graph
from engine.incident_source import WrittenIncidents
from engine.nats.incident_bus import IncidentBus
from engine.nats.incident_requests import Acknowledge, AddSilence, Change, Kept, Lift
from engine.nats.lease import Lease
from engine.trouble import IncidentsOutlet, watch
from model.ledger import Ledger
from model.tasks import end

log = logging.getLogger(__name__)


def watch_shared_trouble(
    graph: Graph, config: Config, url: str, joined: Place, messages: Place
) -> "SharedIncidents":
    """As ``watch_trouble``, for one of several engines.

    :param url: of the bus that they share.
    """
    folder = Path(config.trouble.path)
    outlet = SharedIncidents(config, url, folder, graph.ledger)
    graph.service(outlet.opened())
    graph.task(outlet.run)
    watch(graph, config, folder, joined, messages, outlet)
    return outlet


class SharedIncidents:
    """Tells whoever leads what this engine sees; keeps incidents while it leads itself.

    :param folder: for what this engine keeps; the same of before a restart.
    :ivar leads: whether it does now.
    """

    def __init__(self, config: Config, url: str, folder: Path, ledger: Ledger) -> None:
        self.incidents = IncidentsOutlet(config, folder, ledger, serves=False)
        self.leads = False
        self._tick_s = config.trouble.tick_seconds
        self._bus = IncidentBus(url)
        self._merged = Merged(self._tick_s)
        self._stage = ledger.stage("incidents", "looks")

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Connected while the block runs.

        :raises TailraceError: if the server is not there, or refuses this client.
        """
        await self._bus.open()
        try:
            await self._bus.listen(Look, self._take)
            yield
        finally:
            await self._bus.close()

    async def run(self) -> None:
        """Leads whenever nobody else does, until it is cancelled."""
        while True:
            lease = await self._bus.lead()
            log.info("this engine keeps the incidents of the cluster")
            try:
                await self._lead(lease)
            finally:
                self.leads = False
                await self._bus.leave()
            log.info("another engine keeps the incidents of the cluster")

    async def _lead(self, lease: Lease) -> None:
        """Until the lease is over, which is renewed also while all that there was is still read."""
        tasks = [asyncio.create_task(each) for each in (self._bus.keep(lease), self._work())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self.leads = False
            await end(*tasks)

    async def _work(self) -> None:
        """For ever; the journal begins with what the engine before had."""
        kept = await self._bus.rows()
        written = WrittenIncidents(lambda: self.incidents.book, self.incidents.wake)
        async with (
            self.incidents.opened(kept, self._bus.save),
            self._bus.answering(partial(self._asked, written)),
            asyncio.TaskGroup() as work,
        ):
            self._merged, self.leads = Merged(self._tick_s), True
            work.create_task(self.incidents.run())
            work.create_task(self._bus.saving())

    async def _asked(self, written: WrittenIncidents, request: Kept | Change) -> Any:
        """The answer to whoever asks for incidents, or changes some."""
        match request:
            case Kept(prefixes):
                return self.incidents.book.kept(prefixes) if self.incidents.book else {}
            case Acknowledge(key, who):
                return await written.acknowledge(key, who)
            case AddSilence(words, who):
                return await written.silence(words, who)
            case Lift(id):
                return await written.lift(id)

    async def take(self, item: Look | Remembered) -> None:
        """What this engine sees, or state to keep here."""
        if isinstance(item, Remembered):
            await self.incidents.take(item)
        elif self.leads:
            await self._take(self._bus.me, item)
        else:
            await self._bus.tell(item)

    async def flush(self) -> None:
        """All is told, or on disk, when ``take`` returns."""

    async def _take(self, who: str, look: Look) -> None:
        """What an engine sees."""
        if not self.leads:
            return
        before = self._merged.late
        for whole in self._merged.add(who, look):
            await self.incidents.take(whole)
        self._stage.note("late_looks", self._merged.late - before)
