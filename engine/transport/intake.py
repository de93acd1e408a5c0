"""What a consumer reads: the position in each of its partitions, and how far each is done."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from functools import partial

from faust.types import TP, ConsumerMessage

from engine.log_record import FIRST_OFFSET, Record, Wake
from engine.transport.backend import Backend, Reader
from engine.transport.commit_offset import CommitOffset
from model.subjects import TopicPartition

#: Records with their offsets, by partition.
Records = dict[TP, list[tuple[int, Record]]]


class Intake:
    """Positions, readers and commit offsets of the partitions that are assigned.

    :param wake: called when there is something new to read.
    :param on_ack: called after each acknowledgement.
    """

    def __init__(self, backend: Backend, wake: Wake, on_ack: Wake) -> None:
        self._backend = backend
        self._wake = wake
        self._readers: dict[TP, Reader] = {}
        self.assigned: set[TP] = set()
        self.positions: dict[TP, int] = {}
        self._delivered: defaultdict[TP, deque[ConsumerMessage]] = defaultdict(deque)
        self.commit_offsets: defaultdict[TP, CommitOffset] = defaultdict(lambda: CommitOffset(on_ack))

    async def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Hold these partitions from now on; each is read once it has a position."""
        await self.close()
        self.positions.clear()
        self._delivered.clear()
        self.assigned = {TP(*tp) for tp in partitions}

    async def start(self, tp: TP, offset: int) -> None:
        """Read from ``offset`` on, with everything before it done."""
        self.commit_offsets[tp].start(offset)
        await self.seek(tp, offset)

    async def seek(self, tp: TP, offset: int) -> None:
        """Read from ``offset`` on."""
        reader = self._readers.pop(tp, None)
        self._delivered.pop(tp, None)
        # Before anything is awaited: else a read meanwhile would go on at the old position.
        self.positions[tp] = max(offset, FIRST_OFFSET)
        if reader:
            await reader.close()
        self._wake()

    async def read(self, active: Iterable[TP], window: Callable[[str], int]) -> Records:
        """What may go to the agents now; empty if nothing is here or nothing more may be in flight.

        :param window: gives the number of messages of a topic that may be in flight.
        """
        records: Records = {}
        for tp, limit in self._shares(active, window).items():
            reader = self._readers.get(tp) or await self._open(tp)
            if (position := self.positions.get(tp)) and (found := reader.read(position, limit)):
                records[tp] = list(found)
        return records

    def _shares(self, active: Iterable[TP], window: Callable[[str], int]) -> dict[TP, int]:
        """How many messages each partition may have now: equal shares of the room of its topic."""
        by_topic: defaultdict[str, list[TP]] = defaultdict(list)
        for tp in active:
            if tp in self.positions:
                by_topic[tp.topic].append(tp)
        shares: dict[TP, int] = {}
        for topic, tps in by_topic.items():
            in_flight = {tp: self.commit_offsets[tp].in_flight for tp in tps}
            room = max(0, window(topic) - sum(in_flight.values()))
            for tp in sorted(tps, key=in_flight.__getitem__)[:room]:
                shares[tp] = max(1, room // len(tps))
        return shares

    async def _open(self, tp: TP) -> Reader:
        reader = await self._backend.reader(
            TopicPartition(*tp), self.positions[tp], self._wake, partial(self._untaken, tp)
        )
        self._readers[tp] = reader
        return reader

    def deliver(self, tp: TP, message: ConsumerMessage) -> None:
        """The message goes to the agents."""
        self.positions[tp] = message.offset + 1
        self.commit_offsets[tp].deliver(message.offset)
        delivered = self._delivered[tp]
        while delivered and delivered[0].tracked:
            delivered.popleft()
        delivered.append(message)

    def _untaken(self, tp: TP) -> list[int]:
        """Offsets of messages that wait in Faust's queue: an agent takes none of them after its lease."""
        return [message.offset for message in self._delivered[tp] if not message.tracked]

    def end(self, tp: TP) -> int:
        """The offset after the last record known of; 0 before the partition is read."""
        reader = self._readers.get(tp)
        return reader.end if reader else 0

    def backlog(self) -> dict[TP, int]:
        """Messages of each partition that are known of and not done."""
        return {tp: max(0, self.end(tp) - self.commit_offsets[tp].offset) for tp in self.assigned}

    async def close(self) -> None:
        """Stop reading."""
        readers, self._readers = self._readers, {}
        for reader in readers.values():
            await reader.close()
