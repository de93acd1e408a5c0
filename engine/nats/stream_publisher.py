"""Publishes to a stream that it makes, and makes again when it is gone; else for whoever listens now."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from engine.nats.api import Refused, Unanswered
from engine.nats.link import Link
from engine.nats.streams import OtherLimits, Stream, make

log = logging.getLogger(__name__)

#: Messages that wait at most; past it the oldest are dropped.
WAITING: Final = 64

#: Seconds between attempts to make a stream that the server refused.
REFUSED_PAUSE: Final = 30.0


class _Message(NamedTuple):
    subject: str
    data: bytes
    headers: dict[str, str] | None


class StreamPublisher:
    """For messages whose loss does little harm: the next one says the same, or they are counted elsewhere.

    :param on_replaced: called when the stream was gone and another one, empty, is in its place.
    """

    def __init__(self, link: Link, stream: Stream, on_replaced: Callable[[], None] = lambda: None) -> None:
        self._link = link
        self._stream = stream
        self._on_replaced = on_replaced
        self._waiting: deque[_Message] = deque()
        self._offered = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._kept = False
        self._made = ""
        self._make_at = 0.0
        self.dropped = 0

    def offer(self, subject: str, data: bytes, headers: dict[str, str] | None = None) -> None:
        """Publish a message soon; never waits. Without a connection it is dropped."""
        if len(self._waiting) == WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(_Message(subject, data, headers))
        self._idle.clear()
        self._offered.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._offered.wait()
            self._offered.clear()
            while self._waiting:
                await self._publish(self._waiting.popleft())
            self._idle.set()

    async def drained(self) -> None:
        """Return when nothing waits."""
        await self._idle.wait()

    async def _publish(self, message: _Message) -> None:
        if not self._kept and time.monotonic() >= self._make_at:
            await self._make()
        if not self._kept:
            await self._link.publish(*message)
        elif not await self._stored(message):
            await self._make()
            if not (self._kept and await self._stored(message)):
                self.dropped += 1

    async def _stored(self, message: _Message) -> bool:
        try:
            await self._link.ask(*message)
        except Unanswered:
            return False
        except Refused as error:
            log.info("%s: %s", self._stream.name, error)
            return False
        return True

    async def _make(self) -> None:
        try:
            made = await make(self._link.api, self._stream)
        except OtherLimits:
            made = self._made  # it is there, and that is enough
        except Unanswered:
            return
        except Refused as error:
            log.info("nothing is kept in %s: %s", self._stream.name, error)
            self._kept, self._make_at = False, time.monotonic() + REFUSED_PAUSE
            return
        if self._made not in ("", made):
            log.warning("%s: the stream %s was gone; it is made again", self._link.where, self._stream.name)
            self._on_replaced()
        self._kept, self._made = True, made
