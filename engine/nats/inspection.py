"""A look at a NATS server from outside: what it keeps, who lives there, and what this user may not do."""

import asyncio
import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec
import nats.errors
from nats.aio.client import Client

from engine.nats.address import parse_url
from engine.nats.api import Refused, Request, Unanswered, requests_of
from engine.nats.connection import NatsConnection, connect
from engine.nats.heartbeats import StoredHeartbeat, read_heartbeats
from engine.nats.rights import NatsRole, Refusals, Right, refused_rights
from engine.nats.settings import LogSettings
from model import subjects
from model.errors import TailraceError
from model.subjects import DELTAS, ENGINES, MEMBER, LogNames, TopicPartition

#: Engines asked for at most.
_ENGINES: Final = 1000


class LiveEngine(msgspec.Struct, frozen=True):
    """An engine that holds a lease; what it says of itself.

    :param version: empty from one that does not say it.
    """

    version: str = ""
    host: str = ""


@dataclass(frozen=True)
class StreamState:
    """A stream, as far as it is filled.

    :param bytes: kept now; at most ``max_bytes``, if that is not 0.
    """

    name: str
    messages: int
    bytes: int
    max_bytes: int


@dataclass(frozen=True)
class Inspection:
    """What was seen.

    :param server: its version.
    :param refused: rights that the role uses, and this user has not.
    :param nodes: the last heartbeat of each; None if this user may not read them.
    :param engines: those that live; None likewise.
    """

    server: str
    jetstream: bool
    streams: list[StreamState] = field(default_factory=list)
    refused: list[Right] = field(default_factory=list)
    nodes: list[StoredHeartbeat] | None = None
    engines: list[LiveEngine] | None = None


def place_of(url: str) -> str:
    """The server of a URL, for sentences.

    :raises UsageError: if it is no URL of NATS.
    """
    return f"NATS at {', '.join(parse_url(url)[1].servers)}"


async def inspect(url: str, role: NatsRole, node: str) -> Inspection:
    """Connect, look, and leave; nothing is made, and nothing is kept.

    :raises UsageError: if it is no URL of NATS.
    :raises ConnectionRefused: if the server is not there or refuses this client.
    :raises TailraceError: if the connection breaks meanwhile.
    """
    settings, connection = parse_url(url)
    refusals = Refusals()
    client = await connect(connection, name="tailrace doctor", reconnect=False, on_error=refusals.note)
    try:
        return await _look(client, refusals, role, settings, node)
    except (OSError, nats.errors.Error, TimeoutError) as error:
        raise TailraceError(_broken(connection, error), "see the log of the server") from None
    finally:
        await client.close()


def _broken(connection: NatsConnection, error: Exception) -> str:
    return f"NATS at {', '.join(connection.servers)} hung up ({str(error) or type(error).__name__})"


async def _look(
    client: Client, refusals: Refusals, role: NatsRole, settings: LogSettings, node: str
) -> Inspection:
    version = str(client._server_info.get("version", ""))
    if not client._server_info.get("jetstream"):
        return Inspection(version, jetstream=False)
    refused = await refused_rights(client, refusals, role, settings, node)
    request, names = requests_of(client), LogNames(settings.log)
    streams, nodes, engines = await asyncio.gather(
        _streams(request, _names_of_streams(names, settings)), _nodes(client), _engines(request, names)
    )
    return Inspection(version, True, streams, refused, nodes, engines)


def _names_of_streams(names: LogNames, settings: LogSettings) -> list[str]:
    deltas = [names.stream(TopicPartition(DELTAS, partition)) for partition in range(settings.partitions)]
    return [*deltas, subjects.NODE_STREAM, subjects.NAT_STREAM, subjects.FLOW_STREAM, subjects.DEAD_STREAM]


async def _streams(request: Request, names: Iterable[str]) -> list[StreamState]:
    """Those that there are, and that this user may ask for."""

    async def state(name: str) -> StreamState | None:
        try:
            reply = await request(f"STREAM.INFO.{name}", {})
        except (Unanswered, Refused):
            return None
        kept, limits = reply["state"], reply["config"]
        return StreamState(name, kept["messages"], kept["bytes"], max(0, limits.get("max_bytes", 0)))

    found = await asyncio.gather(*map(state, names))
    return [each for each in found if each]


async def _nodes(client: Client) -> list[StoredHeartbeat] | None:
    try:
        return await read_heartbeats(client) or []
    except TailraceError:
        return None


async def _engines(request: Request, names: LogNames) -> list[LiveEngine] | None:
    """By their leases, in a bucket whose keys live for one lease."""
    stream, prefix = f"KV_{names.leases(ENGINES)}", f"$KV.{names.leases(ENGINES)}.{MEMBER}"
    engines: list[LiveEngine] = []
    after = 0
    try:
        while len(engines) < _ENGINES:
            wanted = {"seq": after + 1, "next_by_subj": f"{prefix}*"}
            message = (await request(f"STREAM.MSG.GET.{stream}", wanted))["message"]
            after = int(message["seq"])
            if data := base64.b64decode(message.get("data", "")):
                engines.append(msgspec.json.decode(data, type=LiveEngine))
    except Refused:  # there are no more, or there is no such bucket
        return engines
    except Unanswered:
        return None
    return engines
