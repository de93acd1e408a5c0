"""The way of the data, top to bottom: frames of a probe, socket state and NAT, deltas, flows, sinks."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from faust.types import StreamT

from actors.join.joiner import Joiner
from actors.join.new_containers import Newcomers
from actors.node.actor import NodeActor
from actors.workloads.workloads import Workloads
from engine.config import Config
from engine.enrichers import cluster_identity
from engine.metrics import serve_metrics
from engine.transport.driver import Transport
from engine.transport.embedded import EmbeddedApp, embedded_app
from enrichers.node import NodeIdentity
from model.batch import Batch
from model.errors import BROKEN_PIPE, SinkError, TailraceError
from model.frame_source import FrameSource
from model.ledger import Ledger
from model.message import decode
from model.row_stage import RowStage, stages_of
from model.sink import Sink
from probes.kernel.event_types import EventTypes
from probes.kernel_source import KernelSource
from probes.registry import PROBES
from sinks.fan_out import FanOut

#: Seconds that sinks get to write what is queued when the program ends.
FLUSH_SECONDS = 1.0


class Pipeline:
    """Everything of ``tailrace run``, in one process.

    :param sinks: opened and closed by the pipeline.
    :param source: where frames come from, this machine's kernel by default; started and closed by the pipeline.
    :param stage: what all sinks get, or what each gets: flows, deltas or workloads.
    """

    def __init__(
        self,
        config: Config,
        sinks: dict[str, Sink],
        ledger: Ledger | None = None,
        source: FrameSource | None = None,
        stage: RowStage | Mapping[str, RowStage] = "flows",
    ) -> None:
        self.ledger = ledger or Ledger()
        self._config = config
        stages = stages_of(stage, sinks)
        self._wanted = set(stages.values())
        self._stopping = asyncio.Event()
        self._source = source or KernelSource(config)
        origin = self._source.origin
        who = None if self._source.recorded else NodeIdentity(config)
        entries, flows = config.nat.entries, config.join.flows
        self._node = NodeActor(
            origin.node, origin.boot, origin.slots, self.ledger, EventTypes(PROBES), entries, who=who
        )
        cluster = cluster_identity(config, who) if who else None
        self._identities = [identity for identity in (who, cluster) if identity]
        self._joiner = Joiner(origin.node, origin.boot, self.ledger, flows, cluster)
        self._newcomers = Newcomers(cluster)
        self._wait = False  # there are some in the window under way
        self._waiting: dict[int, dict[str, Any]] = {}  # the books of windows with rows of newcomers
        self._workloads = Workloads(self.ledger, config.workloads.pairs)
        self._fan_out = FanOut(sinks, self.ledger, on_error=self._sink_failed, stages=stages)
        self._app = self._wire()

    def _wire(self) -> EmbeddedApp:
        """The graph: each agent reads one topic; a topic holds a bounded number of messages, then senders wait."""
        app = embedded_app("tailrace", self._config.bus.url)
        frames = app.topic("tailrace.frames", value_type=bytes)
        deltas = app.topic("tailrace.deltas", value_type=bytes)

        async def send(frame: bytes) -> None:
            await frames.send(value=frame)

        self._send = send

        @app.agent(frames, name="sockets")
        async def sockets(stream: StreamT[bytes]) -> None:
            async for frame in stream:
                for message in self._node.handle(frame):
                    await deltas.send(value=message)

        @app.agent(deltas, name="deliver")
        async def deliver(stream: StreamT[bytes]) -> None:
            async for message in stream:
                for batch in self._batches(decode(message)):
                    if self._source.recorded:
                        await self._fan_out.put(batch)
                    else:
                        self._fan_out.offer(batch)

        return app

    def _batches(self, deltas: Batch) -> Iterator[Batch]:
        """What sinks get: the deltas; with the last of a window the flows that they make, and their workloads.

        A window with a container that is seen for the first time, and not known yet, waits for the next one's.
        """
        books = self._with_sinks(deltas.head["ledger"])
        if "deltas" in self._wanted:
            yield replace(deltas, head={**deltas.head, "ledger": books})
        if self._wanted == {"deltas"}:
            return
        self._joiner.add(deltas)
        self._wait |= self._newcomers.among(deltas.tables["entities"], deltas.window)
        if deltas.last:
            yield from self._flows()
            self._waiting[deltas.window] = books
            if not self._wait:
                yield from self._flows()
            self._wait = False

    def _flows(self) -> Iterator[Batch]:
        """The flows, and workloads, of the windows that wait."""
        for window, books in self._waiting.items():
            flows = list(self._joiner.close(window, books))
            yield from flows
            if "workloads" in self._wanted:
                yield from self._workloads.of(flows)
        self._waiting.clear()

    def _with_sinks(self, books: dict[str, Any]) -> dict[str, Any]:
        """The node's books travel with a window's last message; those of what follows here join them."""
        if not books or self._source.recorded:
            return books
        names = [
            name for name in self.ledger.stages if name in ("join", "workloads") or name.startswith("sink.")
        ]
        return books | {name: self.ledger.stages[name].as_dict() for name in names}

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Runs until stop(); the last deltas reach the sinks.

        :param ready: set when every hook is attached and open sockets are adopted.
        :raises TailraceError: if the probe, a sink or the bus cannot start, or an actor fails.
        """
        async with contextlib.AsyncExitStack() as stack:
            await self._fan_out.start()
            stack.push_async_callback(self._fan_out.stop, FLUSH_SECONDS)
            stack.enter_context(serve_metrics(self._config.metrics.listen, self.ledger, self._identities))
            for identity in self._identities:
                stack.push_async_callback(identity.close)
                await identity.start()
            await self._app.start()
            stack.push_async_callback(self._app.stop)
            stack.callback(self._source.close)
            await self._source.start()
            if ready:
                ready.set()
            await self._watch()

    async def _watch(self) -> None:
        source = asyncio.create_task(self._source.run(self._send), name="source")
        stopping = asyncio.create_task(self._stopping.wait(), name="stopping")
        crashed = asyncio.create_task(self._app.wait_until_stopped(), name="app")
        passing = asyncio.create_task(self._pass_on(source), name="passing")
        try:
            ends = {passing if self._source.recorded else source, stopping, crashed}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._app.crashed:
                raise TailraceError(f"an actor failed: {self._app.crash_reason!r}", "see the log")
            self._source.stop()
            await source
            await asyncio.wait({passing}, timeout=FLUSH_SECONDS)
            if passing.done():
                await passing
            else:
                self.ledger.stage("frames", "frames").note("left_at_the_end")
        finally:
            for task in (source, stopping, crashed, passing):
                task.cancel()

    async def _pass_on(self, source: "asyncio.Task[None]") -> None:
        """Returns when the actors have passed on all that the source sent, and sinks have taken what was recorded."""
        await asyncio.wait({source})
        await cast(Transport, self._app.transport).drain("tailrace.frames", "tailrace.deltas")
        for batch in self._flows():
            await self._fan_out.put(batch)
        if self._source.recorded:
            await self._fan_out.drained()

    def stop(self) -> None:
        """Makes run() end in good order."""
        self._stopping.set()

    def _sink_failed(self, _name: str, error: BaseException) -> None:
        """A reader that went away (``tailrace run | head``) ends the program as it ends others."""
        if isinstance(error, SinkError) and error.reason == BROKEN_PIPE:
            self.stop()
