"""`tailrace doctor` and a real nats-server: what it keeps, who lives there, and what a user may not do."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgpack
import pytest
from yarl import URL

from engine.config import BusConfig, Config
from engine.doctor.examination import examine_bus
from engine.doctor.subject import Subject
from engine.nats.address import connection_of
from engine.nats.api import requests_of
from engine.nats.connection import connect
from engine.nats.heartbeats import read_heartbeats
from engine.nats.inspection import Inspection, inspect
from engine.nats.streams import NODES, make
from model.subjects import NODE_STREAM, heartbeat
from model.version import VERSION
from probes.checks.check import Check
from tests.integration.test_rights import certificates, server, url_of
from tests.integration.test_roles import QUERY, Adding, agent, engine
from tests.nats_server import REASON_TO_SKIP, NatsServer, nats_server
from tests.ports import free_port
from tests.running_role import running
from tests.scripted_source import ScriptedSource

__all__ = ["certificates", "nats_server", "server"]

pytestmark = pytest.mark.skipif(bool(REASON_TO_SKIP), reason=REASON_TO_SKIP)

SECOND_NS: Final = 10**9


async def examined(url: str, role: Any = "agent") -> dict[str, list[Check]]:
    """What doctor says of this server."""
    config = Config(node="node-a", bus=BusConfig(url))
    subject = Subject(role, config, [], None, inside=False, found=Check("configuration", "ok", ""))
    return await examine_bus(subject, url)


def named(checks: list[Check], name: str) -> Check:
    """The one of this name."""
    return next(check for check in checks if check.name == name)


async def beat(url: str, node: str, version: str = VERSION, clock_ns: int = 0, boot: str = "b" * 12) -> None:
    """Publish a heartbeat as an agent does.

    :param clock_ns: how far the node's clock is ahead of the server's.
    """
    client = await connect(connection_of(url))
    try:
        await make(requests_of(client), NODES)
        fields = {"v": 1, "kind": "heartbeat", "node": node, "boot": boot, "version": version, "window": 1}
        fields |= {"sent_at_ns": time.time_ns() + clock_ns, "uptime_s": 60.0, "open_sockets": 1}
        await client.jetstream().publish(heartbeat(node), msgpack.packb(fields))
    finally:
        await client.close()


async def seen_until(
    url: str, condition: Callable[[Inspection], bool], between: Callable[[], object]
) -> Inspection:
    """Look again and again until it is true; ``between`` is called after each look."""
    async with asyncio.timeout(30):
        while not condition(seen := await inspect(url, "agent", "node-a")):
            between()
            await asyncio.sleep(0.05)
    return seen


async def test_a_server_at_work_is_well(nats_server: NatsServer) -> None:
    """With an agent and an engine: streams, rights, one node and one engine of this version; no row is disturbed."""
    url, source, sink = nats_server.url(query=QUERY), ScriptedSource(), Adding()
    async with running(engine(url, sink)), running(agent(url, source)):
        source.second(100)
        await sink.until(lambda: sink.bytes >= 100)
        await seen_until(url, lambda seen: bool(seen.nodes), lambda: source.second(0))
        for role in ("agent", "engine"):
            groups = await examined(url, role)
            assert [check for checks in groups.values() for check in checks if check.status != "ok"] == []
        source.second(100)
        await sink.until(lambda: sink.bytes >= 200)
    assert (sink.bytes, sink.rows) == (200, 200)
    assert named(groups["bus"], "streams").detail.startswith("4 partitions of deltas, tailrace_nodes")
    assert named(groups["cluster"], "agents").detail == "1 of 1 nodes report"
    assert named(groups["cluster"], "engines").detail == "1 share the partitions"
    assert named(groups["cluster"], "version of engines").detail.startswith(f"{VERSION}, as this one: ")


async def test_nothing_of_it_is_kept_on_the_server(nats_server: NatsServer) -> None:
    """The heartbeats of nodes are those that nodes published, whatever a doctor asks."""
    url = nats_server.url()
    await beat(url, "node-a")
    for role in ("agent", "engine"):
        await examined(url, role)
    client = await connect(connection_of(url))
    try:
        kept = await client.jetstream().stream_info(NODE_STREAM)
        nodes = await read_heartbeats(client) or []
    finally:
        await client.close()
    assert (kept.state.messages, kept.state.last_seq) == (1, 1)
    assert [node.heartbeat.node for node in nodes] == ["node-a"]


async def test_a_server_that_is_stopped_is_one_line_that_says_what_to_do(nats_server: NatsServer) -> None:
    nats_server.kill()
    (check,) = (await examined(nats_server.url()))["bus"]
    assert (check.status, check.fatal) == ("missing", True)
    assert check.detail == f"NATS at {nats_server.address} is not reachable"
    assert check.remedy == "start nats-server, or correct the address"


async def test_a_server_without_jetstream_is_told_from_one_that_is_away() -> None:
    plain = NatsServer(jetstream=False)
    try:
        checks = (await examined(plain.start().url()))["bus"]
    finally:
        plain.remove()
    assert [(check.name, check.status) for check in checks] == [("NATS", "ok"), ("JetStream", "missing")]
    assert checks[1].remedy == "start nats-server with -js"


async def test_other_versions_and_silent_nodes_are_marked(nats_server: NatsServer) -> None:
    """Older ones, newer ones, and a node that said nothing for a while."""
    url = nats_server.url()
    for node, version in (("new", "9.0.0"), ("old", "0.0.9"), ("same", VERSION)):
        await beat(url, node, version)
    cluster = (await examined(url))["cluster"]
    found = {check.detail.partition(":")[0]: check.status for check in cluster if "version" in check.name}
    assert found == {
        f"0.0.9, older than {VERSION}": "degraded",
        f"{VERSION}, as this one": "ok",
        f"9.0.0, newer than {VERSION}": "degraded",
    }
    assert named(cluster, "version of agents").detail.endswith("old (boot bbbbbbbb)")
    engines = named(cluster, "engines")
    assert (engines.status, "tailrace-engine" in engines.remedy) == ("degraded", True)


async def test_a_clock_that_is_off_is_measured(nats_server: NatsServer) -> None:
    """To a tenth of a second, against the others; theirs are well."""
    url = nats_server.url()
    for node, clock_ns in (("a", 0), ("ahead", 3 * SECOND_NS), ("b", 0), ("c", 0)):
        await beat(url, node, clock_ns=clock_ns)
    clocks = (await examined(url))["clock"]
    assert [check.status for check in clocks] == ["ok", "degraded"]
    assert clocks[0].detail.startswith("3 of 4 are within 200ms")
    far = clocks[1]
    assert (far.name, far.detail) == ("clock of ahead", "3.0s ahead of the others")


async def test_what_a_user_may_not_do_is_named(server: NatsServer, certificates: Path) -> None:
    """The page's users: an agent and an engine may do all that their roles do, a reader nothing of an agent."""
    for user, role in (("agent", "agent"), ("engine", "engine")):
        bus = (await examined(url_of(server, certificates, user), role))["bus"]
        assert named(bus, "permissions").status == "ok", bus
    checks = (await examined(url_of(server, certificates, "reader"), "agent"))["bus"]
    refused = [check for check in checks if check.status == "missing"]
    assert any(check.fatal and "tailrace.log.deltas.0.node-a" in check.detail for check in refused)
    assert all("docs/nats.md" in check.remedy for check in refused)
    of_engine = (await examined(url_of(server, certificates, "reader"), "engine"))["bus"]
    told = " ".join(check.detail for check in of_engine if check.status != "ok")
    for subject in (
        "$KV.tailrace_incidents.",
        "$KV.tailrace_detector.",
        "tailrace.trouble.counts",
        "incidents.change",
    ):
        assert subject in told
    url = URL(url_of(server, certificates, "agent"))
    wrong = str(url.update_query(password="wrong"))
    (check,) = (await examined(wrong, "agent"))["bus"]
    assert "refuses the credentials" in check.detail
    assert "wrong" not in check.detail


def _fullest(seen: Inspection) -> int:
    return max((stream.bytes for stream in seen.streams if stream.max_bytes == 60_000), default=0)


async def test_full_partitions_and_dead_letters_are_told(nats_server: NatsServer) -> None:
    """Nobody reads: what waits is told before agents have to wait."""
    url, source = nats_server.url(query="partitions=1&max_bytes=60000"), ScriptedSource()
    async with running(agent(url, source)):
        await seen_until(url, lambda seen: _fullest(seen) > 50_000, lambda: source.second(50))
        checks = (await examined(url))["bus"]
    (full,) = (check for check in checks if check.status == "degraded")
    assert (full.name, "wait for an engine" in full.detail) == ("tailrace_deltas_0", True)


async def test_a_port_where_nobody_listens_takes_no_time() -> None:
    (check,) = (await examined(f"nats://127.0.0.1:{free_port()}"))["bus"]
    assert check.fatal
