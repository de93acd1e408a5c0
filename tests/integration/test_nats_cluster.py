"""Three servers that keep three copies: one of them may die at any moment."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

import nats
import nats.errors
import nats.js.errors
import pytest

from tests.integration.test_roles import Adding, agent, engine
from tests.nats_server import REASON_TO_SKIP, NatsServer
from tests.ports import free_port
from tests.running_role import running
from tests.scripted_source import ScriptedSource

pytestmark = [
    pytest.mark.skipif(bool(REASON_TO_SKIP), reason=REASON_TO_SKIP),
    pytest.mark.timeout(600),  # each election may take a minute
]

#: An election takes seconds, more of them on a busy machine.
ELECTED_SECONDS: Final = 60
SERVERS: Final = 3


@pytest.fixture
def cluster() -> Iterator[dict[str, NatsServer]]:
    """Servers by name, on loopback."""
    ports = {f"n{number}": free_port() for number in range(SERVERS)}
    routes = ",".join(f"nats://127.0.0.1:{port}" for port in ports.values())
    servers = {
        name: NatsServer(
            *("--name", name, "--cluster_name", "tailrace", "--routes", routes),
            *("--cluster", f"nats://127.0.0.1:{port}"),
        )
        for name, port in ports.items()
    }
    try:
        for server in servers.values():
            server.start()
        yield servers
    finally:
        for server in servers.values():
            server.remove()


def url(servers: dict[str, NatsServer]) -> str:
    """All of them, with a copy of everything on each."""
    first, *others = servers.values()
    rest = "".join(f";nats://{server.address}" for server in others)
    return first.url(query="partitions=1&replicas=3") + rest


async def leader(servers: dict[str, NatsServer], stream: str) -> str:
    """The server that takes messages for the stream, once there is one."""
    async with asyncio.timeout(ELECTED_SECONDS):
        client = await nats.connect([server.address for server in servers.values()])
        try:
            while True:
                with contextlib.suppress(nats.errors.Error, nats.js.errors.Error):
                    found = (await client.jetstream().stream_info(stream)).cluster
                    if found and found.leader:
                        return found.leader
                await asyncio.sleep(0.1)
        finally:
            await client.close()


async def test_a_cluster_loses_its_leader_and_no_row(cluster: dict[str, NatsServer]) -> None:
    """The server that led the partition is killed and comes back; then the one that led it after that."""
    source, sink = ScriptedSource(), Adding()
    async with running(engine(url(cluster), sink)), running(agent(url(cluster), source)):
        for _ in range(3):
            source.second(100)
            await sink.until(lambda: sink.bytes >= source.sent, ELECTED_SECONDS)
            killed = cluster[await leader(cluster, "tailrace_deltas_0")]
            killed.kill()
            source.second(100)
            await sink.until(lambda: sink.bytes >= source.sent, ELECTED_SECONDS)
            killed.start()
    assert sink.bytes == source.sent == 600
