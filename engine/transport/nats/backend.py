"""A log on NATS, as a backend: its streams are read, and groups share and commit what is read."""

from collections.abc import Collection

from nats.aio.msg import Msg

from engine.log_record import Wake
from engine.nats.connection import NatsConnection
from engine.nats.lease import Lease
from engine.nats.log import NatsLog
from engine.nats.settings import LogSettings
from engine.transport.nats.budget import Budget
from engine.transport.nats.group import NatsMember
from engine.transport.nats.offsets import Offsets
from engine.transport.nats.reader import NatsReader, ReadCounts
from engine.transport.nats.trim import Trimmer
from model.subjects import TopicPartition

#: Bytes that a message takes on the wire besides its payload, at most as far as these records go.
_WIRE_OVERHEAD = 64 << 10


class NatsBackend(NatsLog):
    """The sequence numbers of a partition's stream are its offsets."""

    def __init__(self, settings: LogSettings, connection: NatsConnection, writer: str = "") -> None:
        super().__init__(settings, connection, writer)
        self.reads = ReadCounts()
        self.members: list[NatsMember] = []
        self.offsets: list[Offsets] = []
        self._offsets = self._bucket(self.names.offsets)
        self._budget: Budget | None = None
        self._trimmer: Trimmer | None = None

    async def start(self) -> None:
        """Connect; raises as ``NatsLog.start`` does."""
        await super().start()
        await self._offsets.open()
        self._budget = Budget(self.settings.window_bytes, self.link.max_payload + _WIRE_OVERHEAD)
        self._trimmer = Trimmer(self.link, self._offsets, self.names)
        await self.link.listen(self.names.full(), self._on_full)

    async def stop(self) -> None:
        """Disconnect. Streams stay, in the storage they were made with."""
        if self._trimmer is not None:
            await self._trimmer.close()
        await super().stop()

    async def _on_full(self, message: Msg) -> None:
        stream = message.subject.rsplit(".", 1)[1]
        tp = self._by_stream.get(stream)
        for member in self.members if tp else ():
            if tp and tp.topic in member.topics and self._trimmer:
                self._trimmer.want(stream)
                member.urge()

    async def reader(self, tp: TopicPartition, offset: int, wake: Wake) -> NatsReader:
        """Read a partition; any offset may be asked for."""
        if self._budget is None:
            raise RuntimeError("a reader before the log was started")
        stream = self.names.stream(tp)
        return NatsReader(self.link, stream, offset, wake, self._may_read, self._budget, self.reads)

    def _may_read(self) -> bool:
        return all(member.lease.held for member in self.members)

    async def join(self, group: str, topics: Collection[str], urge: Wake) -> NatsMember:
        """Become a member of a group; waits for the server.

        :raises UsageError: if the group has another lease.
        """
        leases = self._bucket(self.names.leases(group), ttl=self.settings.lease_seconds)
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

    async def _count(self, topic: str) -> int:
        """How many partitions a topic has that another member reads."""
        if topic not in self._counts:
            entry = await self._meta.get(self.names.topic(topic))
            return int(entry.value) if entry else 0
        return self._counts[topic]

    def _on_commit(self, partitions: Collection[TopicPartition]) -> None:
        if self._trimmer is not None:
            self._trimmer.committed(partitions)
