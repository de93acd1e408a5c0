"""Faust's transport over a backend; ``memory`` and other kinds of logs differ in the backend only."""

import asyncio
import itertools
import zlib
from abc import abstractmethod
from asyncio import AbstractEventLoop
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import ClassVar, cast

from faust.transport import base
from faust.types import TP, AppT
from faust.types.transports import ConsumerT, ProducerT
from yarl import URL

from engine.transport import consumer, producer
from engine.transport.backend import Backend


class Transport(base.Transport):
    """Makes the consumer and the producer of an app, and places messages on partitions."""

    Consumer: ClassVar[type[ConsumerT]] = consumer.Consumer
    Producer: ClassVar[type[ProducerT]] = producer.Producer
    driver_version = "tailrace"

    def __init__(self, url: list[URL], app: AppT, loop: AbstractEventLoop | None = None) -> None:
        super().__init__(url, app, loop)
        self.backend = self.open_backend(url[0])
        self._turns: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)
        self._users = 0
        self._connecting = asyncio.Lock()

    @abstractmethod
    def open_backend(self, url: URL) -> Backend:
        """The log that the URL names; connects later.

        :raises UsageError: if the URL asks for what does not exist.
        """

    async def connect(self) -> None:
        """Connect to the log; consumer and producer both call it.

        :raises TailraceError: if it cannot be reached.
        """
        async with self._connecting:
            if self._users == 0:
                await self.backend.start()
            self._users += 1

    async def disconnect(self) -> None:
        """Disconnect when the last of them is done; nothing if the connection failed."""
        if self._users:
            self._users -= 1
            if self._users == 0:
                await self.backend.stop()

    async def place(self, topic: str, key: bytes | None, partition: int | None) -> TP:
        """The partition that a message goes to; the topic is made if there is none.

        :raises ValueError: if the topic has no such partition.
        """
        if self.backend.partitions(topic) is None:
            await self.backend.create_topic(topic, self.declared_partitions(topic))
        if partition is None:
            partition = self.partition_of(topic, key)
        count = self.backend.partitions(topic) or 0
        if not 0 <= partition < count:
            raise ValueError(f"{topic} has partitions 0 to {count - 1}, not {partition}")
        return TP(topic, partition)

    def partition_of(self, topic: str, key: bytes | None) -> int:
        """The partition of a key: its CRC-32 modulo their number. Without a key, each in turn."""
        count = self.backend.partitions(topic) or 1
        if key is None:
            return next(self._turns[topic]) % count
        return zlib.crc32(key) % count

    def declared_partitions(self, topic: str) -> int:
        """How many partitions the app wants the topic to have."""
        declared = [channel.partitions for channel in self.app.topics if topic in channel.topics]
        return max((count for count in declared if count), default=self.default_partitions)

    @property
    def default_partitions(self) -> int:
        """Partitions of topics that do not say how many they want."""
        return self.app.conf.topic_partitions

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
