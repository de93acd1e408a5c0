"""Where a graph ends at the bus: what an agent says, and messages that nobody can read."""

import time
from collections.abc import Callable
from typing import Any

from actors.items import Announcement, Chunk, Unreadable, WindowEnd
from engine.nats.node_publisher import NodePublisher
from model.frame_source import Origin
from model.ledger import Ledger
from model.outgoing import Outgoing
from model.version import VERSION


class NodeOutlet:
    """Gives what a node says to its publisher, encoded; waits for nobody.

    :param state: says how the source is, for the heartbeat.
    """

    def __init__(
        self, publisher: NodePublisher, origin: Origin, ledger: Ledger, state: Callable[[], dict[str, Any]]
    ) -> None:
        self._publisher = publisher
        self._origin = origin
        self._ledger = ledger
        self._state = state
        self._started = time.monotonic()
        self._last = WindowEnd(0, 0)

    async def take(self, item: Chunk | Announcement | WindowEnd) -> None:
        """Rows are kept until the bus has them; entries and heartbeats are said again."""
        match item:
            case Chunk(batch=batch):
                name = f"{batch.node}.{batch.boot}.{batch.kind.name}.{batch.seq}"
                self._publisher.put(Outgoing(item.partition, name, len(batch), batch.encode()))
            case Announcement():
                self._publisher.announce(item.window, item.entries)
            case WindowEnd():
                self._last = item
                self._publisher.beat(self._heartbeat())

    async def flush(self) -> None:
        """Returns when the bus has all, and knows how it ended."""
        self._publisher.beat(self._heartbeat())
        await self._publisher.flush()

    def _heartbeat(self) -> dict[str, Any]:
        """What says that this node lives, and how."""
        return {
            "v": 1,
            "kind": "heartbeat",
            "node": self._origin.node,
            "boot": self._origin.boot,
            "version": VERSION,
            "window": self._last.window,
            "sent_at_ns": time.time_ns(),
            "uptime_s": int(time.monotonic() - self._started),
            "open_sockets": self._last.open_sockets,
            "ledger": self._ledger.as_dict(),
        } | self._state()


class DeadLetters:
    """Puts messages that nobody can read where somebody can look at them, and acknowledges them.

    :param bury: takes the bytes of one, the reason, and what to call when it is safe.
    """

    def __init__(self, bury: Callable[[bytes, str, Callable[[], object]], None]) -> None:
        self._bury = bury

    async def take(self, item: Unreadable) -> None:
        """Puts one aside."""
        self._bury(item.message.data, item.reason, item.message.acknowledge)

    async def flush(self) -> None:
        """What is not safe yet is not acknowledged, and comes again."""
