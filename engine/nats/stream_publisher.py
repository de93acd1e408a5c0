"""Publishes to a stream that it makes, and makes again when it is gone; else for whoever listens now."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from engine.nats.api import NoStream, Refused
from engine.nats.link import Link
from engine.nats.record_message import MESSAGE_ID
from engine.nats.sender import message_ids
from engine.nats.streams import OtherLimits, Stream, make

log = logging.getLogger(__name__)

#: Bytes of messages that wait while the server is away, at most; past it the oldest are dropped.
WAITING_BYTES: Final = 16 << 20

#: Seconds between attempts to make a stream that the server refused.
REFUSED_PAUSE: Final = 30.0


def nothing() -> None:
    """For a message of which nobody wants to know what became of it."""


async def at_once() -> None:
    """For messages that wait for nothing but the server."""


class _Message(NamedTuple):
    subject: str
    data: bytes
    headers: dict[str, str]
    done: Callable[[], object]


class StreamPublisher:
    """For messages that wait in memory, and are sent again until the server answers.

    :param on_replaced: called when the stream was gone and another one, empty, is in its place.
    :param may: returns when a message may be published.
    """

    def __init__(
        self,
        link: Link,
        stream: Stream,
        on_replaced: Callable[[], None] = nothing,
        may: Callable[[], Awaitable[object]] = at_once,
    ) -> None:
        self._link = link
        self._stream = stream
        self._on_replaced = on_replaced
        self._may = may
        self._ids = message_ids()
        self._waiting: deque[_Message] = deque()
        self._bytes = 0
        self._offered = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._kept = False
        self._made = ""
        self._make_at = 0.0
        self.dropped = 0

    def offer(
        self,
        subject: str,
        data: bytes,
        headers: dict[str, str] | None = None,
        done: Callable[[], object] = nothing,
    ) -> None:
        """Publish a message soon; never waits.

        :param done: called when the message is stored, or dropped and counted.
        """
        self._bytes += len(data)
        while self._bytes > WAITING_BYTES and self._waiting:
            self._drop(self._take())
        headers = {MESSAGE_ID: next(self._ids)} | (headers or {})
        self._waiting.append(_Message(subject, data, headers, done))
        self._idle.clear()
        self._offered.set()

    def _take(self) -> _Message:
        message = self._waiting.popleft()
        self._bytes -= len(message.data)
        return message

    def _drop(self, message: _Message) -> None:
        self.dropped += 1
        message.done()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._offered.wait()
            self._offered.clear()
            while self._waiting:
                await self._may()
                await self._publish(self._take())
            self._idle.set()

    async def drained(self) -> None:
        """Return when nothing waits."""
        await self._idle.wait()

    async def _publish(self, message: _Message) -> None:
        """Return when the server has answered, however long that takes."""
        try:
            await self._link.until_answered(lambda: self._attempt(message))
        except Refused as error:
            log.info("%s: %s", self._stream.name, error)
            self._drop(message)
        else:
            message.done()

    async def _attempt(self, message: _Message) -> None:
        if not self._kept and time.monotonic() >= self._make_at:
            await self._make()
        if not self._kept:
            await self._link.publish(*message[:3])
            return
        try:
            await self._link.ask(*message[:3])
        except NoStream:
            await self._make()
            raise

    async def _make(self) -> None:
        """Make the stream, unless the server refuses; raises ``Unanswered``."""
        try:
            made = await make(self._link.api, self._stream)
        except OtherLimits:
            made = self._made  # it is there, and that is enough
        except Refused as error:
            log.info("nothing is kept in %s: %s", self._stream.name, error)
            self._kept, self._make_at = False, time.monotonic() + REFUSED_PAUSE
            return
        if self._made not in ("", made):
            log.warning("%s: the stream %s was gone; it is made again", self._link.where, self._stream.name)
            self._on_replaced()
        self._kept, self._made = True, made
