"""The fan-out: offers every batch to all sinks; a slow or failing sink never delays another."""

import asyncio
import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from model.ledger import Ledger
from model.row_stage import RowStage
from model.sink import Batch, Sink
from sinks.sink_queue import Lane, LaneStatistics, Limits, OnError

#: Seconds that a cancelled write, and after it ``close()``, may take before the sink is left behind.
GRACE: Final = 2.0

log = logging.getLogger(__name__)


class FanOut:
    """Owns the sinks and one task for each; an async context manager, or ``start()`` and ``stop()``.

    The account of a sink is the ledger stage ``sink.NAME``, in rows; its books balance at every moment.

    :param sinks: the sinks by the name they have in the ledger and in messages.
    :param limits: bounds of each sink's queue and of its retries.
    :param on_error: told of each failed write, after it was counted; must be quick and must not raise.
    :param stages: which rows a sink gets; one that is not named gets all that is offered.
    """

    def __init__(
        self,
        sinks: Mapping[str, Sink],
        ledger: Ledger,
        limits: Limits | None = None,
        on_error: OnError | None = None,
        stages: Mapping[str, RowStage] | None = None,
    ) -> None:
        bounds = limits or Limits()
        self._lanes = {
            name: Lane(name, sink, ledger.stage(f"sink.{name}", "rows"), bounds, on_error)
            for name, sink in sinks.items()
        }
        self._stages = dict(stages or {})
        self._opened: list[Lane] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Open every sink, then begin to deliver.

        :raises SinkError: if a sink cannot be opened; those that were opened are closed again.
        """
        try:
            for lane in self._lanes.values():
                self._opened.append(lane)
                await lane.sink.open()
        except BaseException:
            await self.stop(timeout=0)
            raise
        self._tasks = [asyncio.create_task(lane.run(), name=f"sink.{lane.name}") for lane in self._opened]

    def offer(self, batch: Batch) -> None:
        """Queue ``batch`` for every sink that wants it; never waits. A full queue drops its oldest, counted."""
        for lane in self._wanting(batch):
            lane.offer(batch)

    async def put(self, batch: Batch) -> None:
        """Queue ``batch`` for every sink that wants it as soon as each has room, so that none is dropped for it."""
        for lane in self._wanting(batch):
            await lane.room(len(batch))
        self.offer(batch)

    def _wanting(self, batch: Batch) -> list[Lane]:
        return [
            lane for name, lane in self._lanes.items() if self._stages.get(name, batch.stage) == batch.stage
        ]

    async def drained(self) -> None:
        """Return when every sink has taken, or failed to take, all that was queued."""
        for lane in self._lanes.values():
            await lane.idle()

    async def stop(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109 - a limit to flush within, not to fail at
        """Deliver what is queued within ``timeout`` seconds, count the rest as ``shutdown``, close the sinks.

        A second call does nothing.
        """
        for lane in self._lanes.values():
            lane.finish()
        tasks, self._tasks = self._tasks, []
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=timeout)
        finally:
            await self._end(tasks)

    def statistics(self) -> dict[str, LaneStatistics]:
        """What each sink holds, took, lost and how it fails, by name."""
        return {name: lane.statistics() for name, lane in self._lanes.items()}

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        """Cancel what still delivers, settle the accounts, close the sinks."""
        for lane in self._lanes.values():
            lane.abandon()
        await _end_tasks(tasks)
        opened, self._opened = self._opened, []
        closing = [asyncio.create_task(lane.close(), name=f"close.{lane.name}") for lane in opened]
        if closing:
            _, late = await asyncio.wait(closing, timeout=GRACE)
            for task in late:
                log.warning("%s: the sink did not close within %s s; left behind", task.get_name(), GRACE)
            await _end_tasks(closing)


async def _end_tasks(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel the tasks that run and wait for them, at most ``GRACE`` seconds."""
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running, timeout=GRACE)
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()):
            log.error("%s ended with an error", task.get_name(), exc_info=error)
