"""What an agent publishes: deltas and NAT entries, kept while NATS is away; heartbeats, which are repeated."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgpack
import numpy as np

from engine.config import AgentConfig
from engine.log_record import Record
from engine.nats import streams
from engine.nats.address import parse_url
from engine.nats.counts import Count, log_counts
from engine.nats.log import NatsLog
from engine.nats.nat_entries import announcements
from engine.nats.node_lease import NodeLease
from engine.nats.outbox import Outbox
from engine.nats.spool import Spool
from engine.nats.stream_publisher import StreamPublisher
from model.batch import MESSAGE_BYTES
from model.frame_source import Origin
from model.ledger import Stage
from model.outgoing import Outgoing
from model.subjects import DELTAS, TopicPartition, heartbeat, rewrites
from model.tasks import end

#: Share of the server's largest message that a message of deltas may take; the rest is for headers.
_PAYLOAD_SHARE: Final = 0.9


class NodePublisher:
    """The way of one node to NATS. While it has no connection, or not its node name, everything waits.

    :param stage: of the rows that wait.
    :param on_entries_lost: called when the server lost the NAT entries that were announced.
    :raises UsageError: if the URL or the spool cannot be used.
    """

    def __init__(
        self,
        url: str,
        origin: Origin,
        config: AgentConfig,
        stage: Stage,
        on_entries_lost: Callable[[], None],
    ) -> None:
        settings, connection = parse_url(url)
        self._origin = origin
        self._stage = stage
        spool = Spool(Path(config.spool_path), config.spool_bytes) if config.spool_path else None
        self._outbox = Outbox(self._store, stage, config.buffer_bytes, spool)
        self._log = NatsLog(
            settings,
            connection,
            origin.node,
            waiting=self._outbox.waiting_text,
            on_replaced=lambda: stage.note("streams_replaced"),
        )
        self._lease = NodeLease(self._log, origin.node)
        self._heartbeats = StreamPublisher(self._log.link, streams.NODES)
        self._entries = StreamPublisher(self._log.link, streams.NAT, on_entries_lost, self._lease.held.wait)

    @property
    def partitions(self) -> int:
        """Partitions of the deltas."""
        return self._log.partitions(DELTAS) or self._log.settings.partitions

    @property
    def max_bytes(self) -> int:
        """Bytes that a message of deltas may have."""
        limit = self._log.link.max_payload
        return min(MESSAGE_BYTES, int(limit * _PAYLOAD_SHARE)) if limit > 0 else MESSAGE_BYTES

    @property
    def publishing(self) -> bool:
        """Whether what is published now is not for nothing."""
        return self._lease.held.is_set() and self._log.link.up.is_set()

    # -- what is published

    def put(self, message: Outgoing) -> None:
        """Publish deltas; they are kept until they are stored, within the bounds of the configuration."""
        self._outbox.put(message)

    def announce(self, window: int, entries: np.ndarray) -> None:
        """Publish NAT entries (``ANNOUNCED``); they are kept as deltas are, for who reads those needs them."""
        for message in announcements(self._origin.node, self._origin.boot, window, entries):
            self._entries.offer(rewrites(self._origin.node), message)

    def beat(self, fields: dict[str, Any]) -> None:
        """Publish a heartbeat, unless there is no connection."""
        if self.publishing:
            self._heartbeats.offer(heartbeat(self._origin.node), msgpack.packb(fields))

    async def _store(self, message: Outgoing) -> None:
        """Return when the message is stored; what the server did not acknowledge is sent again."""
        await self._lease.held.wait()
        record = Record(None, message.data, (), time.time())
        await self._log.append(TopicPartition(DELTAS, message.partition % self.partitions), record)

    def counts(self) -> dict[str, Count]:
        """What happened on the way, by name."""
        dropped = self._heartbeats.dropped + self._entries.dropped
        meaning = "heartbeats and messages of NAT entries that no server took"
        return log_counts(self._log) | {"nats.unpublished": Count(dropped, meaning)}

    # -- life

    async def run(self) -> None:
        """Connect, for as long as that takes, then publish until cancelled.

        :raises NodeNameTaken: if another agent publishes under the name of this node.
        :raises TailraceError: if the server refuses this client.
        """
        await self._log.start(wait=True)
        await self._log.create_topic(DELTAS, self.partitions)
        parts = (self._lease.keep, self._outbox.run, self._heartbeats.run, self._entries.run)
        tasks = [asyncio.create_task(part(), name=part.__qualname__) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await end(*tasks)

    async def flush(self) -> None:
        """Return when all is published."""
        self._log.link.try_now()
        await self._outbox.drained()
        await self._heartbeats.drained()

    async def close(self) -> None:
        """Give the node name back and disconnect; deltas that are left go to the spool, or are lost and counted."""
        await self._lease.leave()
        await self._log.stop()
        self._outbox.close()
