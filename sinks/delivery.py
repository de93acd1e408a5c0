"""Calls of one sink in its thread: repeated where that makes sense, counted, and logged when slow."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from model.batch import Batch
from model.errors import BROKEN_PIPE, SinkError
from model.kind import Kind
from model.ledger import Stage
from model.sink import Sink
from sinks.limits import RetryLimits
from sinks.sink_thread import SinkThread, Work

#: Called with the sink's name and its error.
OnError = Callable[[str, BaseException], None]

#: Seconds after which a call counts as slow, and between two lines of the log that say so.
SLOW_SECONDS: Final = 2.0
SLOW_AGAIN_SECONDS: Final = 60.0

log = logging.getLogger(__name__)


class Loss(NamedTuple):
    """Rows that a call lost, and the ledger's reason; empty if all went well."""

    rows: int = 0
    reason: str = ""


class Delivery:
    """Gives batches to a sink and has it make them safe.

    :param stage: the sink's, in the ledger.
    :param on_error: is told each failed call after it was counted; must be quick and must not raise.
    :ivar retries: calls that were repeated.
    :ivar failures: failed calls by kind.
    """

    def __init__(
        self, name: str, sink: Sink, stage: Stage, limits: RetryLimits, on_error: OnError | None = None
    ) -> None:
        self.retries = 0
        self.failures: Counter[str] = Counter()
        self._name = name
        self._sink = sink
        self._stage = stage
        self._limits = limits
        self._on_error = on_error
        self._thread = SinkThread(name)
        self._busy_since: float | None = None
        self._slow_since = -SLOW_AGAIN_SECONDS

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Start the thread and open the sink in it.

        :raises Exception: what the sink raises.
        """
        self._thread.start()
        await self._thread.call(lambda: self._sink.open(kinds))

    async def write(self, batch: Batch) -> Loss:
        """Offer ``batch`` until it is taken or lost."""
        return await self._repeat("write", lambda: self._sink.write(batch), len(batch))

    async def flush(self, rows: int) -> Loss:
        """Have ``rows`` rows, written before, made safe; then take over what the sink notes (``model.sink``)."""
        loss = await self._repeat("flush", self._sink.flush, rows)
        noted: Mapping[str, int] = getattr(self._sink, "noted", {})
        self._stage.noted |= Counter(noted)
        return loss

    async def close(self) -> None:
        """Close the sink; a failure is logged, and then how often each kind of failure came."""
        try:
            await self._thread.call(self._sink.close)
        except Exception as error:  # noqa: BLE001 - a sink's code may raise anything; the others still close
            self._failed("close_failed", error)
        for kind, count in self.failures.items():
            if count > 1 and kind != BROKEN_PIPE:
                log.warning(
                    "sink %s failed %d times in all: %s", self._name, count, kind, extra=self._about(kind)
                )

    async def stop(self, timeout: float) -> bool:  # noqa: ASYNC109 - the answer says whether it was in time
        """End the thread, within ``timeout`` seconds or not."""
        return await self._thread.stop(timeout)

    @property
    def busy_seconds(self) -> float:
        """How long the sink has been busy with one batch or flush, attempts and pauses included; 0: it is idle."""
        return 0.0 if self._busy_since is None else time.monotonic() - self._busy_since

    async def _repeat(self, what: str, call: Work[None], rows: int) -> Loss:
        self._busy_since = time.monotonic()
        try:
            return await self._attempts(what, call, rows)
        finally:
            self._busy_since = None

    async def _attempts(self, what: str, call: Work[None], rows: int) -> Loss:
        pause, attempt = self._limits.first_pause, 1
        while True:
            error = await self._attempt(what, call)
            if error is None:
                return Loss()
            if not isinstance(error, SinkError):
                return Loss(rows, "sink_crashed")
            if not error.retryable:
                lost = rows if error.lost_rows is None else error.lost_rows
                return Loss(max(0, min(lost, rows)), error.reason)
            if 0 < self._limits.attempts <= attempt:
                return Loss(rows, error.reason)
            await asyncio.sleep(max(pause, error.pause))
            pause, attempt = min(2 * pause, self._limits.longest_pause), attempt + 1
            self.retries += 1

    async def _attempt(self, what: str, call: Work[None]) -> BaseException | None:
        """The error of one call of the sink, or None.

        :raises asyncio.CancelledError: if this task was cancelled; one that the sink made up is its error.
        """
        slow = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._slow, what)
        try:
            await self._thread.call(call)
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
        finally:
            slow.cancel()
        return None

    def _failed(self, kind: str, error: BaseException) -> None:
        """Count a failure; the first of its kind is logged."""
        self.failures[kind] += 1
        if self.failures[kind] == 1:
            trace = None if isinstance(error, SinkError) else error
            level = logging.INFO if kind == BROKEN_PIPE else logging.WARNING
            log.log(
                level,
                "sink %s failed (%s): %s",
                self._name,
                kind,
                error,
                exc_info=trace,
                extra=self._about(kind),
            )
        if self._on_error:
            self._on_error(self._name, error)

    def _slow(self, what: str) -> None:
        now = time.monotonic()
        if now - self._slow_since >= SLOW_AGAIN_SECONDS:
            self._slow_since = now
            waiting = self._stage.queued
            log.warning(
                "sink %s is slow: its %s has not returned for %g s; %d rows wait for it",
                self._name,
                what,
                SLOW_SECONDS,
                waiting,
                extra=self._about("slow"),
            )

    def _about(self, reason: str) -> dict[str, str]:
        """What an entry of the journal is about."""
        return {"stage": f"sink.{self._name}", "reason": reason}
