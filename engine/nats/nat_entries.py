"""What nodes announce of their NAT entries, over NATS: each says it to all engines, which keep it in memory.

The stream keeps announcements for two rounds of repetition, so an engine that starts reads all entries that hold.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from typing import Final

import msgpack
import numpy as np
from nats.aio.client import Client

from actors.nat.announced import ANNOUNCED, REPEAT
from actors.nat.table import NatTable
from engine.nats import streams
from engine.nats.api import Refused, Unanswered, requests_of
from engine.nats.connection import ConnectionRefused, NatsConnection, connect
from engine.nats.stream_reader import StreamReader, pause
from model import subjects
from model.tasks import end

log = logging.getLogger(__name__)

#: Entries of one message: below what a NATS server takes by default.
MESSAGE_ENTRIES: Final = 5000
#: Seconds between attempts when the server refuses.
REFUSED_PAUSE: Final = 30.0


def announcements(node: str, boot: str, window: int, entries: np.ndarray) -> list[bytes]:
    """Entries (``ANNOUNCED``) as messages, none for none."""
    parts = [entries[begin : begin + MESSAGE_ENTRIES] for begin in range(0, len(entries), MESSAGE_ENTRIES)]
    head = {"v": 1, "kind": "nat", "node": node, "boot": boot, "window": window}
    return [msgpack.packb(head | {"n": len(part), "entries": part.tobytes()}) for part in parts]


def read_announcement(data: bytes) -> np.ndarray:
    """The entries of a message; none of one that this version does not read."""
    try:
        message = msgpack.unpackb(data)
        if message["v"] == 1 and message["kind"] == "nat":
            return np.frombuffer(message["entries"], ANNOUNCED)
    except (ValueError, KeyError, TypeError, msgpack.UnpackException) as error:
        log.warning("an announcement of NAT entries was left out: %r", error)
    return np.zeros(0, ANNOUNCED)


class NatFeed:
    """Keeps ``table`` as nodes announce."""

    def __init__(self, connection: NatsConnection, table: NatTable) -> None:
        self._connection = connection
        self._table = table
        self._caught_up = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Reads what is there before it begins, then what comes.

        :raises ConnectionRefused: if the server is not there or refuses this client.
        """
        client = await connect(self._connection, name="tailrace engine")
        reading = asyncio.create_task(self._read(client), name="nat")
        waiting = asyncio.create_task(self._caught_up.wait())
        try:
            await asyncio.wait({reading, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
            yield
        finally:
            await end(reading, waiting)
            with contextlib.suppress(OSError, TimeoutError, ConnectionRefused):
                await client.close()

    async def _read(self, client: Client) -> None:
        """Read as long as there is a stream; one that is gone is made again, for agents to say all anew."""
        reader, request = StreamReader(client, streams.NAT.name), requests_of(client)
        while True:
            try:
                with contextlib.suppress(streams.OtherLimits):
                    await streams.make(request, streams.NAT)
                await self._follow(reader)
            except Unanswered as error:
                log.info("announcements of NAT entries: %s", error)
            except Refused as error:
                log.warning("NAT entries of other nodes are not known: %s", error)
                self._caught_up.set()
                await asyncio.sleep(REFUSED_PAUSE)
            await pause()

    async def _follow(self, reader: StreamReader) -> None:
        async with reader.cursor(f"{subjects.NAT}.>", 1) as cursor:
            if not cursor.pending:
                self._caught_up.set()
            forgotten = time.monotonic()
            while True:
                message = await cursor.next()
                self._table.take_announced(read_announcement(message.data), time.time_ns())
                if not cursor.pending:
                    self._caught_up.set()
                if time.monotonic() - forgotten > REPEAT:
                    self._table.end_unannounced(time.time_ns())
                    forgotten = time.monotonic()
