"""A log on NATS, as whoever writes to it sees it: a JetStream stream for each partition of each topic."""

import contextlib
from typing import Any

from nats.aio.msg import Msg

from engine.log_record import FIRST_OFFSET, Record
from engine.nats.bucket import Bucket, Conflict
from engine.nats.connection import NatsConnection
from engine.nats.link import OTHER_CONFIGURATION, Link, Refused, Unanswered
from engine.nats.sender import SendCounts, Sender
from engine.nats.settings import LogSettings
from model.errors import TailraceError, UsageError
from model.subjects import LogNames, TopicPartition

#: Nanoseconds that the server knows message ids for, so that what is sent again is stored once.
_DEDUPLICATION_NS = 120 * 10**9


class NatsLog:
    """Topics of one log on a server. Belongs to one event loop, and connects once.

    :param writer: whose records are appended here; it stands in their subject.
    """

    def __init__(self, settings: LogSettings, connection: NatsConnection, writer: str = "") -> None:
        self.settings = settings
        self.names = LogNames(settings.log)
        self._writer = writer
        self.link = Link(connection)
        self.sends = SendCounts()
        self._meta = self._bucket(self.names.meta)
        self._counts: dict[str, int] = {}
        self._senders: dict[TopicPartition, Sender] = {}
        self._by_stream: dict[str, TopicPartition] = {}

    def _bucket(self, name: str, ttl: float = 0) -> Bucket:
        settings = self.settings
        return Bucket(self.link, name, storage=settings.storage, replicas=settings.replicas, ttl=ttl)

    async def start(self) -> None:
        """Connect.

        :raises ConnectionRefused: if no server can be reached, or it refuses the credentials or the TLS.
        :raises TailraceError: if the server has no JetStream.
        """
        await self.link.open()
        await self._meta.open()
        await self.link.listen(self.names.room(), self._on_room)

    async def stop(self) -> None:
        """Disconnect. Streams stay, in the storage they were made with."""
        await self.link.close()

    async def _on_room(self, message: Msg) -> None:
        tp = self._by_stream.get(message.subject.rsplit(".", 1)[1])
        if tp in self._senders:
            self._senders[tp].room.set()

    # -- topics

    async def create_topic(self, topic: str, partitions: int) -> int:
        """Make the topic unless it exists; waits for the server.

        :returns: the number of partitions it has, which is another one than asked for if it existed.
        :raises UsageError: if its streams exist with other limits.
        :raises TailraceError: if the server refuses.
        """
        if topic in self._counts:
            return self._counts[topic]
        count = await self._agreed_count(topic, partitions)
        for partition in range(count):
            await self._create_stream(TopicPartition(topic, partition))
        self._counts[topic] = count
        return count

    async def _agreed_count(self, topic: str, partitions: int) -> int:
        """The number of partitions that whoever came first wrote down."""
        key = self.names.topic(topic)
        while True:
            with contextlib.suppress(Conflict):
                try:
                    if entry := await self._meta.get(key):
                        return int(entry.value)
                    await self._meta.update(key, b"%d" % partitions, 0)
                except Unanswered:
                    await self.link.pause()

    async def _create_stream(self, tp: TopicPartition) -> None:
        stream = self.names.stream(tp)
        self._by_stream[stream] = tp
        try:
            await self.link.insist(f"STREAM.CREATE.{stream}", self._configuration(tp))
        except Refused as error:
            if error.code == OTHER_CONFIGURATION:
                raise UsageError(
                    f"the stream {stream} exists with other limits",
                    "give every app the same limits, storage and replicas, or remove the stream",
                ) from None
            raise TailraceError(
                error.what, "see the account limits of nats-server, or lower max_bytes"
            ) from None

    def _configuration(self, tp: TopicPartition) -> dict[str, Any]:
        settings = self.settings
        age_ns = int(settings.max_age_seconds * 1e9)
        return {
            "name": self.names.stream(tp),
            "subjects": [self.names.subject(tp), f"{self.names.subject(tp)}.>"],
            "retention": "limits",
            "discard": "new",
            "storage": settings.storage,
            "num_replicas": settings.replicas,
            "max_msgs": settings.max_messages or -1,
            "max_bytes": settings.max_bytes,
            "max_age": age_ns,
            "duplicate_window": min(age_ns, _DEDUPLICATION_NS),
        }

    def partitions(self, topic: str) -> int | None:
        """How many partitions the topic has, once it was created here."""
        return self._counts.get(topic)

    # -- records

    async def append(self, tp: TopicPartition, record: Record) -> int:
        """Append; waits while the partition is full, or the server away.

        :raises RecordTooLarge: if it can never be stored.
        """
        if tp not in self._senders:
            names = self.names
            self._senders[tp] = Sender(
                self.link,
                names.subject(tp, self._writer),
                names.full(names.stream(tp)),
                self.settings.max_bytes,
                self.sends,
            )
        return await self._senders[tp].append(record)

    async def first_offset(self, tp: TopicPartition) -> int:
        """The offset of the oldest record held, or the end if none is; waits for the server."""
        return (await self._bounds(tp))[0]

    async def end_offset(self, tp: TopicPartition) -> int:
        """The offset that the next record gets; waits for the server."""
        return (await self._bounds(tp))[1]

    async def _bounds(self, tp: TopicPartition) -> tuple[int, int]:
        state = (await self.link.insist(f"STREAM.INFO.{self.names.stream(tp)}", {}))["state"]
        return max(FIRST_OFFSET, int(state["first_seq"])), int(state["last_seq"]) + 1
