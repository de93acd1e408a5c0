"""Runs the actors of a graph as Faust agents: on a topic of the bus, or on a channel that is their inbox."""

import contextlib
import time
from collections.abc import AsyncIterable, Mapping
from typing import Any, cast

from faust.channels import Channel
from faust.streams import Stream
from faust.types import AppT, EventT, StreamT
from mode.utils.queues import FlowControlEvent, ThrowableQueue

from actors.items import Message
from engine.actor import ActorPlace, TopicPlace
from engine.graph import Graph
from engine.nats.counts import Count
from engine.transport.driver import Transport
from engine.transport.embedded import embedded_app
from model.errors import TailraceError


class Inbox(Channel[Any]):
    """The channel of an agent: bounded, and never cleared.

    Faust clears the queues of channels at a rebalance, because what came from a topic will come again. What is in an
    inbox will not: it was read, and is acknowledged when it is safe.
    """

    def __init__(self, app: AppT, **settings: Any) -> None:
        super().__init__(app, **settings)
        if self._queue is None:
            always = FlowControlEvent(initially_suspended=False)
            self._queue = ThrowableQueue(self.maxsize or 0, flow_control=always)

    def _clone_args(self) -> Mapping[str, Any]:
        """An agent reads from a clone of its channel: from the same queue."""
        return {**super()._clone_args(), "queue": self._queue}


class FaustRunner:
    """One Faust app; an agent for each actor.

    :param name: of the app, and of its group of consumers.
    :param url: of the bus.
    :param in_flight: messages of a topic that may be read and not yet acknowledged.
    """

    def __init__(self, name: str, url: str, in_flight: int = 64) -> None:
        self._app = embedded_app(name, url, in_flight=in_flight)
        self._own_topics: list[str] = []

    @property
    def transport(self) -> Transport:
        """The driver of the bus."""
        return cast(Transport, self._app.transport)

    def counts(self) -> Mapping[str, Count]:
        """What the bus counts, by name."""
        return self.transport.counts()

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has, as far as known here."""
        return self.transport.backend.partitions(topic) or 1

    async def start(self, graph: Graph) -> None:
        """Connects topics and inboxes, and starts the app.

        :raises TailraceError: if the bus cannot be reached.
        """
        self._own_topics = [topic.name for topic in graph.topics if not topic.shared]
        readers = {graph.reader_of(topic): topic for topic in graph.topics}
        for place in graph.actors:
            if place in readers:
                self._read(readers[place], place)
            else:
                self._run(place)
        await self._app.start()

    def _read(self, topic: TopicPlace, place: ActorPlace) -> None:
        """The actor that reads a topic is the agent of that topic. Who takes a message acknowledges it."""
        stored = self._app.topic(topic.name, value_type=bytes)

        async def publish(message: Message) -> None:
            await stored.send(value=message.data, partition=message.partition)

        async def read(stream: StreamT[bytes]) -> None:
            events = cast(AsyncIterable[EventT[bytes]], cast(Stream[bytes], stream).noack().events())
            async for event in events:
                data, partition = cast(bytes, event.value), event.message.partition
                message = Message(data, partition, acknowledge=event.ack, at=time.monotonic())
                await place.process(message)

        topic.publish = publish
        self._app.agent(stored, name=place.name)(read)

    def _run(self, place: ActorPlace) -> None:
        """An actor within the process is the agent of its inbox.

        It takes items from the queue itself: iterating over the stream costs 0.1 ms for each, for acknowledgements
        and sensors of which nothing is needed here.
        """
        inbox = Inbox(self._app, maxsize=place.inbox_items)
        place.inbox = queue = inbox.queue

        async def work(_: StreamT[Any]) -> None:
            with contextlib.suppress(StopAsyncIteration):  # so Faust ends an agent
                while True:
                    await place.process(await queue.get())
                    queue.task_done()

        self._app.agent(inbox, name=place.name)(work)

    async def stop_reading(self) -> None:
        """Reads no more of topics that others share: what is not begun comes again, to whoever reads then."""
        if self._app.started and not self._own_topics:
            self._app.consumer.stop_flow()
            self._app.flow_control.suspend()
            self._app.flow_control.clear()

    async def drain_topics(self) -> None:
        """Returns when all that was put into topics of this process alone has been handled."""
        await self.transport.drain(*self._own_topics)

    async def failed(self) -> None:
        """Returns only to raise what crashed the app.

        :raises TailraceError: always.
        """
        await self._app.wait_until_stopped()
        raise TailraceError(f"the bus failed: {self._app.crash_reason!r}", "see the log")

    async def stop(self) -> None:
        """Waits for messages that are being processed, commits, and ends the agents."""
        await self._app.stop()
