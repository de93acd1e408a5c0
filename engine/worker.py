"""``tailrace engine``: a worker behind the agents: deltas from NATS, each message once, to its sinks."""

import asyncio
import contextlib
import logging
import math
import os
import time
from collections import OrderedDict
from collections.abc import AsyncIterable, Mapping
from typing import cast

from faust.streams import Stream
from faust.types import EventT, StreamT

from actors.join.cross_node import Rekeyer
from actors.join.joiner import Joiner
from actors.join.window_join import WindowJoin
from actors.nat.table import NatTable
from actors.workloads.workloads import Workloads
from engine.config import Config
from engine.enrichers import cluster_identity
from engine.metrics import serve_metrics
from engine.nats.address import connection_of
from engine.nats.nat_entries import NatFeed
from engine.transport.embedded import EmbeddedApp, embedded_app
from engine.transport.nats.transport import NatsTransport
from model.batch import Batch
from model.errors import TailraceError, UsageError
from model.ledger import Ledger
from model.message import BadBatch, decode
from model.row_stage import RowStage, stages_of
from model.sink import Sink
from model.subjects import DELTAS
from sinks.fan_out import FanOut

log = logging.getLogger(__name__)

#: Seconds that sinks get to write what is queued when the program ends.
FLUSH_SECONDS = 1.0

#: Seconds between looks at what waits for no more.
PASS_SECONDS = 0.05
#: Messages held at most; past it no more are read until some have been joined.
HELD_MESSAGES = 4096
#: Connections that an engine can know at once.
MOST_FLOWS = 1 << 24

Origin = tuple[str, str, int, int]


class Seen:
    """Numbers of the messages taken, by node, boot, partition and way, in which they come in order."""

    def __init__(self, origins: int = 100_000) -> None:
        self._last: OrderedDict[Origin, int] = OrderedDict()
        self._origins = origins

    def again(self, batch: Batch, partition: int) -> bool:
        """Whether the message was taken before; it counts as taken from now on."""
        origin = (batch.node, batch.boot, partition, batch.via)
        if batch.seq <= self._last.get(origin, -1):
            return True
        self._last[origin] = batch.seq
        self._last.move_to_end(origin)
        if len(self._last) > self._origins:
            self._last.popitem(last=False)
        return False


def _unacknowledged(stream: StreamT[bytes]) -> AsyncIterable[EventT[bytes]]:
    """Events that whoever takes them acknowledges."""
    events: AsyncIterable[EventT[bytes]] = cast(Stream[bytes], stream).noack().events()
    return events


