"""The bounded queue in front of one sink, and the ledger stage of what the sink was given."""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from model.batch import Batch
from model.kind import Kind
from model.ledger import Stage
from model.sink import Sink
from sinks.delivery import Delivery, Loss, OnError
from sinks.limits import Limits


@dataclass(frozen=True)
class SinkStatistics:
    """One sink's queue and ledger stage at this moment.

    :param queued_rows: that are neither delivered nor dropped; includes the batch that the sink is busy with, and
        ``unflushed_rows``, which it has taken but not made safe.
    :param failures: failed calls by kind.
    :param busy_seconds: for which the sink has been busy with one batch or flush.
    """

    queued_batches: int
    queued_rows: int
    unflushed_rows: int
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


@dataclass
class _Written:
    """What the sink has taken since its last flush.

    :param oldest: number of the oldest batch; 0: nothing was written.
    :param since: loop time of its write.
    """

    oldest: int = 0
    since: float = 0.0
    rows: int = 0
    batches: int = 0


class SinkQueue:
    """Takes batches without waiting and gives them to its sink one at a time, in order.

    Batches are numbered as they come. A row is delivered when a flush after its write has returned.
    """

    def __init__(
        self, name: str, sink: Sink, stage: Stage, limits: Limits, on_error: OnError | None = None
    ) -> None:
        self.name = name
        self._stage = stage
        self._limits = limits
        self._on_error = on_error
        self._delivery = Delivery(name, sink, stage, limits.retry, on_error)
        self._pending: deque[tuple[int, Batch]] = deque()
        self._pending_rows = 0
        self._in_flight: tuple[int, Batch] | None = None
        self._written = _Written()
        self._changed = asyncio.Event()  # something came for the sink to do
        self._settled = asyncio.Event()  # there is more room, or less that is not settled
        self._draining = 0
        self._finishing = False
        self._pausing = False
        self._abandoned = False
        self._received = 0
        self._delivered = 0
        self._dropped: Counter[str] = Counter()

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Open the sink in a thread of its own.

        :raises Exception: what the sink raises.
        """
        await self._delivery.open(kinds)

    def offer(self, batch: Batch) -> None:
        """Queue ``batch``; at the limit the oldest batches make room, dropped as ``queue_full``."""
        rows = len(batch)
        self._received += 1
        self._stage.received += rows
        self._stage.queued += rows
        if self._finishing:
            self._drop(rows, "shutdown")
        elif rows > self._limits.queue.rows:
            self._drop(rows, "larger_than_queue")
        else:
            self._make_room(rows)
            self._pending.append((self._received, batch))
            self._pending_rows += rows
            self._changed.set()

    async def room(self, rows: int) -> None:
        """Return when a batch of ``rows`` rows can be offered without dropping another."""
        while self._pending and not self._fits(rows):
            await self._next_settled()

    async def flushed(self) -> None:
        """Return when all that was offered before is safe or counted as dropped; waits for the sink's own flush."""
        last = self._received
        while self._oldest() <= last:
            await self._next_settled()

    async def drained(self) -> None:
        """Return when nothing is left; flushes as soon as nothing more waits."""
        self._draining += 1
        self._changed.set()
        try:
            while self._oldest() <= self._received:
                await self._next_settled()
        finally:
            self._draining -= 1

    async def run(self) -> None:
        """Deliver until ``finish()`` or ``pause()`` was called and all is flushed, or ``abandon()`` was called."""
        while not self._abandoned:
            pause = self._seconds_to_flush()
            if pause is not None and pause <= 0:
                await self._flush()
            elif self._pausing:
                return
            elif self._pending:
                await self._deliver(*self._take())
            elif self._finishing:
                return
            else:
                await self._wait(pause)

    def finish(self) -> None:
        """Take no more batches; ``run()`` ends when those queued are delivered."""
        self._finishing = True
        self._changed.set()

    def pause(self) -> None:
        """Have ``run()`` end as soon as what the sink was given is safe; batches that come wait for ``give_to()``."""
        self._pausing = True
        self._changed.set()

    def give_to(self, sink: Sink, limits: Limits) -> None:
        """Have ``open()`` and ``run()`` give what waits to another sink; the one before was closed. Counts go on."""
        former, self._limits, self._pausing = self._delivery, limits, False
        self._delivery = Delivery(self.name, sink, self._stage, limits.retry, self._on_error)
        self._delivery.retries, self._delivery.failures = former.retries, former.failures

    def abandon(self) -> None:
        """Count everything still here as dropped (``shutdown``)."""
        self._abandoned = True
        written, self._written = self._written, _Written()
        if written.oldest:
            self._drop(written.rows, "shutdown", written.batches)
        if in_flight := self._in_flight:
            self._in_flight = None
            self._drop(len(in_flight[1]), "shutdown")
        while self._pending:
            self._drop(len(self._take()[1]), "shutdown")

    async def close(self) -> None:
        """Close the sink."""
        await self._delivery.close()

    async def stop(self, timeout: float) -> bool:  # noqa: ASYNC109 - the answer says whether it was in time
        """End the sink's thread, within ``timeout`` seconds or not."""
        return await self._delivery.stop(timeout)

    def statistics(self) -> SinkStatistics:
        """The queue and the stage at this moment."""
        return SinkStatistics(
            queued_batches=len(self._pending) + (self._in_flight is not None) + self._written.batches,
            queued_rows=self._stage.queued,
            unflushed_rows=self._written.rows,
            limits=self._limits,
            received_rows=self._stage.received,
            delivered_rows=self._stage.delivered,
            dropped_rows=dict(self._stage.dropped),
            received_batches=self._received,
            delivered_batches=self._delivered,
            dropped_batches=dict(self._dropped),
            retries=self._delivery.retries,
            failures=dict(self._delivery.failures),
            busy_seconds=self._delivery.busy_seconds,
        )

    def _make_room(self, rows: int) -> None:
        """Drop the oldest batches until one of ``rows`` rows fits."""
        while self._pending and not self._fits(rows):
            self._drop(len(self._take()[1]), "queue_full")

    def _fits(self, rows: int) -> bool:
        limits = self._limits.queue
        return len(self._pending) < limits.batches and self._pending_rows + rows <= limits.rows

    def _take(self) -> tuple[int, Batch]:
        number, batch = self._pending.popleft()
        self._pending_rows -= len(batch)
        self._settled.set()
        return number, batch

    def _oldest(self) -> int:
        """The number of the oldest batch that is neither safe nor dropped; of the next one if there is none."""
        if self._written.oldest:
            return self._written.oldest
        if self._in_flight:
            return self._in_flight[0]
        return self._pending[0][0] if self._pending else self._received + 1

    def _seconds_to_flush(self) -> float | None:
        """Until the next flush is due; None if there is nothing to flush."""
        written, limits = self._written, self._limits.batch
        if not written.oldest:
            return None
        ending = not self._pending and (self._draining or self._finishing)
        if written.rows >= limits.rows or ending or self._pausing:
            return 0.0
        if not limits.seconds and self._pending:
            return None
        return written.since + limits.seconds - asyncio.get_running_loop().time()

    async def _deliver(self, number: int, batch: Batch) -> None:
        """Give ``batch`` to the sink; what it did not lose waits for a flush."""
        self._in_flight = number, batch
        loss = Loss(len(batch), "shutdown")
        try:
            loss = await self._delivery.write(batch)
        finally:
            if self._in_flight:  # not so when abandon() settled it
                self._in_flight = None
                self._wrote(number, len(batch), loss)

    def _wrote(self, number: int, rows: int, loss: Loss) -> None:
        written = self._written
        if loss.reason:
            self._drop(loss.rows, loss.reason)
        if loss.reason and loss.rows == rows:
            return
        if not written.oldest:
            written.oldest, written.since = number, asyncio.get_running_loop().time()
        written.rows += rows - loss.rows
        written.batches += not loss.reason

    async def _flush(self) -> None:
        """Have the sink make safe what it has taken."""
        written = self._written
        loss = Loss(written.rows, "shutdown")
        try:
            loss = await self._delivery.flush(written.rows)
        finally:
            if self._written is written:  # not so when abandon() settled it
                self._written = _Written()
                self._flushed(written, loss)

    def _flushed(self, written: _Written, loss: Loss) -> None:
        safe = written.rows - loss.rows
        self._stage.queued -= safe
        self._stage.delivered += safe
        if loss.reason:
            self._drop(loss.rows, loss.reason, written.batches)
        else:
            self._delivered += written.batches
        self._settled.set()

    def _drop(self, rows: int, reason: str, batches: int = 1) -> None:
        """Count rows as lost, and batches that lost some."""
        self._stage.queued -= rows
        self._stage.drop(reason, rows)
        self._dropped[reason] += batches
        self._settled.set()

    async def _next_settled(self) -> None:
        self._settled.clear()
        await self._settled.wait()

    async def _wait(self, seconds: float | None) -> None:
        """Return when there may be something to do, at the latest after ``seconds``."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
