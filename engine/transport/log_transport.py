"""The log behind an app: its consumer and its producer connect to it once, and place messages alike."""

import asyncio
import itertools
import zlib
from abc import abstractmethod
from asyncio import AbstractEventLoop
from collections import defaultdict
from collections.abc import Iterator

from faust.transport import base
from faust.types import AppT
from yarl import URL

from engine.transport.backend import Backend
from model.subjects import TopicPartition


class LogTransport(base.Transport):
    """What consumer and producer need of the transport; ``Transport`` adds what makes them."""

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

    async def place(self, topic: str, key: bytes | None, partition: int | None) -> TopicPartition:
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
        return TopicPartition(topic, partition)

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
