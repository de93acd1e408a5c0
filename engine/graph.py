"""A graph: sources, actors and outlets, joined by ``>>``; and what they need around them."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

from actors.items import Tick
from engine.actor import (
    INBOX_ITEMS,
    ActorPlace,
    ActorStatistics,
    Failure,
    Outlet,
    OutletPlace,
    Place,
    SourcePlace,
    TopicPlace,
)
from engine.config import Config
from engine.nats.counts import Count
from model.actor import Actor
from model.enricher import EnricherStatistics
from model.frame_source import FrameSource
from model.ledger import Ledger

if TYPE_CHECKING:
    from sinks.sink_queue import SinkStatistics

#: Takes over what was got ready of a new configuration. Only the first of several may fail, and changes nothing then.
Apply = Callable[[], Awaitable[None]]
#: Gets ready to take over a configuration, and changes nothing. Raises TailraceError if that cannot be.
Prepare = Callable[[Config], Apply]
#: Takes an item; waits while there is no room.
Send = Callable[[Any], Awaitable[Any]]


class Source(Protocol):
    """``start``, then ``run`` until ``stop`` or its own end, then ``close``, which is called whatever happened."""

    async def start(self) -> None: ...

    async def run(self, send: Send) -> None: ...

    def stop(self) -> None: ...

    def close(self) -> None: ...


class Identity(Protocol):
    """What holds enrichers."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    def statistics(self) -> Mapping[str, EnricherStatistics]: ...


class Clock:
    """Says the time every ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._stopping = False

    async def start(self) -> None:
        """Nothing to get ready."""

    async def run(self, send: Send) -> None:
        """Until stop(), and the end of the pause that is under way."""
        while not self._stopping:
            await send(Tick(time.monotonic()))
            await asyncio.sleep(self._seconds)

    def stop(self) -> None:
        """Makes run() end."""
        self._stopping = True

    def close(self) -> None:
        """Nothing to let go of."""


class Graph:
    """The actors of one role, and what is there while they run.

    :param recorded: items can wait as long as they must, and the end of the sources is the end of the role.
    :param flush_seconds: that the graph gets to hand on what is under way when it is stopped.
    """

    def __init__(self, ledger: Ledger, *, recorded: bool = False, flush_seconds: float = 1.0) -> None:
        self.ledger = ledger
        self.recorded = recorded
        self.flush_seconds = flush_seconds
        self.failure = Failure()
        self.sources: list[tuple[Source, Send]] = []
        self._source_places: list[SourcePlace] = []
        self.topics: list[TopicPlace] = []
        self.actors: list[ActorPlace] = []
        self.services: list[AbstractAsyncContextManager[Any]] = []
        self.tasks: list[Callable[[], Awaitable[None]]] = []
        #: What holds enrichers, for the metrics.
        self.identities: list[Identity] = []
        #: What can take over a new configuration while the graph runs.
        self.reloads: list[Prepare] = []
        self.stopping = asyncio.Event()
        #: Gives the figures of the bus, for the metrics.
        self.bus: Callable[[], Mapping[str, Count]] | None = None
        #: Gives what the server of the map counted, by what it counted, for the metrics.
        self.asked: Callable[[], Mapping[str, int]] | None = None
        #: Gives the figures of each sink, for the metrics.
        self.sinks: Callable[[], Mapping[str, SinkStatistics]] = dict
        #: Says which hook serves each feature of the probes, None if it is not served.
        self.probes: Callable[[], Mapping[str, str | None]] = dict

    def stop(self) -> None:
        """Asks for the end, in good order."""
        self.stopping.set()

    def source(self, name: str, source: FrameSource) -> SourcePlace:
        """Where frames come from; started last and closed by the role."""
        place = self._source_place(name)
        self.sources.append((source, place.send_frame))
        return place

    def clock(self, name: str, seconds: float) -> SourcePlace:
        """Where the time comes from, told so often."""
        place = self._source_place(name)
        self.sources.append((Clock(seconds), place.send))
        return place

    def _source_place(self, name: str) -> SourcePlace:
        self._source_places.append(SourcePlace(name))
        return self._source_places[-1]

    def topic(self, name: str, *, shared: bool = False) -> TopicPlace:
        """A topic of the bus."""
        place = TopicPlace(name, shared=shared)
        self.topics.append(place)
        return place

    def actor(self, name: str, actor: Actor, inbox_items: int = INBOX_ITEMS) -> ActorPlace:
        """An actor with an inbox of its own."""
        place = ActorPlace(name, actor, self.failure, inbox_items)
        self.actors.append(place)
        return place

    def outlet(self, name: str, outlet: Outlet, inbox_items: int = INBOX_ITEMS) -> OutletPlace:
        """An end of the way, with an inbox of its own."""
        place = OutletPlace(name, outlet, self.failure, inbox_items)
        self.actors.append(place)
        return place

    def service(self, service: AbstractAsyncContextManager[Any]) -> None:
        """Something that is there while the graph runs; entered in the order given."""
        self.services.append(service)

    def closing(self, close: Callable[[], Awaitable[None]]) -> None:
        """Something that is called at the end, whatever happened."""
        self.services.append(_closing(close))

    def identify(self, *holders: Identity) -> None:
        """What holds enrichers: there while the graph runs, and in the metrics."""
        self.identities += holders
        self.services += map(_started, holders)

    def task(self, run: Callable[[], Awaitable[None]]) -> None:
        """Something that runs beside the actors; its error ends the role."""
        self.tasks.append(run)

    def working_places(self) -> list[Place]:
        """Those that have to get on: what the kernel or a clock tells comes every second; a recording has an end."""
        return [*([] if self.recorded else self._source_places), *self.actors]

    def reader_of(self, topic: TopicPlace) -> ActorPlace | None:
        """The actor that reads a topic."""
        return next((place for place in self.actors if place in topic.following), None)

    def in_order(self) -> list[ActorPlace]:
        """The actors, none before one that hands items to it."""
        ordered: dict[ActorPlace, None] = {}

        def visit(place: ActorPlace) -> None:
            if place in ordered:
                return
            for following in place.following:
                if isinstance(following, ActorPlace):
                    visit(following)
            ordered[place] = None

        for place in self.actors:
            visit(place)
        return list(reversed(ordered))

    @property
    def idle(self) -> bool:
        """Whether nothing waits for an actor."""
        return not any(place.statistics.waiting for place in self.actors)

    def statistics(self) -> dict[str, ActorStatistics]:
        """What each actor did, by its name."""
        return {place.name: place.statistics for place in self.in_order()}


@asynccontextmanager
async def _closing(close: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await close()


@asynccontextmanager
async def _started(identity: Identity) -> AsyncIterator[None]:
    try:
        await identity.start()
        yield
    finally:
        await identity.close()
