"""Apps on one log, and agents that note what reaches them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from faust.types import EventT, RecordMetadata, StreamT, TopicT

from engine.transport.consumer import Consumer
from engine.transport.driver import Transport
from engine.transport.embedded import EmbeddedApp, embedded_app
from model.subjects import TopicPartition
from tests.contract.transport.cases import TransportCase

#: What an agent does with an event.
Work = Callable[[EventT[bytes]], Awaitable[object]]


async def nothing(event: EventT[bytes]) -> None:
    """The work of an agent that only notes."""


@dataclass
class Notes:
    """The events that an agent began and finished, in that order."""

    begun: list[EventT[bytes]] = field(default_factory=list)
    done: list[EventT[bytes]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, events: list[EventT[bytes]], event: EventT[bytes]) -> None:
        """Add an event to one of the lists."""
        events.append(event)
        self._news.set()

    async def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until the condition holds; it is looked at after every event."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def until_done(self, count: int) -> None:
        """Wait until so many events are finished."""
        await self.until(lambda: len(self.done) >= count)

    @property
    def values(self) -> list[bytes]:
        """The values finished."""
        return [cast(bytes, event.value) for event in self.done]

    def offsets(self, partition: int = 0) -> list[int]:
        """The offsets finished of a partition."""
        return [event.message.offset for event in self.done if event.message.partition == partition]


def transport_of(app: EmbeddedApp) -> Transport:
    """The transport of an app."""
    return cast(Transport, app.transport)


def consumer_of(app: EmbeddedApp) -> Consumer:
    """The consumer of an app."""
    return cast(Consumer, app.consumer)


class Site:
    """A log, and apps on it."""

    def __init__(self, case: TransportCase, log: str) -> None:
        self.case = case
        self.log = log
        self.max_messages = 1000
        self.max_bytes = 8 << 20

    def app(self, group: str = "flows", **settings: object) -> EmbeddedApp:
        """An app on the log, not started."""
        broker = self.case.broker(self.log, self.max_messages, self.max_bytes)
        return embedded_app(group, broker, **{"commit_interval": 0.05, **settings})  # type: ignore[arg-type]  # settings of many types

    def topic(self, app: EmbeddedApp, name: str, partitions: int = 1) -> TopicT:
        """A topic of raw values."""
        return app.topic(name, key_type=bytes, value_type=bytes, partitions=partitions)

    def agent(self, app: EmbeddedApp, topic: TopicT, work: Work = nothing, concurrency: int = 1) -> Notes:
        """An agent that notes each event before and after its work."""
        notes = Notes()

        async def follow(stream: StreamT[bytes]) -> None:
            async for event in stream.events():
                notes.note(notes.begun, event)
                await work(event)
                notes.note(notes.done, event)

        app.agent(topic, name=f"agent of {topic.get_topic_name()} {id(notes)}", concurrency=concurrency)(
            follow
        )
        return notes

    @asynccontextmanager
    async def running(self, *apps: EmbeddedApp) -> AsyncIterator[None]:
        """The apps started, and stopped at the end."""
        for app in apps:
            await app.start()
        try:
            yield
        finally:
            for app in reversed(apps):
                await app.stop()


async def send(topic: TopicT, *values: bytes, partition: int | None = None) -> list[RecordMetadata]:
    """Send values one after the other."""
    return [await (await topic.send(value=value, partition=partition)) for value in values]


async def committed(app: EmbeddedApp, topic: str, partition: int = 0) -> int | None:
    """The offset that the group of the app committed."""
    tp = TopicPartition(topic, partition)
    return (await consumer_of(app)._joined_member().committed([tp])).get(tp)
