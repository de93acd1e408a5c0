"""A log in the memory of this process, bounded: whoever appends to a full partition waits."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import islice

from engine.log_record import FIRST_OFFSET, Record, RecordTooLarge, Wake
from engine.transport.memory.group import MemoryGroup, MemoryMember
from model.subjects import TopicPartition


@dataclass(frozen=True, slots=True)
class Limits:
    """What one partition holds at most: records, and bytes of their keys, values and headers."""

    max_messages: int = 4096
    max_bytes: int = 64 << 20


@dataclass(frozen=True, slots=True)
class PartitionStatistics:
    """How full a partition is and was, and how often and how many appends waited or wait for room."""

    messages: int
    bytes: int
    highest_messages: int
    highest_bytes: int
    waits: int
    waiting: int


class MemoryPartition:
    """Records with dense offsets, in the order of their appends, until they are trimmed.

    :param on_pressure: called when a trim would do good: at half of a limit and for every append that waits.
    """

    def __init__(self, limits: Limits, on_pressure: Wake) -> None:
        self.limits = limits
        self._on_pressure = on_pressure
        self._records: deque[Record] = deque()
        self.first = FIRST_OFFSET
        self.bytes = 0
        self._highest_messages = self._highest_bytes = self._waits = self._waiting = 0
        self._turn = asyncio.Lock()
        self._room = asyncio.Event()
        self.readers: set[Wake] = set()

    @property
    def end(self) -> int:
        """The offset the next record gets."""
        return self.first + len(self._records)

    async def append(self, record: Record) -> int:
        """Append when it is this record's turn and there is room.

        :raises RecordTooLarge: if it is larger than the partition.
        """
        if record.size > self.limits.max_bytes:
            raise RecordTooLarge(
                f"a message of {record.size} bytes does not fit into a partition of {self.limits.max_bytes}",
                "send smaller messages, or raise max_bytes in the broker URL",
            )
        if self._waiting or not self._fits(record):
            await self._wait(record)
        return self._store(record)

    async def _wait(self, record: Record) -> None:
        self._waits += 1
        self._waiting += 1
        try:
            async with self._turn:
                while not self._fits(record):
                    self._on_pressure()
                    self._room.clear()
                    await self._room.wait()
        finally:
            self._waiting -= 1

    def _fits(self, record: Record) -> bool:
        fits_in = self.bytes + record.size <= self.limits.max_bytes
        return fits_in and len(self._records) < self.limits.max_messages

    def _store(self, record: Record) -> int:
        self._records.append(record)
        self.bytes += record.size
        self._highest_messages = max(self._highest_messages, len(self._records))
        self._highest_bytes = max(self._highest_bytes, self.bytes)
        if 2 * len(self._records) >= self.limits.max_messages or 2 * self.bytes >= self.limits.max_bytes:
            self._on_pressure()
        for wake in self.readers:
            wake()
        return self.end - 1

    def read(self, offset: int, limit: int) -> Sequence[tuple[int, Record]]:
        """Up to ``limit`` records at and after ``offset``."""
        start = max(offset, self.first)
        skipped = start - self.first
        return list(enumerate(islice(self._records, skipped, skipped + limit), start))

    def trim(self, offset: int) -> None:
        """Forget what is before ``offset``, and let those who wait try again."""
        while self._records and self.first < offset:
            self.bytes -= self._records.popleft().size
            self.first += 1
        self._room.set()

    def statistics(self) -> PartitionStatistics:
        """How full it is."""
        return PartitionStatistics(
            len(self._records),
            self.bytes,
            self._highest_messages,
            self._highest_bytes,
            self._waits,
            self._waiting,
        )


class MemoryReader:
    """Reads a partition."""

    def __init__(self, partition: MemoryPartition, wake: Wake) -> None:
        self._partition = partition
        self._wake = wake
        partition.readers.add(wake)

    @property
    def end(self) -> int:
        """The offset after the last record."""
        return self._partition.end

    def read(self, offset: int, limit: int) -> Sequence[tuple[int, Record]]:
        """Up to ``limit`` records at and after ``offset``."""
        return self._partition.read(offset, limit)

    async def close(self) -> None:
        """Be woken no more."""
        self._partition.readers.discard(self._wake)


class MemoryLog:
    """Topics and groups. Belongs to one event loop.

    A record is trimmed when all groups that ever read its topic have committed it; before the first group
    comes, everything is kept, and whoever fills a partition waits for that group.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._topics: dict[str, list[MemoryPartition]] = {}
        self._groups: dict[str, MemoryGroup] = {}

    async def start(self) -> None:
        """Nothing to connect to."""

    async def stop(self) -> None:
        """Nothing to disconnect from."""

    async def create_topic(self, topic: str, partitions: int) -> int:
        """Make the topic unless it exists."""
        if topic not in self._topics:
            self._topics[topic] = [
                MemoryPartition(self.limits, lambda: self._urge(topic)) for _ in range(partitions)
            ]
        return len(self._topics[topic])

    def partitions(self, topic: str) -> int | None:
        """How many partitions the topic has."""
        return len(self._topics[topic]) if topic in self._topics else None

    async def append(self, tp: TopicPartition, record: Record) -> int:
        """Append; waits while the partition is full.

        :raises RecordTooLarge: if waiting would never end.
        """
        return await self._at(tp).append(record)

    async def reader(
        self, tp: TopicPartition, offset: int, wake: Wake, untaken: Callable[[], Collection[int]] = tuple
    ) -> MemoryReader:
        """Read a partition; any offset may be asked for. Memory loses none, so ``untaken`` is not asked."""
        return MemoryReader(self._at(tp), wake)

    async def first_offset(self, tp: TopicPartition) -> int:
        """The offset of the oldest record held, or the end if none is."""
        return self._at(tp).first

    async def end_offset(self, tp: TopicPartition) -> int:
        """The offset that the next record gets."""
        return self._at(tp).end

    async def join(self, group: str, topics: Collection[str], urge: Wake) -> MemoryMember:
        """Become a member of a group."""
        if group not in self._groups:
            self._groups[group] = MemoryGroup(lambda topic: len(self._topics[topic]), self._trim)
        return MemoryMember(self._groups[group], topics, urge)

    def statistics(self) -> dict[TopicPartition, PartitionStatistics]:
        """How full each partition is."""
        return {
            TopicPartition(topic, index): partition.statistics()
            for topic, partitions in self._topics.items()
            for index, partition in enumerate(partitions)
        }

    def _at(self, tp: TopicPartition) -> MemoryPartition:
        return self._topics[tp.topic][tp.partition]

    def _urge(self, topic: str) -> None:
        for group in self._groups.values():
            group.urge(topic)

    def _trim(self, partitions: Collection[TopicPartition]) -> None:
        for tp in partitions:
            groups = [group for group in self._groups.values() if tp.topic in group.topics]
            self._at(tp).trim(min(group.committed.get(tp, FIRST_OFFSET) for group in groups))
