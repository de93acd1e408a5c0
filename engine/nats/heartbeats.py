"""The last heartbeat of each node, and what it says of the node's clock and losses."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from nats.aio.client import Client

from engine.nats.connection import NatsConnection, connect
from engine.nats.stream_reader import StreamReader
from model import subjects
from model.errors import TailraceError

HEARTBEAT_VERSION: Final = 1


class Heartbeat(msgspec.Struct, frozen=True):
    """How a node is. ``docs/subjects.md`` has the keys."""

    v: int
    kind: str
    node: str
    boot: str
    version: str
    window: int
    sent_at_ns: int
    uptime_s: float
    open_sockets: int
    clock: dict[str, Any] = {}
    capabilities: dict[str, str | None] = {}
    ledger: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True)
class StoredHeartbeat:
    """A heartbeat as the server has it.

    :param stored_at_ns: when the server stored it, by the server's clock.
    """

    heartbeat: Heartbeat
    stored_at_ns: int

    @property
    def clock_difference_ns(self) -> int:
        """The server's clock less the node's, with the way of the message in it."""
        return self.stored_at_ns - self.heartbeat.sent_at_ns


_decoder: Final = msgspec.msgpack.Decoder(Heartbeat)


def decode_heartbeat(data: bytes) -> Heartbeat | None:
    """The heartbeat in ``data``; None if it is none of a version this program reads."""
    try:
        heartbeat = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return heartbeat if heartbeat.v == HEARTBEAT_VERSION else None


async def last_heartbeats(connection: NatsConnection, nodes: tuple[str, ...]) -> list[StoredHeartbeat]:
    """The last one of each node, in the order of names; only of ``nodes`` if there are any.

    :raises ConnectionRefused: if the server is not there or refuses this client.
    :raises TailraceError: if no node ever published one, or the server does not answer.
    """
    client = await connect(connection, name="tailrace observe")
    try:
        found = await read_heartbeats(client)
    finally:
        await client.close()
    if found is None:
        raise TailraceError(
            "no node has published a heartbeat on this server",
            f"start tailrace agent (there is no stream {subjects.NODE_STREAM})",
        )
    return [one for one in found if not nodes or one.heartbeat.node in nodes]


async def read_heartbeats(client: Client) -> list[StoredHeartbeat] | None:
    """The last one of each node over a connection that stays open, by name; None if there is no stream of them.

    :raises Unanswered: if the server does not answer, or this user may not ask.
    """
    reader = StreamReader(client, subjects.NODE_STREAM)
    if await reader.bounds() is None:
        return None
    found = []
    async with reader.cursor(f"{subjects.NODES}.>", None) as cursor:
        while cursor.pending:
            message = await cursor.next()
            if heartbeat := decode_heartbeat(message.data):
                found.append(StoredHeartbeat(heartbeat, round(message.metadata.timestamp.timestamp() * 1e9)))
    return sorted(found, key=lambda one: one.heartbeat.node)
