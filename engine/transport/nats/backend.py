"""A log on NATS, as a backend: its streams are read, and groups share and commit what is read."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection
from functools import partial

from nats.aio.msg import Msg

from engine.log_record import Wake
from engine.nats import streams
from engine.nats.bucket import Bucket
from engine.nats.connection import NatsConnection
from engine.nats.lease import Lease
from engine.nats.log import NatsLog, PartitionsChanged, StreamState
from engine.nats.settings import LogSettings
from engine.nats.stream_publisher import StreamPublisher
from engine.transport.nats.budget import Budget
from engine.transport.nats.group import NatsMember
from engine.transport.nats.offsets import Offsets
from engine.transport.nats.reader import NatsReader, ReadCounts, Source
from engine.transport.nats.trim import Trimmer
from model.subjects import TopicPartition, dead
from model.tasks import end

log = logging.getLogger(__name__)

#: Bytes that a message takes on the wire besides its payload, at most as far as these records go.
_WIRE_OVERHEAD = 64 << 10


class NatsBackend(NatsLog):
    """The sequence numbers of a partition's stream are its offsets."""

    def __init__(self, settings: LogSettings, connection: NatsConnection) -> None:
        super().__init__(settings, connection)
        self.reads = ReadCounts()
        self.members: list[NatsMember] = []
        self.offsets: list[Offsets] = []
        self._offsets = Bucket(self.link, streams.offsets(self.names, settings))
        self._dead = StreamPublisher(self.link, streams.DEAD)
        self._burying: asyncio.Task[None] | None = None
        self._budget: Budget | None = None
        self._trimmer: Trimmer | None = None
        self._readers: dict[TopicPartition, NatsReader] = {}
        self._voiding: deque[asyncio.Task[None]] = deque(maxlen=64)

    async def start(self, *, wait: bool = False) -> None:
        """Connect; raises as ``NatsLog.start`` does."""
        await super().start(wait=wait)
        await self._offsets.open()
        self._budget = Budget(self.settings.window_bytes, self.link.max_payload + _WIRE_OVERHEAD)
        self._trimmer = Trimmer(self.link, self._offsets, self.names, self.state)
        self._burying = asyncio.create_task(self._dead.run(), name="dead letters")
        await self.link.listen(self.names.full(), self._on_full)

    async def stop(self) -> None:
        """Disconnect. Streams stay, in the storage they were made with."""
        if self._trimmer is not None:
            await self._trimmer.close()
        if self._burying is not None:
            await end(self._burying)
        await end(*self._voiding)
        await super().stop()

    async def _on_full(self, message: Msg) -> None:
        stream = message.subject.rsplit(".", 1)[1]
        tp = self._by_stream.get(stream)
        for member in self.members if tp else ():
            if tp and tp.topic in member.topics and self._trimmer:
                self._trimmer.want(stream)
                member.urge()

    async def reader(
        self, tp: TopicPartition, offset: int, wake: Wake, untaken: Callable[[], Collection[int]] = tuple
    ) -> NatsReader:
        """Read a partition; any offset may be asked for.

        :param untaken: gives the offsets of records that were read, and that no agent has taken.
        """
        if self._budget is None:
            raise RuntimeError("a reader before the log was started")
        last = self._readers.get(tp)
        if last and last.made not in (
            "",
            self._made.get(tp, ""),
        ):  # replaced, and it was closed before it saw that
            self.reads.rewind(self.names.stream(tp), last.left)
        source = Source(
            self.names.stream(tp),
            self._made.get(tp, ""),
            lambda: self._state_or_failure(tp),
            self._may_read,
            partial(self.stored_ns, tp),
            partial(self._start_anew, tp.topic),
            partial(self._go_back, tp),
            untaken,
        )
        reader = self._readers[tp] = NatsReader(self.link, source, offset, wake, self._budget, self.reads)
        return reader

    async def _state_or_failure(self, tp: TopicPartition) -> StreamState:
        try:
            return await self.state(tp)
        except PartitionsChanged as error:
            for member in self.members:
                member.fail(str(error))
            raise

    def _may_read(self) -> bool:
        return all(member.lease.held for member in self.members)

    def _start_anew(self, topic: str) -> None:
        for member in self.members:
            if topic in member.topics:
                member.start_anew()

    def _go_back(self, tp: TopicPartition) -> None:
        """What was committed of the partition says nothing any more."""
        self._start_anew(tp.topic)
        for offsets in self.offsets:
            offsets.voided.add(tp)
            self._voiding.append(asyncio.create_task(offsets.void(tp)))

    def bury(self, topic: str, data: bytes, reason: str, done: Callable[[], object]) -> None:
        """Put a message that nobody can read where somebody can look at it; ``done`` is called when it is there."""
        log.warning("a message of %s was put aside: %s", topic, reason)
        headers = {"Tailrace-Reason": reason[:200], "Tailrace-Subject": topic}
        self._dead.offer(dead(topic), data, headers, done)

    async def join(self, group: str, topics: Collection[str], urge: Wake) -> NatsMember:
        """Become a member of a group; waits for the server.

        :raises UsageError: if the group has another lease.
        """
        leases = Bucket(self.link, streams.group_leases(self.names, group, self.settings))
        await leases.open()
        offsets = Offsets(self.link, self._offsets, self.names, group, self.state)
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
