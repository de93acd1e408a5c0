"""Removes from the streams what all groups have committed, at once when somebody waits for room."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

from engine.nats.bucket import Bucket
from engine.nats.link import Link
from engine.nats.log import StreamState
from engine.transport.nats.offsets import slowest
from model.errors import TailraceError
from model.subjects import LogNames, TopicPartition
from model.tasks import end, happens

#: Seconds between two trims while nobody waits. A server that is killed while it trims may lose what is left
#: (``Sender``).
TRIM_PAUSE = 5.0


class Trimmer:
    """Trims partitions after their commits.

    :param state: gives a partition's stream as it is now: what was committed of another says nothing of it.
    """

    def __init__(
        self,
        link: Link,
        table: Bucket,
        names: LogNames,
        state: Callable[[TopicPartition], Awaitable[StreamState]],
    ) -> None:
        self._link = link
        self._table = table
        self._names = names
        self._state = state
        self._committed: set[TopicPartition] = set()
        self._work = asyncio.Event()
        self._hurry = asyncio.Event()
        self._wanted: set[str] = set()
        self._task = asyncio.create_task(self._run())

    def want(self, stream: str) -> None:
        """Somebody waits for room in the stream: trim it now, or with its next commit."""
        self._wanted.add(stream)
        if self._committed:
            self._hurry.set()

    def committed(self, partitions: Collection[TopicPartition]) -> None:
        """These have a new commit."""
        self._committed |= set(partitions)
        self._work.set()
        if not self._wanted.isdisjoint(self._names.stream(tp) for tp in partitions):
            self._hurry.set()

    async def _run(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            self._hurry.clear()
            partitions, self._committed = self._committed, set()
            for tp in partitions:
                try:
                    await self._trim(tp)
                except TailraceError as error:
                    self._link.note(error)
            await happens(self._hurry, TRIM_PAUSE)

    async def _trim(self, tp: TopicPartition) -> None:
        stream = self._names.stream(tp)
        self._wanted.discard(stream)
        offset = await slowest(self._table, self._names, tp, await self._state(tp))
        if offset is not None:
            await self._link.api(f"STREAM.PURGE.{stream}", {"seq": offset})
            await self._link.publish(self._names.room(stream))

    async def close(self) -> None:
        """Stop; what is not trimmed is trimmed with the next commit of anybody."""
        await end(self._task)
