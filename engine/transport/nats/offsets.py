"""What a group committed, fenced: only the member that acquired a partition last may commit it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping

import msgspec

from engine.nats.api import Unanswered
from engine.nats.bucket import Bucket, Conflict, Entry
from engine.nats.link import PAUSE, Link
from engine.nats.log import StreamState
from model.subjects import LogNames, TopicPartition


class Commit(msgspec.Struct, frozen=True):
    """The value of a key: the offset to be read next, if one was committed, and who may commit.

    :param stream: when the stream was made whose offset it is; empty if an older version wrote it.
    """

    offset: int | None
    owner: str
    generation: int
    stream: str = ""

    def offset_in(self, state: StreamState) -> int | None:
        """The offset, unless it is that of a stream which was replaced, or lost its end with the power."""
        if self.offset is None or self.offset > state.end or self.stream not in ("", state.made):
            return None
        return self.offset


def _read(entry: Entry) -> Commit:
    return msgspec.json.decode(entry.value, type=Commit)


async def slowest(table: Bucket, names: LogNames, tp: TopicPartition, state: StreamState) -> int | None:
    """The least offset that any group committed of the stream; None if a group committed nothing of it yet."""
    entries = await table.entries(names.offsets_of_all(tp))
    offsets = [_read(entry).offset_in(state) for entry in entries.values()]
    known = [offset for offset in offsets if offset is not None]
    return min(known) if known and len(known) == len(offsets) else None


class Offsets:
    """The committed offsets of one group, as one member sees them.

    ``voided`` are partitions of whose stream records were lost: what was committed of them means others now.

    :param state: gives a partition's stream as it is now.
    """

    def __init__(
        self,
        link: Link,
        table: Bucket,
        names: LogNames,
        group: str,
        state: Callable[[TopicPartition], Awaitable[StreamState]],
    ) -> None:
        self._link = link
        self._table = table
        self._names = names
        self._group = group
        self._state = state
        self._mine: dict[TopicPartition, tuple[Commit, int]] = {}
        self.fenced = 0
        self.voided: set[TopicPartition] = set()

    async def committed(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The offsets stored; of a partition that lost what was committed, its oldest; waits for the server."""
        offsets: dict[TopicPartition, int] = {}
        for tp in partitions:
            entry = await self._get(tp)
            if entry and (commit := _read(entry)).offset is not None:
                state = await self._state(tp)
                offsets[tp] = commit.offset_in(state) or state.first
        return offsets

    async def _get(self, tp: TopicPartition) -> Entry | None:
        return await self._link.until_answered(lambda: self._table.get(self._names.offset(tp, self._group)))

    async def acquire(self, partitions: Collection[TopicPartition], owner: str, generation: int) -> int:
        """Become the one who may commit these: from now on, commits of all others are refused.

        :returns: the generation that may commit them: a later one than this if it has begun.
        """
        self._mine.clear()
        acquired = await asyncio.gather(*(self._acquire(tp, owner, generation) for tp in partitions))
        return max(acquired, default=generation)

    async def _acquire(self, tp: TopicPartition, owner: str, generation: int) -> int:
        while True:
            entry, state = await self._get(tp), await self._state(tp)
            found = _read(entry) if entry else None
            if found and found.generation > generation:
                return found.generation
            known = found if tp not in self.voided else None
            commit = Commit(known.offset_in(state) if known else None, owner, generation, state.made)
            try:
                self._mine[tp] = commit, await self._write(tp, commit, entry.revision if entry else 0)
            except Unanswered:
                await self._link.pause()
            except Conflict:
                continue
            else:
                self.voided.discard(tp)
                return generation

    async def void(self, tp: TopicPartition) -> None:
        """Write that nothing is committed of a partition in ``voided``, for whoever acquires it next."""
        while tp in self.voided:
            if not (entry := await self._get(tp)):
                return
            commit = msgspec.structs.replace(_read(entry), offset=None)
            with contextlib.suppress(Unanswered, Conflict):
                await self._write(tp, commit, entry.revision)
                return

    async def _write(self, tp: TopicPartition, commit: Commit, revision: int) -> int:
        return await self._table.update(
            self._names.offset(tp, self._group), msgspec.json.encode(commit), revision
        )

    async def commit(self, offsets: Mapping[TopicPartition, int], may: Callable[[], bool]) -> bool:
        """Store offsets, which never go back; tries as long as ``may`` says so.

        :returns: whether all are stored.
        """
        if not may() or not self._mine.keys() >= offsets.keys():
            self.fenced += len(offsets)
            return False
        stored = await asyncio.gather(*(self._commit(tp, offset, may) for tp, offset in offsets.items()))
        self.fenced += stored.count(False)
        return all(stored)

    async def _commit(self, tp: TopicPartition, offset: int, may: Callable[[], bool]) -> bool:
        while may() and tp in self._mine:
            last, revision = self._mine[tp]
            commit = msgspec.structs.replace(last, offset=max(offset, last.offset or 0))
            try:
                self._mine[tp] = commit, await self._write(tp, commit, revision)
            except Unanswered:
                await asyncio.sleep(PAUSE)
            except Conflict:
                if not await self._still_mine(tp, last):
                    return False
            else:
                return True
        return False

    async def _still_mine(self, tp: TopicPartition, last: Commit) -> bool:
        """After a conflict: whether it was none with another: an own acknowledgement, or the bucket, got lost."""
        try:
            entry = await self._table.get(self._names.offset(tp, self._group))
        except Unanswered:
            return True
        if entry is None:  # the bucket is made again; whoever writes first has the partition
            self._mine[tp] = last, 0
            return True
        found = _read(entry)
        if (found.owner, found.generation) != (last.owner, last.generation):
            return False
        self._mine[tp] = found, entry.revision
        return True
