"""``tailrace agent``: the node's half: frames in, deltas onto NATS by partition, a heartbeat each second."""

import asyncio
import contextlib
import time
from typing import Any, Protocol

from actors.node.actor import NodeActor
from engine.config import Config
from engine.nats.counts import Count
from engine.nats.node_publisher import NodePublisher
from enrichers.node import NodeIdentity
from model.frame_source import FrameSource
from model.ledger import Ledger
from model.tasks import end
from probes.kernel.event_types import EventTypes
from probes.registry import PROBES
from tailrace import __version__

#: Seconds that the bus gets to take what is left when the program ends.
FLUSH_SECONDS = 1.0


class LiveSource(FrameSource, Protocol):
    """A source that can say how it is."""

    def state(self) -> dict[str, Any]:
        """``clock`` (offset_ns, steps) and ``capabilities`` (what serves each feature of the probe)."""


class Agent:
    """Watches with ``source`` whether the bus is there or not; what it cannot publish waits in the outbox."""

    def __init__(self, config: Config, url: str, source: LiveSource) -> None:
        self.ledger = Ledger()
        self._source = source
        self._origin = source.origin
        self._who = NodeIdentity(config)
        self._node = NodeActor(
            self._origin.node,
            self._origin.boot,
            self._origin.slots,
            self.ledger,
            EventTypes(PROBES),
            config.nat.entries,
            announces=True,
            who=self._who,
        )
        self._publisher = NodePublisher(
            url,
            self._origin,
            config.agent,
            self.ledger.stage("outbox", "rows"),
            on_entries_lost=self._node.nat.announce_again,
        )
        self._stopping = asyncio.Event()
        self._started = time.monotonic()

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Runs until stop(); the last deltas are published, or put into the spool.

        :raises TailraceError: if the probe cannot start, or the server refuses us.
        """
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._publisher.close)
            stack.callback(self._source.close)
            stack.push_async_callback(self._who.close)
            await self._who.start()
            await self._source.start()
            if ready:
                ready.set()
            await self._work()

    async def _work(self) -> None:
        source = asyncio.create_task(self._source.run(self._take), name="source")
        publishing = asyncio.create_task(self._publisher.run(), name="publishing")
        stopping = asyncio.create_task(self._stopping.wait(), name="stopping")
        try:
            done, _ = await asyncio.wait({source, publishing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
            self._source.stop()
            await source
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_SECONDS):
                    self._publisher.beat(self._heartbeat())
                    await self._publisher.flush()
        finally:
            await end(source, publishing, stopping)

    def stop(self) -> None:
        """Makes run() end in good order."""
        self._stopping.set()

    async def _take(self, frame: bytes) -> None:
        window, publisher = self._node.window, self._publisher
        for message in self._node.divided(frame, publisher.partitions, publisher.max_bytes):
            publisher.put(message)
        if self._node.window != window:
            publisher.announce(self._node.window, self._node.nat.announce(self._node.window))
            publisher.beat(self._heartbeat())

    def _heartbeat(self) -> dict[str, Any]:
        """What says that this node lives, and how."""
        return {
            "v": 1,
            "kind": "heartbeat",
            "node": self._origin.node,
            "boot": self._origin.boot,
            "version": __version__,
            "window": self._node.window,
            "sent_at_ns": time.time_ns(),
            "uptime_s": int(time.monotonic() - self._started),
            "open_sockets": self._node.table.open_sockets,
            "ledger": self.ledger.as_dict(),
        } | self._source.state()

    def counts(self) -> dict[str, Count]:
        """What happened on the way to NATS, by name."""
        return self._publisher.counts()
