"""A role: a graph from its start to its end. Start, readiness, stop, flush, metrics and health are here, once."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import Sequence
from typing import Any

from engine.graph import Graph
from engine.metrics import Health, serve_metrics
from engine.runner import Runner
from engine.service.notify import ServiceManager
from engine.service.supervision import supervise
from model.errors import TailraceError, explained
from model.tasks import end

log = logging.getLogger(__name__)


class Role:
    """What a command runs: ``run`` until it ends by itself or ``stop`` is called.

    :param listen: ``address:port`` of metrics and health; empty for none.
    """

    def __init__(self, graph: Graph, runner: Runner, listen: str = "") -> None:
        self.graph = graph
        self.ledger = graph.ledger
        self._runner = runner
        self._listen = listen

    def stop(self) -> None:
        """Makes run() end in good order."""
        self.graph.stop()

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Runs until stop(), or the end of what is recorded; the last rows reach the sinks.

        :param ready: set when all has started: every hook is attached, open sockets are adopted.
        :raises TailraceError: if a part cannot start, or fails.
        """
        graph, health = self.graph, Health()
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(serve_metrics(self._listen, graph, health))
            if not await self._started(stack):
                return
            gc.freeze()  # nothing of the start is garbage: a collection need not look at it (50 ms, all at once)
            health.ready = True
            if ready:
                ready.set()
            supervised = asyncio.create_task(supervise(graph, ServiceManager()), name="supervision")
            stack.push_async_callback(end, supervised)
            await self._watch()
            health.ready = False

    async def _started(self, stack: contextlib.AsyncExitStack) -> bool:
        """Starts all parts, which end with ``stack``; False if it is told to stop meanwhile, and they are not all
        started."""
        limit = asyncio.timeout(None)

        async def end() -> None:
            await self.graph.stopping.wait()
            limit.reschedule(0)

        stopping = asyncio.create_task(end(), name="stopping")
        try:
            async with limit:
                await self._start(stack)
        except TimeoutError:
            if not limit.expired():
                raise
        finally:
            stopping.cancel()
        return not limit.expired()

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        for service in self.graph.services:
            await stack.enter_async_context(service)
        stack.push_async_callback(self._runner.stop)
        await self._runner.start(self.graph)
        for source, _ in self.graph.sources:
            stack.callback(source.close)
            await source.start()

    async def _watch(self) -> None:
        """Until there is a reason to end; then what is under way is handed on, for ``flush_seconds`` at most."""
        graph = self.graph
        sources = [asyncio.create_task(source.run(send), name="source") for source, send in graph.sources]
        drained = asyncio.create_task(self._drain(sources), name="drain")
        stopping = asyncio.create_task(self.graph.stopping.wait(), name="stopping")
        failed = [asyncio.create_task(wait(), name="failed") for wait in (self._failed, self._runner.failed)]
        beside = [asyncio.ensure_future(task()) for task in graph.tasks]
        ends = {stopping, *failed, *beside, *([drained] if graph.recorded else sources)}
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            _raise_first(done - {stopping})
            await self._runner.stop_reading()
            for source, _ in graph.sources:
                source.stop()
            await asyncio.gather(*sources)
            done, _ = await asyncio.wait(
                {drained, *failed}, timeout=graph.flush_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            _raise_first(done)
            if not graph.idle:
                self.ledger.stage("frames", "frames").note("left_at_the_end")
        finally:
            await end(*sources, drained, stopping, *failed, *beside)

    async def _drain(self, sources: Sequence["asyncio.Task[None]"]) -> None:
        """Returns when every actor has handed on all that the sources sent, and outlets have made it safe."""
        if sources:
            await asyncio.wait(sources)
        else:
            await self.graph.stopping.wait()
        await self._runner.drain_topics()
        for place in self.graph.in_order():
            await place.idle()
            await place.finish()

    async def _failed(self) -> None:
        """Returns only to raise what an actor raised."""
        failure = self.graph.failure
        await failure.wait()
        error = failure.error
        if isinstance(error, TailraceError):
            raise error
        log.debug("the actor %s failed", failure.place, exc_info=error)
        if error is not None:
            reason = explained(error)
            raise TailraceError(f"the actor {failure.place} failed: {reason.what}", reason.remedy) from error


def _raise_first(done: Any) -> None:
    for task in done:
        task.result()
