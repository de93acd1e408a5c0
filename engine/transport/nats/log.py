"""A log on NATS: a JetStream stream for each partition, whose sequence numbers are the offsets."""

import contextlib
from collections.abc import Collection
from typing import Any

from faust.types import TP
from nats.aio.msg import Msg

from engine.nats.connection import NatsConnection
from engine.nats.link import OTHER_CONFIGURATION, Link, Refused, Unanswered
from engine.nats.names import Names
from engine.nats.settings import LogSettings
from engine.transport.backend import FIRST_OFFSET, Record, Wake
from engine.transport.nats.budget import Budget
from engine.transport.nats.group import NatsMember
from engine.transport.nats.lease import Lease
from engine.transport.nats.offsets import Offsets
from engine.transport.nats.reader import NatsReader, ReadCounts
from engine.transport.nats.sender import SendCounts, Sender
from engine.transport.nats.table import Conflict, Table
from engine.transport.nats.trim import Trimmer
from model.errors import TailraceError, UsageError

#: Bytes that a message takes on the wire besides its payload, at most as far as these records go.
_WIRE_OVERHEAD = 64 << 10

#: Nanoseconds that the server knows message ids for, so that what is sent again is stored once.
_DEDUPLICATION_NS = 120 * 10**9


class NatsLog:
    """Topics and groups of one log on a server. Belongs to one event loop, and connects once.

    :param writer: whose records are appended here; it stands in their subject.
    """

    def __init__(self, settings: LogSettings, connection: NatsConnection, writer: str = "") -> None:
        self.settings = settings
        self.names = Names(settings.log)
        self._writer = writer
        self.link = Link(connection)
        self.sends = SendCounts()
        self.reads = ReadCounts()
        self.members: list[NatsMember] = []
        self.offsets: list[Offsets] = []
        self._meta = self._table(self.names.meta)
        self._offsets = self._table(self.names.offsets)
        self._counts: dict[str, int] = {}
        self._senders: dict[TP, Sender] = {}
        self._by_stream: dict[str, TP] = {}
        self._budget: Budget | None = None
        self._trimmer: Trimmer | None = None

    def _table(self, bucket: str, ttl: float = 0) -> Table:
        settings = self.settings
        return Table(self.link, bucket, storage=settings.storage, replicas=settings.replicas, ttl=ttl)

    # -- life

    async def start(self) -> None:
        """Connect.

        :raises ConnectionRefused: if no server can be reached, or it refuses the credentials or the TLS.
        :raises TailraceError: if the server has no JetStream.
        """
        await self.link.open()
        await self._meta.open()
        await self._offsets.open()
        self._budget = Budget(self.settings.window_bytes, self.link.max_payload + _WIRE_OVERHEAD)
        self._trimmer = Trimmer(self.link, self._offsets, self.names)
        await self.link.listen(self.names.room(), self._on_room)
        await self.link.listen(self.names.full(), self._on_full)

    async def stop(self) -> None:
        """Disconnect. Streams stay, in the storage they were made with."""
        if self._trimmer is not None:
            await self._trimmer.close()
        await self.link.close()

    async def _on_room(self, message: Msg) -> None:
        tp = self._by_stream.get(message.subject.rsplit(".", 1)[1])
        if tp in self._senders:
            self._senders[tp].room.set()

    async def _on_full(self, message: Msg) -> None:
        stream = message.subject.rsplit(".", 1)[1]
        tp = self._by_stream.get(stream)
        for member in self.members if tp else ():
            if tp and tp.topic in member.topics and self._trimmer:
                self._trimmer.want(stream)
                member.urge()

    # -- topics

    async def create_topic(self, topic: str, partitions: int) -> int:
        """Make the topic unless it exists; waits for the server.

        :raises UsageError: if its streams exist with other limits.
        :raises TailraceError: if the server refuses.
        """
        if topic in self._counts:
            return self._counts[topic]
        count = await self._agreed_count(topic, partitions)
        for partition in range(count):
            await self._create_stream(TP(topic, partition))
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

    async def _create_stream(self, tp: TP) -> None:
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

    def _configuration(self, tp: TP) -> dict[str, Any]:
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

    async def _count(self, topic: str) -> int:
        """How many partitions a topic has that another member reads."""
        if topic not in self._counts:
            entry = await self._meta.get(self.names.topic(topic))
            return int(entry.value) if entry else 0
        return self._counts[topic]

    # -- records

    async def append(self, tp: TP, record: Record) -> int:
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

    async def reader(self, tp: TP, offset: int, wake: Wake) -> NatsReader:
        """Read a partition; any offset may be asked for."""
        if self._budget is None:
            raise RuntimeError("a reader before the log was started")
        stream = self.names.stream(tp)
        return NatsReader(self.link, stream, offset, wake, self._may_read, self._budget, self.reads)

    def _may_read(self) -> bool:
        return all(member.lease.held for member in self.members)

    async def first_offset(self, tp: TP) -> int:
        """The offset of the oldest record held, or the end if none is; waits for the server."""
        return (await self._bounds(tp))[0]

    async def end_offset(self, tp: TP) -> int:
        """The offset that the next record gets; waits for the server."""
        return (await self._bounds(tp))[1]

    async def _bounds(self, tp: TP) -> tuple[int, int]:
        state = (await self.link.insist(f"STREAM.INFO.{self.names.stream(tp)}", {}))["state"]
        return max(FIRST_OFFSET, int(state["first_seq"])), int(state["last_seq"]) + 1

    # -- groups

    async def join(self, group: str, topics: Collection[str], urge: Wake) -> NatsMember:
        """Become a member of a group; waits for the server.

        :raises UsageError: if the group has another lease.
        """
        leases = self._table(self.names.leases(group), ttl=self.settings.lease_seconds)
        await leases.open()
        offsets = Offsets(self.link, self._offsets, self.names, group)
        member = NatsMember(
            self.link,
            self.names,
            group,
            topics,
            leases=leases,
            meta=self._meta,
            offsets=offsets,
            lease=Lease(self.settings.lease_seconds),
            count=self._count,
            bounds=self._bounds,
            urge=urge,
            on_commit=self._on_commit,
        )
        self.members.append(member)
        self.offsets.append(offsets)
        await member.start()
        return member

    def _on_commit(self, partitions: Collection[TP]) -> None:
        if self._trimmer is not None:
            self._trimmer.committed(partitions)
