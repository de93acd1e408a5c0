"""``tailrace observe`` of workloads and nodes, and what it says where there is nothing to show."""

import json
import time

import msgpack
import nats
import pytest

from model.errors import UsageError
from model.subjects import NODE_STREAM, NODES, flow, heartbeat
from tailrace.testing.deltas import WINDOW
from tests.integration.observing import DEADLINE_SECONDS, Start, ended, publish, second, start, windows
from tests.nats_server import NatsServer, nats_server
from tests.ports import free_port
from tests.workloads import summed_workloads

__all__ = ["nats_server", "start"]


async def test_no_server_is_one_line(start: Start) -> None:
    """It says where it looked and what to do, and fails."""
    port = free_port()
    code, lines, errors = await ended(await start(url=f"nats://127.0.0.1:{port}"))
    assert (code, lines) == (1, [])
    assert errors == (
        f"tailrace: NATS at 127.0.0.1:{port} is not reachable: start nats-server, or correct the address\n"
    )


async def test_no_stream_is_one_line(start: Start) -> None:
    """Nothing was ever published: it says who would."""
    code, lines, errors = await ended(await start())
    assert (code, lines, errors.count("\n")) == (1, [], 1)
    assert "start tailrace engine, or tailrace run --sink nats" in errors


async def test_workloads_are_shown_instead(nats_server: NatsServer, start: Start) -> None:
    """By the name of either end and the port; flows of the same server are not among them."""
    named = {"client.process.comm": b"curl", "server.process.comm": b"nginx"}
    await publish(nats_server, summed_workloads(3, columns=named), summed_workloads(3))
    await publish(nats_server, second(0))
    options = ("--workloads", "--workload", "cur*", "--port", "2", "-o", "json")
    code, lines, errors = await ended(await start(*options))
    (row,) = (row for row in map(json.loads, lines) if row["server.workload.name"] == "nginx")
    assert (code, errors, row["kind"], row["server.port"]) == (0, "", "workload", 2)
    code, lines, errors = await ended(await start("--workloads", "--workload", "nginx", "--last", "2"))
    assert (code, errors, len(lines)) == (0, "", 3)
    assert lines[0].split()[:3] == ["TIME", "CLIENT", "SERVER"]
    assert all(len(line) <= 80 for line in lines)


@pytest.mark.parametrize(
    "options", [("--workloads", "--node", "a"), ("--workload", "cart"), ("--nodes", "--workloads")]
)
async def test_options_that_do_not_go_together_are_refused(start: Start, options: tuple[str, ...]) -> None:
    """With what to do."""
    code, lines, errors = await ended(await start(*options))
    assert (code, lines, errors.count("\n")) == (2, [], 1)


async def test_a_message_that_is_no_flow_is_left_out(nats_server: NatsServer, start: Start) -> None:
    """It is named once, and the others are shown."""
    await publish(nats_server, second(0))
    client = await nats.connect(nats_server.url())
    for _ in range(2):
        await client.jetstream().publish(flow("node-a"), b"\xc1")
    await client.close()
    code, lines, errors = await ended(await start("-o", "json"))
    assert (code, windows(lines), errors.count("left out")) == (0, [0], 1)


async def test_nodes_with_their_clocks_and_losses(nats_server: NatsServer, start: Start) -> None:
    """The last heartbeat of each node, by name; the clock difference has the node's 5 seconds."""
    client = await nats.connect(nats_server.url())
    stream = client.jetstream()
    await stream.add_stream(name=NODE_STREAM, subjects=[f"{NODES}.>"], max_msgs_per_subject=1)
    for node, sockets in (("node-b", 1), ("node-a", 2), ("node-a", 3)):
        message = {
            "v": 1,
            "kind": "heartbeat",
            "node": node,
            "boot": "b",
            "version": "0.1.0",
            "window": WINDOW,
            "sent_at_ns": time.time_ns() + 5 * 10**9,
            "uptime_s": 1,
            "open_sockets": sockets,
            "clock": {"offset_ns": 0, "steps": 0},
            "capabilities": {},
            "ledger": {"kernel": {"unit": "events", "dropped": {"ring_full": sockets}}},
        }
        await stream.publish(heartbeat(node), msgpack.packb(message))
    await client.close()
    code, lines, errors = await ended(await start("--nodes", "-o", "json"))
    nodes = [json.loads(line) for line in lines]
    assert (code, errors) == (0, "")
    assert [(node["node"], node["open_sockets"], node["lost"]) for node in nodes] == [
        ("node-a", 3, 3),
        ("node-b", 1, 1),
    ]
    assert all(-5.1e9 < node["clock_difference_ns"] < -4e9 for node in nodes)
    assert all(0 <= node["age_ns"] < DEADLINE_SECONDS * 1e9 for node in nodes)
    table = (await ended(await start("--nodes", "--node", "node-b")))[1]
    assert [line.split()[0] for line in table] == ["NODE", "node-b"]
    assert table[1].endswith("kernel ring_full 1")


async def test_no_node_ever_is_one_line(start: Start) -> None:
    """It says who would publish."""
    code, lines, errors = await ended(await start("--nodes"))
    assert (code, lines, errors.count("\n")) == (1, [], 1)
    assert "start tailrace agent" in errors


async def test_a_password_on_the_command_line_is_refused(start: Start) -> None:
    """One line that says where to put it, and does not repeat it."""
    code, lines, errors = await ended(await start(url="nats://u:hunter2@localhost"))
    assert (code, lines) == (UsageError.exit_code, [])
    assert "put it into TAILRACE_BUS_URL" in errors
    assert (errors.count("\n"), "hunter2" in errors) == (1, False)
