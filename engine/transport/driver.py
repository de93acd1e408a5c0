"""Faust's transport over a backend; ``memory`` and other kinds of logs differ in the backend only."""

from collections.abc import Mapping
from typing import ClassVar, cast

from faust.types import TP
from faust.types.transports import ConsumerT, ProducerT

from engine.transport import consumer, producer
from engine.transport.log_transport import LogTransport


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

    @property
    def _consumer(self) -> consumer.Consumer:
        return cast(consumer.Consumer, self.app.consumer)
