"""Faust's producer over a backend: a send returns when the message is stored."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Mapping
from typing import Any

from faust.exceptions import ProducerSendError
from faust.transport import base
from faust.types import TP, RecordMetadata
from faust.types.core import HeadersArg
from faust.types.tuples import FutureMessage
from mode import Seconds

from engine.log_record import Headers, Record
from engine.transport.backend import CREATE_TIME
from engine.transport.log_transport import LogTransport
from model.subjects import TopicPartition


def as_headers(headers: HeadersArg) -> Headers:
    """Headers as Faust's callers may give them, as pairs."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
    return tuple((name, value) for name, value in pairs)


#: Seconds that a flush waits.
FLUSH_TIMEOUT = 0.1


class Producer(base.Producer):
    """Sends to the partitions of the log.

    ``send`` waits for room and until the record is stored, and raises what went wrong: so an agent finishes
    its event only when its results are safe, and a full partition slows it down.
    """

    logger = logging.getLogger(__name__)
    transport: LogTransport

    def __post_init__(self) -> None:
        self._appends: set[asyncio.Task[int]] = set()
        self._unsent: set[asyncio.Future[Any]] = set()

    async def on_start(self) -> None:
        """Connect to the log."""
        await super().on_start()
        await self.transport.connect()

    async def on_stop(self) -> None:
        """Fail the sends that still wait for room: nobody will make any."""
        await self.flush()
        for append in tuple(self._appends):
            append.cancel()
        await self.transport.disconnect()

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: HeadersArg | None,
        *,
        transactional_id: str | None = None,
    ) -> Awaitable[RecordMetadata]:
        """Store a message; the future returned is done already.

        :raises RecordTooLarge: if the partition may never hold it.
        :raises ProducerSendError: if the app stopped before there was room.
        """
        stored = asyncio.get_running_loop().create_future()
        stored.set_result(await self.send_and_wait(topic, key, value, partition, timestamp, headers))
        return stored

    async def send_and_wait(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: HeadersArg | None,
        *,
        transactional_id: str | None = None,
    ) -> RecordMetadata:
        """Store a message; raises as ``send`` does."""
        tp = await self.transport.place(topic, key, partition)
        seconds = time.time() if timestamp is None else timestamp
        offset = await self._append(tp, Record(key, value, as_headers(headers), seconds))
        return RecordMetadata(tp.topic, tp.partition, TP(*tp), offset, seconds, CREATE_TIME)

    async def _append(self, tp: TopicPartition, record: Record) -> int:
        append = asyncio.create_task(self.transport.backend.append(tp, record))
        self._appends.add(append)
        append.add_done_callback(self._appends.discard)
        try:
            return await append
        except asyncio.CancelledError:
            sender = asyncio.current_task()
            if not self.should_stop or (sender and sender.cancelling()):
                raise
            raise ProducerSendError(f"the app stopped before {tp.topic}[{tp.partition}] had room") from None

    def send_soon(self, fut: FutureMessage) -> None:
        """Store a message later. Agents rather await ``send``: see ``flush``."""
        self._unsent.add(fut)
        fut.add_done_callback(self._unsent.discard)
        super().send_soon(fut)

    async def flush(self) -> None:
        """Wait for what was sent by ``send_soon``, at most ``FLUSH_TIMEOUT``.

        Called before each commit. It must not wait for ever: the room that a message waits for may come from
        that commit.
        """
        if self._unsent:
            await asyncio.wait(tuple(self._unsent), timeout=FLUSH_TIMEOUT)

    async def settle(self) -> None:
        """Wait until everything sent by ``send_soon`` is stored."""
        if self._unsent:
            await asyncio.wait(tuple(self._unsent))

    async def create_topic(
        self,
        topic: str,
        partitions: int,
        replication: int,
        *,
        config: Mapping[str, Any] | None = None,
        timeout: Seconds = 1000.0,  # noqa: ASYNC109  # the signature is Faust's
        retention: Seconds | None = None,
        compacting: bool | None = None,
        deleting: bool | None = None,
        ensure_created: bool = False,
    ) -> None:
        """Make the topic unless it exists. The log decides what it keeps: Kafka's settings are ignored."""
        await self.transport.backend.create_topic(topic, partitions)

    def key_partition(self, topic: str, key: bytes) -> TP:
        """The partition of a key."""
        return TP(topic, self.transport.partition_of(topic, key))

    def supports_headers(self) -> bool:
        """They do travel."""
        return True
