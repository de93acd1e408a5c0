"""Messages on their way to the bus: kept while it is away, within a bound; past it the oldest are dropped."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import islice

from engine.log_record import RecordTooLarge
from engine.nats.spool import Spool
from model.ledger import Stage
from model.outgoing import Outgoing

log = logging.getLogger(__name__)


Publish = Callable[[Outgoing], Awaitable[None]]


class Outbox:
    """Publishes in order, one after the other.

    Memory comes first; when it is full the newest go to the spool, if there is one, and come back in order.

    :param publish: returns when the bus has stored the message, however long that takes.
    :param stage: in rows; ``received == delivered + queued + dropped`` at every moment.
    :param max_bytes: of messages in memory.
    """

    def __init__(self, publish: Publish, stage: Stage, max_bytes: int, spool: Spool | None = None) -> None:
        self._publish = publish
        self._stage = stage
        self._max_bytes = max_bytes
        self._spool = spool
        self._waiting: deque[Outgoing] = deque()
        self._bytes = 0
        self._in_flight: Outgoing | None = None
        self._changed = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        if spool:
            stage.received += spool.rows
            stage.queued += spool.rows
            self._refill()

    def put(self, message: Outgoing) -> None:
        """Takes a message; never waits."""
        self._stage.received += message.rows
        self._stage.queued += message.rows
        if self._spool and (self._spool.messages or self._bytes + len(message.data) > self._max_bytes):
            self._put_away(self._spool, message)
        else:
            self._hold(message)
            while self._bytes > self._max_bytes and self._waiting:
                self._drop("outage")
        self._empty.clear()
        self._changed.set()

    def _put_away(self, spool: Spool, message: Outgoing) -> None:
        while not spool.append(message):
            if not self._waiting:
                self._lose(message, "spool_failed")
                return
            self._drop("outage")
            self._refill()

    def _hold(self, message: Outgoing) -> None:
        self._waiting.append(message)
        self._bytes += len(message.data)

    def _drop(self, reason: str) -> None:
        self._lose(self._take(), reason)

    def _lose(self, message: Outgoing, reason: str) -> None:
        self._stage.queued -= message.rows
        self._stage.drop(reason, message.rows)

    def _take(self) -> Outgoing:
        message = self._waiting.popleft()
        self._bytes -= len(message.data)
        return message

    def _refill(self) -> None:
        """Brings back what was put away while there is room for it."""
        while self._spool and self._spool.messages and self._bytes < self._max_bytes:
            self._hold(self._spool.pop())

    async def run(self) -> None:
        """Publishes until cancelled."""
        while True:
            self._refill()
            while not self._waiting:
                self._empty.set()
                self._changed.clear()
                await self._changed.wait()
                self._refill()
            self._in_flight = self._take()
            await self._deliver(self._in_flight)
            self._in_flight = None

    async def _deliver(self, message: Outgoing) -> None:
        try:
            await self._publish(message)
        except RecordTooLarge as error:
            log.warning("a message was left out: %s", error)
            self._lose(message, "too_large")
        else:
            self._stage.queued -= message.rows
            self._stage.delivered += message.rows

    def waiting_text(self) -> str:
        """How much waits, in words; empty for nothing."""
        messages = len(self._waiting) + bool(self._in_flight) + (self._spool.messages if self._spool else 0)
        return f"{messages:,} messages with {self._stage.queued:,} rows wait" if messages else ""

    async def drained(self) -> None:
        """Returns when everything that was put has been published."""
        await self._empty.wait()

    def close(self) -> None:
        """Puts what is left into the spool for the next start; without one it is dropped, counted."""
        if self._in_flight:
            self._waiting.appendleft(self._in_flight)
            self._bytes += len(self._in_flight.data)
            self._in_flight = None
        kept = self._spool.put_back(self._waiting) if self._spool else 0
        if rows := sum(message.rows for message in islice(self._waiting, len(self._waiting) - kept)):
            log.warning("%d rows were not published before the end, and are lost: see spool_path", rows)
        while len(self._waiting) > kept:
            self._drop("shutdown")
        if self._spool:
            self._spool.close()
