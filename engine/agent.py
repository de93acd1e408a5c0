"""``tailrace agent``: the node's half: frames in, deltas onto NATS by partition, a heartbeat each second."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgpack
from yarl import URL

from actors.node.actor import NodeActor
from engine.config import AgentConfig, Config
from engine.log_record import Record
from engine.nats.connection import ConnectionRefused
from engine.nats.log import NatsLog
from engine.nats.nat_entries import STREAM, announcements
from engine.nats.outbox import Outbox
from engine.nats.settings import settings_of
from engine.nats.spool import Spool
from enrichers.node import NodeIdentity
from model.batch import MESSAGE_BYTES
from model.errors import TailraceError
from model.frame_source import FrameSource
from model.ledger import Ledger
from model.outgoing import Outgoing
from model.subjects import DELTAS, NAT_STREAM, NODE_STREAM, NODES, TopicPartition, heartbeat, rewrites
from model.tasks import end
from probes.kernel.event_types import EventTypes
from probes.registry import PROBES
from tailrace import __version__

log = logging.getLogger(__name__)

#: Seconds that the bus gets to take what is left when the program ends.
FLUSH_SECONDS = 1.0
#: Seconds between attempts to reach a server that was never there.
PATIENCE = 1.0
#: Partitions of the deltas, unless the URL or an earlier agent said otherwise.
PARTITIONS = 8


#: The last heartbeat of each node.
_LAST_HEARTBEATS = {
    "name": NODE_STREAM,
    "subjects": [f"{NODES}.>"],
    "storage": "memory",
    "max_msgs_per_subject": 1,
    "max_age": 86400 * 10**9,
    "discard": "old",
}


class LiveSource(FrameSource, Protocol):
    """A source that can say how it is."""

    def state(self) -> dict[str, Any]:
        """``clock`` (offset_ns, steps) and ``capabilities`` (what serves each feature of the probe)."""


class Agent:
    """Watches with ``source`` whether the bus is there or not; what it cannot publish waits in the outbox."""

    def __init__(self, config: Config, url: str, source: LiveSource) -> None:
        settings, connection = settings_of([URL(part) for part in url.split(";")])
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
        self._log = NatsLog(settings, connection, self._origin.node)
        self._partitions = settings.partitions or PARTITIONS
        self._outbox = self._make_outbox(config.agent)
        self._max_bytes = MESSAGE_BYTES
        self._connected = asyncio.Event()
        self._stopping = asyncio.Event()
        self._started = time.monotonic()

    def _make_outbox(self, config: AgentConfig) -> Outbox:
        spool = Spool(Path(config.spool_path), config.spool_bytes) if config.spool_path else None
        return Outbox(self._publish, self.ledger.stage("outbox", "rows"), config.buffer_bytes, spool)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Runs until stop(); the last deltas are published, or put into the spool.

        :raises TailraceError: if the probe cannot start, or the server refuses us.
        """
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._outbox.close)
            stack.push_async_callback(self._disconnect)
            stack.callback(self._source.close)
            stack.push_async_callback(self._who.close)
            await self._who.start()
            await self._source.start()
            if ready:
                ready.set()
            await self._work()

    async def _work(self) -> None:
        source = asyncio.create_task(self._source.run(self._take), name="source")
        publishing = asyncio.create_task(self._publish_all(), name="publishing")
        stopping = asyncio.create_task(self._stopping.wait(), name="stopping")
        try:
            done, _ = await asyncio.wait({source, publishing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
            self._source.stop()
            await source
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._outbox.drained()
                    await self._beat()
        finally:
            await end(source, publishing, stopping)

    def stop(self) -> None:
        """Makes run() end in good order."""
        self._stopping.set()

    async def _take(self, frame: bytes) -> None:
        window = self._node.window
        for message in self._node.divided(frame, self._partitions, self._max_bytes):
            self._outbox.put(message)
        if self._node.window != window:
            await self._end_window()

    async def _end_window(self) -> None:
        """Says what other places should know: NAT entries, and that this node lives."""
        said = self._node.nat.announce(self._node.window)
        if not self._connected.is_set():
            return  # what holds is said again
        for message in announcements(self._origin.node, self._origin.boot, self._node.window, said):
            with contextlib.suppress(TailraceError, OSError):
                await self._log.link.publish(rewrites(self._origin.node), message)
        await self._beat()

    async def _publish_all(self) -> None:
        """Connects, for as long as that takes, then publishes."""
        while not self._connected.is_set():
            try:
                await self._log.start()
                self._partitions = await self._log.create_topic(DELTAS, self._partitions)
                self._max_bytes = min(MESSAGE_BYTES, self._log.link.max_payload * 9 // 10)
                await self._make_stream(NAT_STREAM, STREAM)
                await self._make_stream(NODE_STREAM, _LAST_HEARTBEATS)
                self._connected.set()
            except ConnectionRefused as error:
                if not error.absent:
                    raise
                log.warning("%s; deltas are kept meanwhile", error)
                await asyncio.sleep(PATIENCE)
        await self._outbox.run()

    async def _disconnect(self) -> None:
        if self._connected.is_set():
            await self._log.stop()

    async def _publish(self, message: Outgoing) -> None:
        """Returns when the message is stored; the log sends again by itself what the server did not acknowledge."""
        record = Record(None, message.data, (), time.time())
        await self._log.append(TopicPartition(DELTAS, message.partition % self._partitions), record)

    async def _make_stream(self, name: str, body: Mapping[str, Any]) -> None:
        """For those who look later."""
        try:
            await self._log.link.api(f"STREAM.CREATE.{name}", dict(body))
        except TailraceError as error:
            log.info("nothing is kept in %s: %s", name, error)

    async def _beat(self) -> None:
        """Says that this node lives, and how; a heartbeat that goes astray is followed by the next."""
        message = {
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
        with contextlib.suppress(TailraceError, OSError):
            await self._log.link.publish(heartbeat(self._origin.node), msgpack.packb(message))
