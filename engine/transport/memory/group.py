"""A group of consumers on a log in this process: who reads which partition, and what is committed."""

import asyncio
from collections.abc import Callable, Collection, Mapping

from engine.log_record import Wake
from engine.transport.backend import Assignment
from model.subjects import TopicPartition


class MemoryGroup:
    """Consumers that share the partitions of their topics, each partition read by one of them.

    :param partitions: gives the number of partitions of a topic.
    :param on_commit: called with the partitions of each commit.
    """

    def __init__(
        self, partitions: Callable[[str], int], on_commit: Callable[[Collection[TopicPartition]], None]
    ) -> None:
        self._partitions = partitions
        self._on_commit = on_commit
        self.topics: set[str] = set()
        self.committed: dict[TopicPartition, int] = {}
        self.generation = 0
        self._members: list[MemoryMember] = []
        self._news = asyncio.Event()

    def enter(self, member: "MemoryMember") -> None:
        """A member joins."""
        self._members.append(member)
        self.rebalance()

    def leave(self, member: "MemoryMember") -> None:
        """A member leaves; its partitions go to the others. What it committed and subscribed to stays."""
        if member in self._members:
            self._members.remove(member)
            self.rebalance()

    def rebalance(self) -> None:
        """Begin a new generation."""
        self.generation += 1
        for member in self._members:
            self.topics |= member.topics
        self.wake_waiting()

    def wake_waiting(self) -> None:
        """Wake everyone who waits for news of the group."""
        self._news.set()
        self._news = asyncio.Event()

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; it is looked at after all news."""
        while not condition():
            await self._news.wait()

    def all_gave_up(self, generation: int) -> bool:
        """Whether no member reads by an assignment older than this one."""
        return all(member.gave_up >= generation for member in self._members)

    def partitions_of(self, member: "MemoryMember") -> frozenset[TopicPartition]:
        """The member's share: the partitions of each topic are dealt out to its readers in turn."""
        mine = set()
        for topic in member.topics:
            readers = [other for other in self._members if topic in other.topics]
            first = readers.index(member)
            mine |= {TopicPartition(topic, p) for p in range(first, self._partitions(topic), len(readers))}
        return frozenset(mine)

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Store offsets; they never go back."""
        for tp, offset in offsets.items():
            self.committed[tp] = max(offset, self.committed.get(tp, 0))
        self._on_commit(offsets.keys())

    def urge(self, topic: str) -> None:
        """Ask the members that read the topic to commit soon."""
        for member in self._members:
            if topic in member.topics:
                member.urge()


class MemoryMember:
    """One consumer of a group. ``gave_up`` is the generation before which it reads nothing any more."""

    def __init__(self, group: MemoryGroup, topics: Collection[str], urge: Wake) -> None:
        self._group = group
        self.topics = set(topics)
        self.urge = urge
        self.gave_up = 0
        self._left = False
        self._held = Assignment(0, frozenset())
        group.enter(self)

    async def changed(self) -> None:
        """Wait for a generation later than the one taken; for ever once the member left."""
        await self._group.wait(lambda: not self._left and self._group.generation != self._held.generation)

    async def take(self) -> Assignment:
        """Give up everything, wait until all members have, and take the share of the newest generation."""
        group, generation = self._group, 0
        self._held = Assignment(0, frozenset())
        while generation != group.generation:
            generation = self.gave_up = group.generation
            group.wake_waiting()
            await group.wait(
                lambda wanted=generation: group.generation != wanted or group.all_gave_up(wanted)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            )
        self._held = Assignment(generation, group.partitions_of(self))
        return self._held

    async def subscribe(self, topics: Collection[str]) -> None:
        """Read these topics from now on."""
        if self.topics != set(topics):
            self.topics = set(topics)
            self._group.rebalance()

    async def committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The offsets the group committed."""
        return {tp: self._group.committed[tp] for tp in partitions if tp in self._group.committed}

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Store offsets; false if a partition is held by another member now."""
        if not self._held.partitions.issuperset(offsets):
            return False
        self._group.commit(offsets)
        return True

    async def leave(self) -> None:
        """Leave the group."""
        self._left = True
        self._held = Assignment(0, frozenset())
        self._group.leave(self)
