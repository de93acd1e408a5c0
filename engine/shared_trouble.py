"""Incidents of a cluster: every engine counts what it sees; one of them judges, and keeps incidents."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from actors.rules.grammar import Rule
from actors.rules.rules import Rules
from actors.trouble.counted import Counted
from actors.trouble.counting import Counting
from actors.trouble.items import Look
from actors.trouble.shared_watch import Ill, KeptState, SharedWatch
from engine.actor import Place
from engine.config import Config
from engine.graph import Graph
from engine.incident_source import WrittenIncidents
from engine.nats.incident_bus import IncidentBus
from engine.nats.incident_requests import Acknowledge, AddSilence, Change, Kept, Lift
from engine.nats.lease import Lease
from engine.trouble import HABITS, IncidentsOutlet, adopt_habits, is_watched, keep_learnt, reloaded_rules
from model.ledger import Ledger
from model.tasks import end

#: Seconds between looks at whether anything comes.
_CLOCK_S: Final = 1.0
#: Ticks after which it is kept how fast pairs usually are: five minutes.
_KEPT_TICKS: Final = 30

log = logging.getLogger(__name__)


def watch_shared_trouble(
    graph: Graph, config: Config, url: str, joined: Place, messages: Place
) -> "SharedIncidents":
    """As ``watch_trouble``, for one of several engines.

    :param url: of the bus that they share.
    """
    rules = Rules([rule.rule() for rule in config.alerts.rules])
    counting, folder = Counting(graph.ledger, config.trouble.tick_seconds, rules), Path(config.trouble.path)
    adopt_habits(counting, folder)
    outlet = SharedIncidents(config, url, folder, graph.ledger, counting)
    graph.service(outlet.opened())
    graph.task(outlet.run)
    graph.reloads += [outlet.incidents.reloaded, reloaded_rules(counting.replace, outlet.replace)]
    count = graph.actor("detect", counting)
    joined >> count >> graph.outlet("incidents", outlet)
    messages.where(is_watched) >> count
    return outlet


class SharedIncidents:
    """Tells whoever leads what this engine counts; judges it and keeps incidents while it leads itself.

    :param folder: for incidents; the same of before a restart.
    :param counting: what counts here.
    :ivar leads: whether it does now.
    """

    def __init__(self, config: Config, url: str, folder: Path, ledger: Ledger, counting: Counting) -> None:
        self.incidents = IncidentsOutlet(config, folder, ledger, serves=False)
        self.leads = False
        self._folder = folder
        self._tick_s = config.trouble.tick_seconds
        self._rules: Sequence[Rule] = [rule.rule() for rule in config.alerts.rules]
        self._ledger = ledger
        self._bus = IncidentBus(url)
        self._counting = counting
        self._watch = self._watching({})
        self._one_by_one = asyncio.Lock()
        self._stage = ledger.stage("detector", "edges")

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Connected while the block runs.

        :raises TailraceError: if the server is not there, or refuses this client.
        """
        await self._bus.open()
        try:
            await self._bus.hear_ill(self._take_ill)
            yield
            await self._keep_habits()
        finally:
            await self._bus.close()

    def replace(self, rules: Sequence[Rule]) -> None:
        """Judge by these rules, now or when this engine leads."""
        self._rules = rules
        self._watch.replace(rules)

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
        """For ever; the journal begins with what the engine before had, and so does what is usual."""
        kept, states = await self._bus.rows(), await self._bus.states()
        written = WrittenIncidents(lambda: self.incidents.book, self.incidents.wake)
        async with (
            self.incidents.opened(kept, self._bus.save),
            self._bus.answering(partial(self._asked, written)),
            self._bus.hearing(self._take),
            asyncio.TaskGroup() as work,
        ):
            self._watch, self.leads = await asyncio.to_thread(self._watching, states), True
            for task in (self.incidents.run, self._bus.saving, self._clock):
                work.create_task(task())

    def _watching(self, states: Mapping[str, bytes]) -> SharedWatch:
        """What judges, with the state of before if it can be read."""
        try:
            return SharedWatch(self._ledger, states, self._tick_s, Rules(self._rules))
        except ValueError as error:
            log.warning("the detector learns anew: %s", error)
            return SharedWatch(self._ledger, {}, self._tick_s, Rules(self._rules))

    async def _clock(self) -> None:
        while True:
            await asyncio.sleep(_CLOCK_S)
            await self._judge(partial(self._watch.time, time.monotonic()))

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

    async def take(self, item: Counted) -> None:
        """What this engine counted."""
        if item.tick % _KEPT_TICKS == 0:
            await self._keep_habits()
        if self.leads:
            await self._take(self._bus.me, item)
            return
        await self._bus.tell(item)
        self._note_too_large()

    async def _keep_habits(self) -> None:
        """What is slow each engine knows of its own connections."""
        states = {HABITS: self._counting.encode_habits()}
        await asyncio.to_thread(keep_learnt, self._folder, states)

    async def flush(self) -> None:
        """All is told, or on disk, when ``take`` returns."""

    async def _take(self, who: str, counted: Counted) -> None:
        """What an engine counted."""
        await self._judge(partial(self._watch.add, who, counted))

    async def _judge(self, act: Callable[[], Iterator[Look | KeptState | Ill]]) -> None:
        """Beside the loop, which renews the lease meanwhile; one tick after the other."""
        async with self._one_by_one:
            if not self.leads:
                return
            for item in await asyncio.to_thread(lambda: list(act())):
                match item:
                    case Look():
                        await self.incidents.take(item)
                    case Ill(edges):
                        self._take_ill(edges)
                        await self._bus.say_ill(edges)
                    case KeptState(key, state):
                        self._bus.save_state(key, state)
                        self._note_too_large()

    def _note_too_large(self) -> None:
        self._stage.note("too_large", self._bus.too_large - self._stage.noted["too_large"])

    def _take_ill(self, edges: Any) -> None:
        self._counting.ill = edges
