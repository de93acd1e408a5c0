"""``tailrace engine``: a worker behind the agents: deltas from NATS, each message once, to its sinks."""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from typing import cast

from faust.types import EventT, StreamT

from actors.fanout import FanOut
from engine.batch import BadBatch, DeltaBatch
from engine.config import Config
from engine.errors import TailraceError
from engine.ledger import Ledger
from engine.metrics import serve_metrics
from engine.row_stage import RowStage
from engine.sink import Sink
from engine.subjects import DEAD, DEAD_STREAM, DELTAS, dead
from engine.transport.embedded import EmbeddedApp, embedded_app
from engine.transport.nats import NatsTransport

log = logging.getLogger(__name__)

#: Seconds that sinks get to write what is queued when the program ends.
FLUSH_SECONDS = 1.0

Origin = tuple[str, str, int]


class Seen:
    """Numbers of the messages taken, by node, boot and partition, in which they come in order."""

    def __init__(self, origins: int = 100_000) -> None:
        self._last: OrderedDict[Origin, int] = OrderedDict()
        self._origins = origins

    def again(self, batch: DeltaBatch, partition: int) -> bool:
        """Whether the message was taken before; it counts as taken from now on."""
        origin = (batch.node, batch.boot, partition)
        if batch.seq <= self._last.get(origin, -1):
            return True
        self._last[origin] = batch.seq
        self._last.move_to_end(origin)
        if len(self._last) > self._origins:
            self._last.popitem(last=False)
        return False


class Engine:
    """Any number of engines share the partitions; a message is acknowledged when the sinks have taken it."""

    def __init__(self, config: Config, url: str, sinks: dict[str, Sink], stage: RowStage = "flows") -> None:
        self.ledger = Ledger()
        self._config = config
        self._stage = stage
        self._books = self.ledger.stage("deltas", "messages")
        self._fan_out = FanOut(sinks, self.ledger)
        self._seen = Seen()
        self._stopping = asyncio.Event()
        self._app = self._wire(url)

    def _wire(self, url: str) -> EmbeddedApp:
        """The graph: one agent so far; pairing and enrichment join as agents before it."""
        app = embedded_app("tailrace-engine", url, in_flight=16)
        deltas = app.topic(DELTAS, value_type=bytes)

        @app.agent(deltas, name="deliver")
        async def deliver(stream: StreamT[bytes]) -> None:
            async for event in stream.events():
                await self._deliver(event)

        return app

    async def _deliver(self, event: EventT[bytes]) -> None:
        data, partition = cast(bytes, event.value), event.message.partition
        self._books.received += 1
        try:
            batch = DeltaBatch.decode(data)
        except BadBatch as error:
            self._books.drop("unreadable")
            await self._bury(data, str(error))
            return
        if self._seen.again(batch, partition):
            self._books.note("duplicates")
        else:
            await self._fan_out.put(batch)
            await self._fan_out.drained()
        self._books.delivered += 1

    async def _bury(self, data: bytes, reason: str) -> None:
        """Puts a message that nobody can read where somebody can look at it."""
        log.warning("a message was put aside: %s", reason)
        with contextlib.suppress(TailraceError, OSError):
            await self._transport.backend.link.publish(
                dead(DELTAS), data, {"Tailrace-Reason": reason[:200], "Tailrace-Subject": DELTAS}
            )

    @property
    def _transport(self) -> NatsTransport:
        return cast(NatsTransport, self._app.transport)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Runs until stop().

        :raises TailraceError: if a sink or the bus cannot start, or this worker lost its membership.
        """
        async with contextlib.AsyncExitStack() as stack:
            await self._fan_out.start()
            stack.push_async_callback(self._fan_out.stop, FLUSH_SECONDS)
            stack.enter_context(serve_metrics(self._config.metrics.listen, self.ledger))
            await self._app.start()
            stack.push_async_callback(self._app.stop)
            await self._make_dead_stream()
            if ready:
                ready.set()
            await self._wait()

    async def _wait(self) -> None:
        stopping = asyncio.create_task(self._stopping.wait(), name="stopping")
        crashed = asyncio.create_task(self._app.wait_until_stopped(), name="app")
        try:
            await asyncio.wait({stopping, crashed}, return_when=asyncio.FIRST_COMPLETED)
            if self._app.crashed:
                raise TailraceError(f"the engine failed: {self._app.crash_reason!r}", "see the log")
        finally:
            stopping.cancel()
            crashed.cancel()

    async def _make_dead_stream(self) -> None:
        limits = {"max_bytes": 64 << 20, "max_age": 7 * 86400 * 10**9, "discard": "old"}
        body = {"name": DEAD_STREAM, "subjects": [f"{DEAD}.>"], "storage": "file", **limits}
        try:
            await self._transport.backend.link.api(f"STREAM.CREATE.{DEAD_STREAM}", body)
        except TailraceError as error:
            log.info("messages that cannot be read are not kept: %s", error)

    def stop(self) -> None:
        """Makes run() end in good order."""
        self._stopping.set()
