"""One sink behind the fan-out: its bounded queue, its retries and its account."""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from model.errors import BROKEN_PIPE, SinkError
from model.ledger import Stage
from model.sink import Batch, Sink

#: Called with the sink's name and its error.
OnError = Callable[[str, BaseException], None]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """How much waits for one sink, and how often and at which pauses (seconds) a batch is offered again."""

    batches: int = 256
    rows: int = 200_000
    attempts: int = 5
    first_pause: float = 0.1
    longest_pause: float = 5.0


@dataclass(frozen=True)
class LaneStatistics:
    """One sink's queue and account at this moment; ``failures`` counts failed writes by kind.

    The queue includes the batch that the sink is busy with, for ``busy_seconds`` now.
    """

    queued_batches: int
    queued_rows: int
    limits: Limits
    received_rows: int
    delivered_rows: int
    dropped_rows: dict[str, int]
    received_batches: int
    delivered_batches: int
    dropped_batches: dict[str, int]
    retries: int
    failures: dict[str, int]
    busy_seconds: float


class Lane:
    """Takes batches without waiting and gives them to its sink one at a time, in order."""

    def __init__(
        self, name: str, sink: Sink, stage: Stage, limits: Limits, on_error: OnError | None = None
    ) -> None:
        self.name = name
        self.sink = sink
        self._stage = stage
        self._limits = limits
        self._on_error = on_error
        self._pending: deque[Batch] = deque()
        self._pending_rows = 0
        self._in_flight: Batch | None = None
        self._busy_since = 0.0
        self._changed = asyncio.Event()
        self._eased = asyncio.Event()
        self._finishing = False
        self._abandoned = False
        self._received = 0
        self._delivered = 0
        self._dropped: Counter[str] = Counter()
        self._retries = 0
        self._failures: Counter[str] = Counter()

    def offer(self, batch: Batch) -> None:
        """Queue ``batch``; at the limit the oldest batches make room, dropped as ``queue_full``."""
        rows = len(batch)
        self._received += 1
        self._stage.received += rows
        self._stage.queued += rows
        if self._finishing:
            self._settle(batch, rows, "shutdown")
        elif rows > self._limits.rows:
            self._settle(batch, rows, "larger_than_queue")
        else:
            self._make_room(rows)
            self._pending.append(batch)
            self._pending_rows += rows
            self._changed.set()

    async def room(self, rows: int) -> None:
        """Return when a batch of ``rows`` rows can be offered without dropping another."""
        while self._pending and not self._fits(rows):
            self._eased.clear()
            await self._eased.wait()

    async def idle(self) -> None:
        """Return when nothing is queued or on its way into the sink."""
        while self._pending or self._in_flight:
            self._eased.clear()
            await self._eased.wait()

    async def run(self) -> None:
        """Deliver until ``finish()`` was called and the queue is empty, or ``abandon()`` was called."""
        while not self._abandoned:
            if self._pending:
                await self._deliver(self._take())
            elif self._finishing:
                return
            else:
                self._changed.clear()
                await self._changed.wait()

    def finish(self) -> None:
        """Take no more batches; ``run()`` ends when those queued are delivered."""
        self._finishing = True
        self._changed.set()

    def abandon(self) -> None:
        """Count everything still here as dropped (``shutdown``)."""
        self._abandoned = True
        if batch := self._in_flight:
            self._in_flight = None
            self._settle(batch, len(batch), "shutdown")
        while self._pending:
            batch = self._take()
            self._settle(batch, len(batch), "shutdown")

    async def close(self) -> None:
        """Close the sink; its failure is logged, and then how often each kind of failure came."""
        try:
            await self.sink.close()
        except Exception as error:  # noqa: BLE001 - a sink's code may raise anything; the others still close
            self._failed("close_failed", error)
        for kind, count in self._failures.items():
            if count > 1 and kind != BROKEN_PIPE:
                log.warning("sink %s failed %d times in all: %s", self.name, count, kind)

    def statistics(self) -> LaneStatistics:
        """The queue and the account at this moment."""
        busy = self._in_flight is not None
        return LaneStatistics(
            queued_batches=len(self._pending) + busy,
            queued_rows=self._stage.queued,
            limits=self._limits,
            received_rows=self._stage.received,
            delivered_rows=self._stage.delivered,
            dropped_rows=dict(self._stage.dropped),
            received_batches=self._received,
            delivered_batches=self._delivered,
            dropped_batches=dict(self._dropped),
            retries=self._retries,
            failures=dict(self._failures),
            busy_seconds=time.monotonic() - self._busy_since if busy else 0.0,
        )

    def _make_room(self, rows: int) -> None:
        """Drop the oldest batches until one of ``rows`` rows fits."""
        while self._pending and not self._fits(rows):
            oldest = self._take()
            self._settle(oldest, len(oldest), "queue_full")

    def _fits(self, rows: int) -> bool:
        limits = self._limits
        return len(self._pending) < limits.batches and self._pending_rows + rows <= limits.rows

    def _take(self) -> Batch:
        batch = self._pending.popleft()
        self._pending_rows -= len(batch)
        self._eased.set()
        return batch

    async def _deliver(self, batch: Batch) -> None:
        """Give ``batch`` to the sink and settle it, also when the task is cancelled meanwhile."""
        self._in_flight = batch
        self._busy_since = time.monotonic()
        lost, reason = len(batch), "shutdown"
        try:
            lost, reason = await self._write(batch)
        finally:
            if self._in_flight is batch:  # not so when abandon() settled it
                self._in_flight = None
                self._settle(batch, lost, reason)

    async def _write(self, batch: Batch) -> tuple[int, str]:
        """Offer ``batch`` until it is taken or lost: rows lost, and the reason ("" if all went well)."""
        pause, attempt = self._limits.first_pause, 1
        while True:
            error = await self._offer_once(batch)
            if error is None:
                return 0, ""
            if not isinstance(error, SinkError):
                return len(batch), "sink_crashed"
            if not error.retryable:
                lost = len(batch) if error.lost_rows is None else error.lost_rows
                return max(0, min(lost, len(batch))), error.reason
            if attempt >= self._limits.attempts:
                return len(batch), error.reason
            await asyncio.sleep(pause)
            pause, attempt = min(2 * pause, self._limits.longest_pause), attempt + 1
            self._retries += 1

    async def _offer_once(self, batch: Batch) -> BaseException | None:
        """The error of one call of the sink, or None.

        :raises asyncio.CancelledError: if this task was cancelled; one that the sink made up is its error.
        """
        try:
            await self.sink.write(batch)
        except SinkError as error:
            self._failed(error.reason, error)
            return error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            self._failed("CancelledError", error)
            return error
        except Exception as error:  # noqa: BLE001 - a sink's code may raise anything; it is counted
            self._failed(type(error).__name__, error)
            return error
        return None

    def _settle(self, batch: Batch, lost: int, reason: str) -> None:
        """Book the rows of ``batch``: ``lost`` ones as dropped for ``reason``, the others as delivered."""
        self._stage.queued -= len(batch)
        self._stage.delivered += len(batch) - lost
        self._stage.drop(reason, lost)
        if reason:
            self._dropped[reason] += 1
        else:
            self._delivered += 1
        self._eased.set()

    def _failed(self, kind: str, error: BaseException) -> None:
        """Count a failure; the first of its kind is logged."""
        self._failures[kind] += 1
        if self._failures[kind] == 1:
            trace = None if isinstance(error, SinkError) else error
            level = logging.INFO if kind == BROKEN_PIPE else logging.WARNING
            log.log(level, "sink %s failed (%s): %s", self.name, kind, error, exc_info=trace)
        if self._on_error:
            self._on_error(self.name, error)
