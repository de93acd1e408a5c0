"""Faust's transport over a backend; ``memory`` and other kinds of logs differ in the backend only."""

import logging
from collections.abc import Callable, Mapping
from typing import ClassVar, cast

from faust.types import TP
from faust.types.transports import ConsumerT, ProducerT

from engine.nats.counts import Count
from engine.transport import consumer, producer
from engine.transport.log_transport import LogTransport

log = logging.getLogger(__name__)


class Transport(LogTransport):
    """Makes the consumer and the producer of an app, and waits until all is processed."""

    Consumer: ClassVar[type[ConsumerT]] = consumer.Consumer
    Producer: ClassVar[type[ProducerT]] = producer.Producer

    async def drain(self, *topics: str) -> None:
        """Wait until all messages stored in these topics when their turn comes are processed and committed.

        The topics take turns in the order given, so a chain of agents is drained from its source to its end.
        Only partitions assigned to this app count. It has no time limit: use ``asyncio.timeout``.

        :raises ConsumerNotStarted: if the app stops meanwhile.
        """
        await cast(producer.Producer, self.app.producer).settle()
        await self._consumer.drain(topics)

    def backlog(self) -> Mapping[TP, int]:
        """Messages of each partition assigned to this app that are stored and not yet processed."""
        return self._consumer.backlog()

    def counts(self) -> Mapping[str, Count]:
        """What the log counts, by name; nothing unless it says so."""
        return {}

    def on_missed(self, missed: Callable[[str, int], None]) -> None:
        """``missed`` is told why and how many messages the log lost before they were read; memory loses none."""

    def all_back_at(self) -> float:
        """When all who send here may have come back from the last outage; of the monotonic clock."""
        return float("-inf")

    def bury(self, topic: str, data: bytes, reason: str, done: Callable[[], object]) -> None:
        """Puts a message that nobody can read aside, and calls ``done``; in memory nobody can look at it."""
        log.warning("a message of %s was put aside: %s", topic, reason)
        done()

    @property
    def _consumer(self) -> consumer.Consumer:
        return cast(consumer.Consumer, self.app.consumer)
