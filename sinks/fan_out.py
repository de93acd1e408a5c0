"""The fan-out: offers every batch to all sinks; a slow or failing sink never delays another."""

import asyncio
import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from model.batch import Batch
from model.errors import SinkError, TailraceError, UsageError, one_line
from model.kinds import kinds
from model.ledger import Ledger
from sinks.configured import ConfiguredSink
from sinks.delivery import OnError
from sinks.sink_queue import SinkQueue, SinkStatistics

#: Seconds that ``close()`` of a sink may take before the sink is left behind.
CLOSE_SECONDS: Final = 2.0
#: Seconds that the thread of a closed sink may take to end.
END_SECONDS: Final = 0.5
#: Seconds that a sink gets to make safe what it was given before another takes its place.
EXCHANGE_SECONDS: Final = 5.0

log = logging.getLogger(__name__)


class FanOut:
    """Owns the sinks, a thread and a queue for each; an async context manager, or ``start()`` and ``stop()``.

    A sink has the ledger stage ``sink.NAME``, in rows; it balances at every moment.

    :param sinks: the sinks by the name they have in the ledger and in messages.
    :param on_error: is told each failed call, after it was counted; must be quick and must not raise.
    """

    def __init__(
        self, sinks: Mapping[str, ConfiguredSink], ledger: Ledger, on_error: OnError | None = None
    ) -> None:
        self._ledger = ledger
        self._on_error = on_error
        self._sinks = dict(sinks)
        self._queues = {name: self._queue(name, each) for name, each in sinks.items()}
        self._leaving: list[SinkQueue] = []
        self._opened: list[SinkQueue] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Open every sink, then begin to deliver.

        :raises SinkError: if a sink cannot be opened now, and a later attempt makes sense.
        :raises UsageError: if a sink cannot be opened at all. In both cases those that were opened are closed again.
        """
        try:
            for name, queue in self._queues.items():
                self._opened.append(queue)
                await _open(queue, self._sinks[name])
        except BaseException:
            await self.stop(timeout=0)
            raise
        for queue in self._opened:
            self._deliver(queue)

    def offer(self, batch: Batch) -> None:
        """Queue ``batch`` for every sink that wants it; never waits. A full queue drops its oldest, counted."""
        for queue, part in self._wanting(batch):
            queue.offer(part)

    async def put(self, batch: Batch) -> None:
        """Queue ``batch`` for every sink that wants it as soon as each has room, so that none is dropped for it."""
        wanting = self._wanting(batch)
        for queue, part in wanting:
            await queue.room(len(part))
        for queue, part in wanting:
            queue.offer(part)

    async def flush(self) -> None:
        """Return when every sink has made safe, or counted as lost, all that was queued before this call.

        Only then may its source be acknowledged. A sink that gathers rows (``batch.seconds``) makes the caller wait
        that long, so more batches should be put meanwhile. Calls return in the order in which they were made.
        """
        for queue in [*self._leaving, *self._queues.values()]:
            await queue.flushed()

    async def drained(self) -> None:
        """Return when nothing is left in any queue or sink: all is safe, or counted as lost.

        For the end of the data: no sink waits for more rows before it flushes.
        """
        await asyncio.gather(*(queue.drained() for queue in self._queues.values()))

    async def stop(
        self,
        timeout: float = 5.0,  # noqa: ASYNC109 - a limit to flush within, not to fail at
        close_timeout: float = CLOSE_SECONDS,
    ) -> None:
        """Deliver what is queued within ``timeout`` seconds, count the rest as ``shutdown``, close the sinks.

        A second call does nothing.

        :param close_timeout: seconds that ``close()`` of a sink may take, and then the end of its thread.
        """
        for queue in self._queues.values():
            queue.finish()
        tasks, self._tasks = list(self._tasks.values()), {}
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=timeout)
        finally:
            await self._end(tasks, close_timeout)

    async def replace(
        self, sinks: Mapping[str, ConfiguredSink], former: Mapping[str, ConfiguredSink]
    ) -> None:
        """Deliver to these sinks from now on. One that stays as it was goes on; rows that wait for a sink that is
        configured anew are given to the new one.

        :param former: the sinks in force, made anew: they are opened if one of ``sinks`` cannot be.
        :raises SinkError: as ``start()`` does; ``former`` is in force then.
        :raises UsageError: likewise.
        """
        changed = [name for name in sinks if name in self._queues and sinks[name] != self._sinks[name]]
        added = [name for name in sinks if name not in self._queues]
        tried: list[str] = []
        try:
            for name in [*changed, *added]:
                tried.append(name)
                await (self._exchange if name in self._queues else self._add)(name, sinks[name])
        except TailraceError:
            for name in tried:
                await (self._exchange(name, former[name]) if name in former else self._remove(name))
            raise
        for name in [name for name in self._queues if name not in sinks]:
            await self._remove(name)

    def statistics(self) -> dict[str, SinkStatistics]:
        """What each sink holds, took, lost and how it fails, by name."""
        return {name: queue.statistics() for name, queue in self._queues.items()}

    def _wanting(self, batch: Batch) -> list[tuple[SinkQueue, Batch]]:
        """The queues of sinks that want it, each with what its sink gets of it."""
        return [
            (queue, self._sinks[name].shape(batch))
            for name, queue in self._queues.items()
            if self._sinks[name].wants(batch.kind)
        ]

    def _queue(self, name: str, sink: ConfiguredSink) -> SinkQueue:
        return SinkQueue(
            name, sink.sink, self._ledger.stage(f"sink.{name}", "rows"), sink.limits, self._on_error
        )

    def _deliver(self, queue: SinkQueue) -> None:
        self._tasks[queue.name] = asyncio.create_task(queue.run(), name=f"sink.{queue.name}")

    async def _add(self, name: str, sink: ConfiguredSink) -> None:
        """Open another sink, and begin to deliver to it."""
        self._sinks[name], queue = sink, self._queue(name, sink)
        self._queues[name] = queue
        await self._open(queue, sink)

    async def _exchange(self, name: str, sink: ConfiguredSink) -> None:
        """Close the sink of this name when what it was given is safe, and open another in its place."""
        queue = self._queues[name]
        queue.pause()
        await self._ended(queue)
        await _close(queue)
        self._sinks[name] = sink
        queue.give_to(sink.sink, sink.limits)
        await self._open(queue, sink)

    async def _remove(self, name: str) -> None:
        """Close a sink when what waits for it is delivered, or counted as lost."""
        queue = self._queues.pop(name)
        del self._sinks[name]
        self._leaving.append(queue)
        queue.finish()
        await self._ended(queue)
        queue.abandon()
        await _close(queue)
        self._leaving.remove(queue)

    async def _open(self, queue: SinkQueue, sink: ConfiguredSink) -> None:
        self._opened.append(queue)
        await _open(queue, sink)
        self._deliver(queue)

    async def _ended(self, queue: SinkQueue) -> None:
        """Return when its deliveries have ended; what is under way after ``EXCHANGE_SECONDS`` is lost, counted."""
        if task := self._tasks.pop(queue.name, None):
            await asyncio.wait({task}, timeout=EXCHANGE_SECONDS)
            await _end_tasks([task])
        self._opened.remove(queue)

    async def _end(self, tasks: list[asyncio.Task[None]], close_seconds: float) -> None:
        """Cancel what still delivers, settle the stages, close the sinks."""
        for queue in self._queues.values():
            queue.abandon()
        await _end_tasks(tasks)
        opened, self._opened = self._opened, []
        await asyncio.gather(*(_close(queue, close_seconds) for queue in opened))


async def _open(queue: SinkQueue, sink: ConfiguredSink) -> None:
    """Open a sink; what it raises becomes one line that names it."""
    title = sink.title or f"sink {queue.name}"
    try:
        await queue.open([kind for kind in kinds() if sink.wants(kind)])
    except SinkError as error:
        if error.retryable:
            raise SinkError(f"{title}: {error.what}", error.remedy, retryable=True) from error
        raise UsageError(f"{title}: {error.what}", error.remedy) from error
    except UsageError as error:
        raise UsageError(f"{title}: {error.what}", error.remedy) from error
    except Exception as error:
        log.debug("%s", title, exc_info=True)
        raise UsageError(f"{title} cannot be opened ({one_line(error)})", "see docs/plugins.md") from error


async def _close(queue: SinkQueue, seconds: float = CLOSE_SECONDS) -> None:
    """Close a sink and end its thread, or leave behind one that is stuck."""
    if lost := queue.statistics().dropped_rows.get("shutdown", 0):
        log.warning("sink %s: %d rows were not delivered before the end", queue.name, lost)
    closing = asyncio.create_task(queue.close(), name=f"close.{queue.name}")
    await asyncio.wait({closing}, timeout=seconds)
    if closing.done():
        await queue.stop(min(END_SECONDS, seconds))
    else:
        log.warning("sink %s did not close within %g s: it is left behind", queue.name, seconds)
        await queue.stop(0)
    await _end_tasks([closing])


async def _end_tasks(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel the tasks that run and wait for them. What a sink does meanwhile in its thread delays none."""
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()):
            log.error("%s ended with an error", task.get_name(), exc_info=error)