class Engine:
    """Any number of engines share the partitions; a message is acknowledged when the sinks have taken its rows.

    :param stage: what all sinks get, or what each gets: flows and workloads, or deltas.
    :raises UsageError: if some sinks want deltas, and others what they make.
    """

    def __init__(
        self,
        config: Config,
        url: str,
        sinks: dict[str, Sink],
        stage: RowStage | Mapping[str, RowStage] = "flows",
    ) -> None:
        self.ledger = Ledger()
        self._config = config
        stages = stages_of(stage, sinks)
        self._wanted = set(stages.values())
        if "deltas" in self._wanted and len(self._wanted) > 1:
            raise UsageError(
                "an engine hands on deltas, or what they make", "give all its sinks deltas, or none"
            )
        self._books = self.ledger.stage("deltas", "messages")
        self._workloads = Workloads(self.ledger, config.workloads.pairs)
        self._fan_out = FanOut(sinks, self.ledger, stages=stages)
        self._seen = Seen()
        self._rewrites = NatTable(config.nat.entries, self.ledger.stage("nat", "entries"))
        self._feed = NatFeed(connection_of(url), self._rewrites)
        self._cluster = cluster_identity(config)
        self._join: WindowJoin | None = None
        self._passing = asyncio.Lock()
        self._boot = f"{time.time_ns() // 10**6:x}.{os.getpid()}"
        self._stopping = asyncio.Event()
        self._app = self._wire(url)
        self._transport.backend.reads.on_missed = self._miss

    def _wire(self, url: str) -> EmbeddedApp:
        """The graph: deltas, by partition; what they make of each second goes to the sinks (``_pass_on``)."""
        flows = "deltas" not in self._wanted
        app = embedded_app("tailrace-engine", url, in_flight=HELD_MESSAGES if flows else 16)
        self._deltas = app.topic(DELTAS, value_type=bytes)

        @app.agent(self._deltas, name="join" if flows else "deliver")
        async def take(stream: StreamT[bytes]) -> None:
            async for event in _unacknowledged(stream) if flows else stream.events():
                await (self._hold(event) if flows else self._deliver(event))

        return app

    async def _read(self, event: EventT[bytes]) -> Batch | None:
        """The batch of a message; None if it was there before, or nobody can read it."""
        data, partition = cast(bytes, event.value), event.message.partition
        self._books.received += 1
        try:
            batch = decode(data)
        except BadBatch as error:
            self._books.drop("unreadable")
            self._transport.backend.bury(DELTAS, data, str(error))
            return None
        if self._seen.again(batch, partition):
            self._books.note("duplicates")
            self._books.delivered += 1
            return None
        return batch

    def _miss(self, reason: str, count: int) -> None:
        """Messages that the bus lost before they were read."""
        self._books.received += count
        self._books.drop(reason, count)
        self._books.note(reason)

    async def _deliver(self, event: EventT[bytes]) -> None:
        """Hands rows of sockets to the sinks."""
        if batch := await self._read(event):
            await self._fan_out.put(batch)
            await self._fan_out.drained()
            self._books.delivered += 1

    async def _hold(self, event: EventT[bytes]) -> None:
        """Keeps rows until their second is joined."""
        batch, partition = await self._read(event), event.message.partition
        if batch is None:
            event.ack()
            return
        self._books.queued += 1
        self._join = self._join or self._joined()
        self._join.add(batch, partition, event, time.monotonic())

    def _joined(self) -> WindowJoin:
        settings, stage = self._config.join, self.ledger.stage("join", "rows")
        partitions = self._transport.backend.partitions(DELTAS) or 1
        flows = min(settings.flows * partitions, MOST_FLOWS)
        joiner = Joiner("engine", self._boot, self.ledger, flows, self._cluster)
        return WindowJoin(partitions, joiner, Rekeyer(self._rewrites), stage, settings.wait_seconds)

    async def _keep_passing_on(self) -> None:
        while True:
            await asyncio.sleep(PASS_SECONDS)
            await self._pass_on()

    async def _pass_on(self) -> None:
        """Sends rows to where they belong, and joins what waits for no more; at the end nothing waits."""
        async with self._passing:
            if self._join is None:
                return
            hurry = math.inf if self._stopping.is_set() else 0
            for place, batch in list(self._join.moving(time.monotonic() + hurry)):
                await self._deltas.send(value=batch.encode(), partition=place)
            for window in self._join.due(time.monotonic() + hurry):
                await self._finish(*self._join.close(window))

    async def _finish(self, flows: list[Batch], events: list[EventT[bytes]]) -> None:
        workloads = self._workloads.of(flows) if "workloads" in self._wanted else []
        batches: list[Batch] = [*flows, *workloads]
        for batch in batches:
            await self._fan_out.put(batch)
        await self._fan_out.drained()
        for event in events:
            event.ack()
        self._books.queued -= len(events)
        self._books.delivered += len(events)

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
            stack.enter_context(serve_metrics(self._config.metrics.listen, self.ledger, [self._cluster]))
            if "deltas" not in self._wanted:
                await stack.enter_async_context(self._feed.running())
                stack.push_async_callback(self._cluster.close)
                await self._cluster.start()
            passing = asyncio.create_task(self._keep_passing_on(), name="passing")
            stack.callback(passing.cancel)
            await self._app.start()
            stack.push_async_callback(self._app.stop)  # waits until what is held has been passed on
            if ready:
                ready.set()
            await self._wait(passing)

    async def _wait(self, passing: "asyncio.Task[None]") -> None:
        stopping = asyncio.create_task(self._stopping.wait(), name="stopping")
        crashed = asyncio.create_task(self._app.wait_until_stopped(), name="app")
        try:
            await asyncio.wait({stopping, crashed, passing}, return_when=asyncio.FIRST_COMPLETED)
            if self._app.crashed:
                raise TailraceError(f"the engine failed: {self._app.crash_reason!r}", "see the log")
            if passing.done():
                passing.result()
        finally:
            stopping.cancel()
            crashed.cancel()

    def stop(self) -> None:
        """Makes run() end in good order."""
        self._stopping.set()
