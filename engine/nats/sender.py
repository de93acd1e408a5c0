"""Appends to one partition: in order, one at a time, again and again until it is stored once."""

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from nats.nuid import NUID

from engine.log_record import Record, RecordTooLarge
from engine.nats.api import FULL, TOO_LARGE, Refused, Unanswered
from engine.nats.link import Link
from engine.nats.record_message import size_of, to_message
from model.errors import TailraceError
from model.tasks import happens

#: Seconds between looks for room, in case that nobody tells of it.
ROOM_PAUSE = 0.25

#: Seconds for which messages are kept that are stored, and bytes of them for each partition at most.
KEPT_SECONDS, KEPT_BYTES = 30.0, 1 << 20


def message_ids() -> Iterator[str]:
    """Ids by which the server knows messages, so that what is sent again is stored once."""
    prefix = NUID().next().decode()
    return (f"{prefix}.{number}" for number in itertools.count())


@dataclass(slots=True)
class SendCounts:
    """What all senders of a log did.

    ``waits`` counts appends that found their partition full, ``waiting`` those that wait for room now,
    ``resends`` messages sent again because nobody acknowledged them, ``in_flight`` those sent and not yet
    acknowledged, ``repeats`` those that a server had acknowledged before it went away.
    """

    waits: int = 0
    waiting: int = 0
    resends: int = 0
    in_flight: int = 0
    repeats: int = 0
    ids: Iterator[str] = field(default_factory=message_ids)


class _Kept(NamedTuple):
    """A message that is stored, and when it was; of the monotonic clock."""

    payload: bytes
    headers: dict[str, str]
    at: float


class Sender:
    """Sends to one stream.

    One message is under way at a time. With more, a message could be refused for want of room, or get lost
    with a leader, while the next one is stored: their order would change.

    A server that is killed may have lost messages that it had acknowledged: nats-server 2.9 writes a block of a
    stream anew when it trims it, and what is left in the block is gone if it ends in the middle of that; and it has
    its files written to the disk every two minutes only. So the last messages are kept for a while, and ``repeat``
    sends them again. A server that still has them knows them by their ids; one that had trimmed them stores them
    once more, and whoever reads knows them by their numbers.

    :param full: the subject on which to say that this sender waits for room.
    :param ensure_stream: makes the stream again if it is gone.
    """

    def __init__(
        self,
        link: Link,
        subject: str,
        full: str,
        *,
        max_bytes: int,
        counts: SendCounts,
        ensure_stream: Callable[[], Awaitable[None]],
    ) -> None:
        self._link = link
        self._subject = subject
        self._full = full
        self._max_bytes = max_bytes
        self._counts = counts
        self._ensure_stream = ensure_stream
        self._turn = asyncio.Lock()
        self._kept: deque[_Kept] = deque()
        self._kept_bytes = 0
        self.room = asyncio.Event()

    async def append(self, record: Record) -> int:
        """Store the record when its turn comes and there is room; returns its offset.

        The server knows the message by its id, so a repetition is stored once.

        :raises RecordTooLarge: if it can never be stored.
        :raises TailraceError: if the server refuses it for another reason.
        """
        payload, headers = to_message(record, next(self._counts.ids))
        self._check(record, size_of(self._subject, payload, headers))
        async with self._turn:
            offset = await self._store_some_time(payload, headers)
            self._keep(_Kept(payload, headers, time.monotonic()))
            return offset

    async def repeat(self) -> None:
        """Store again what was stored lately: the server was away, and may have lost it."""
        async with self._turn:
            self._forget()
            for message in tuple(self._kept):
                await self._store_some_time(message.payload, message.headers)
                self._counts.repeats += 1

    def _keep(self, message: _Kept) -> None:
        self._kept.append(message)
        self._kept_bytes += len(message.payload)
        self._forget()

    def _forget(self) -> None:
        """Messages that are too old, or for which there is no room."""
        oldest = time.monotonic() - KEPT_SECONDS
        while self._kept and (self._kept[0].at < oldest or self._kept_bytes > KEPT_BYTES):
            self._kept_bytes -= len(self._kept.popleft().payload)

    async def _store_some_time(self, payload: bytes, headers: dict[str, str]) -> int:
        with contextlib.suppress(_Full):
            return await self._store(payload, headers)
        return await self._store_when_there_is_room(payload, headers)

    def _check(self, record: Record, size: int) -> None:
        if size > self._max_bytes:
            raise RecordTooLarge(
                f"a message of {record.size} bytes does not fit into a partition of {self._max_bytes}",
                "send smaller messages, or raise max_bytes in the broker URL",
            )
        if size > self._link.max_payload > 0:
            raise RecordTooLarge(
                f"a message of {record.size} bytes is more than the server takes, {self._link.max_payload}",
                "send smaller messages, or raise max_payload of nats-server",
            )

    async def _store_when_there_is_room(self, payload: bytes, headers: dict[str, str]) -> int:
        self._counts.waits += 1
        self._counts.waiting += 1
        try:
            while True:
                self.room.clear()
                await self._link.publish(self._full)
                await happens(self.room, ROOM_PAUSE)
                with contextlib.suppress(_Full):
                    return await self._store(payload, headers)
        finally:
            self._counts.waiting -= 1

    async def _store(self, payload: bytes, headers: dict[str, str]) -> int:
        self._counts.in_flight += 1
        try:
            while True:
                try:
                    return int((await self._link.ask(self._subject, payload, headers))["seq"])
                except Unanswered:
                    await self._link.pause()
                    await self._ensure_stream()
                    self._counts.resends += 1
                except Refused as error:
                    raise self._final(error) from None
        finally:
            self._counts.in_flight -= 1

    def _final(self, error: Refused) -> Exception:
        if error.code == FULL:
            return _Full()
        if error.code == TOO_LARGE:
            return RecordTooLarge(error.what, "send smaller messages")
        return TailraceError(error.what, "look into the log of nats-server")


class _Full(Exception):
    """The stream has no room for the message."""
