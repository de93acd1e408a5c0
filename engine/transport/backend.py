"""What carries the messages: the contract between the Faust driver and a log, a record at a time.

A backend keeps, for each partition of each topic, a log of records with dense offsets from ``FIRST_OFFSET``;
for each group of consumers, the offsets it committed and who of its members reads which partition.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.log_record import Record, Wake
from model.errors import TailraceError
from model.subjects import TopicPartition

#: The timestamp of a message is its sender's, not the log's (a number of Kafka's protocol).
CREATE_TIME = 0


class MembershipLost(TailraceError):
    """This worker is no member of its group any more (its lease lapsed): it has to stop."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """The partitions a member reads, from a rebalance on. Generations grow from 1."""

    generation: int
    partitions: frozenset[TopicPartition]


class Reader(Protocol):
    """Reads one partition forward."""

    @property
    def end(self) -> int:
        """The offset after the last record known to be in the log."""

    def read(self, offset: int, limit: int) -> Sequence[tuple[int, Record]]:
        """Up to ``limit`` records at and after ``offset``, with their offsets; empty if none is here yet.

        Never waits. Reading the same offset twice gives the same records; a reader may forget what is before
        the last offset it was asked for.
        """

    async def close(self) -> None:
        """Stop reading; the reader calls its ``wake`` no more."""


class Member(Protocol):
    """One consumer of a group: what it is assigned and what it committed."""

    async def changed(self) -> None:
        """Wait until the assignment taken last (at first: none) holds no more; for ever after ``leave``.

        :raises MembershipLost: if the group goes on without this member.
        """

    async def take(self) -> Assignment:
        """Declare everything held as given up, wait until all members have, and take the new assignment.

        :raises MembershipLost: if the group goes on without this member.
        """

    async def subscribe(self, topics: Collection[str]) -> None:
        """Read these topics from now on; every one of them exists. Leads to a new assignment."""

    async def committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The offset that the group reads next, of those partitions where it committed one."""

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Store the offsets to be read next; what every group has committed may be trimmed.

        Tries again by itself when a retry makes sense.

        :returns: whether they are stored: not if another member was assigned the partitions meanwhile.
        """

    async def leave(self) -> None:
        """Leave the group at once, so that others take over; committed offsets stay."""


class Backend(Protocol):
    """A log."""

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Disconnect. What was appended stays as long as the kind of log promises."""

    async def create_topic(self, topic: str, partitions: int) -> int:
        """Make the topic unless it exists.

        :returns: the number of partitions it has, which is another one than asked for if it existed.
        """

    def partitions(self, topic: str) -> int | None:
        """How many partitions the topic has, as far as known here without asking."""

    async def append(self, tp: TopicPartition, record: Record) -> int:
        """Append, and return the record's offset once it is stored. Waits while the partition is full.

        :raises RecordTooLarge: if waiting would never end.
        """

    async def reader(
        self, tp: TopicPartition, offset: int, wake: Wake, untaken: Callable[[], Collection[int]] = tuple
    ) -> Reader:
        """Read from ``offset`` on; ``wake`` is called when there are new records.

        :param untaken: gives the offsets of records that were read, and that no agent has taken: if the log loses
            the partition, they are lost.
        """

    async def first_offset(self, tp: TopicPartition) -> int:
        """The offset of the oldest record held, or the end if none is."""

    async def end_offset(self, tp: TopicPartition) -> int:
        """The offset that the next record will get."""

    async def join(self, group: str, topics: Collection[str], urge: Wake) -> Member:
        """Become a member of a group that reads ``topics``, which exist.

        ``urge`` is called when a commit would make room that somebody needs.
        """
