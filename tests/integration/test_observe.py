"""``tailrace observe`` as a program of its own against a real server."""

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgpack
import nats
import pytest

from engine.nats.sink import NatsConfig, NatsSink
from model.batch import Batch
from model.errors import UsageError
from model.kinds.flow import Node
from model.public import row_parts
from model.subjects import NODE_STREAM, NODES, flow, heartbeat
from tailrace.testing.deltas import WINDOW
from tailrace.testing.flows import make_flows
from tests.nats_server import NatsServer, free_port, nats_server
from tests.workloads import summed_workloads

__all__ = ["nats_server"]

#: Seconds that anything here may take.
DEADLINE_SECONDS = 20

#: Starts the program against the server of the test.
Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start(nats_server: NatsServer) -> AsyncIterator[Start]:
    """Programs that end with the test."""
    started: list[Process] = []

    async def observe(*arguments: str, url: str = "", **environment: str) -> Process:
        command = (sys.executable, "-c", _MAIN)
        process = await asyncio.create_subprocess_exec(
            *command,
            "observe",
            "--nats",
            url or nats_server.url(),
            *arguments,
            stdout=PIPE,
            stderr=PIPE,
            env=os.environ | {"COLUMNS": "80"} | environment,
        )
        started.append(process)
        return process

    yield observe
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


_MAIN = "from engine.cli import main; main()"


async def ended(process: Process) -> tuple[int, list[str], str]:
    """Exit code, lines of output, errors."""
    output, errors = await asyncio.wait_for(process.communicate(), DEADLINE_SECONDS)
    assert process.returncode is not None
    return process.returncode, output.decode().splitlines(), errors.decode()


async def line_of(stream: asyncio.StreamReader | None) -> str:
    """The next line."""
    assert stream is not None
    return (await asyncio.wait_for(stream.readline(), DEADLINE_SECONDS)).decode()


async def publish(server: NatsServer, *batches: Batch) -> None:
    sink = NatsSink(NatsConfig(server.url()))
    await sink.open((batches[0].kind,))
    for batch in batches:
        await sink.write(batch)
    await sink.close()


def second(number: int, *, rows: int = 1, node: str = "node-a", comm: str = "nginx") -> Batch:
    """A second of flows of one node; windows tell seconds apart."""
    columns = {f"{side}.process.comm": comm.encode() for side in ("client", "server")}
    ends = (Node(node, "1"), Node(node, "1"))
    return make_flows(rows, seq=number, window=WINDOW + number, columns=columns, ends=ends)


def windows(lines: list[str]) -> list[int]:
    """The seconds of JSON lines, counted from the first."""
    return [json.loads(line)["window"] - WINDOW for line in lines]


async def test_the_newest_flows_come_oldest_first(nats_server: NatsServer, start: Start) -> None:
    """``--last`` counts rows, not messages."""
    await publish(nats_server, *(second(number, rows=2) for number in range(5)))
    code, lines, errors = await ended(await start("--last", "5", "-o", "json"))
    assert (code, windows(lines), errors) == (0, [2, 3, 3, 4, 4], "")


async def test_filters_reach_back_over_the_whole_stream(nats_server: NatsServer, start: Start) -> None:
    """What matches is found behind hundreds of newer messages that do not, in the right order."""
    old = [second(number, comm="rare") for number in range(3)]
    await publish(nats_server, *old, *(second(number, comm="often") for number in range(3, 400)))
    code, lines, _ = await ended(await start("--process", "rar*", "--last", "2", "-o", "json"))
    assert (code, windows(lines)) == (0, [1, 2])
    assert json.loads(lines[0])["client.process.comm"] == "rare"


async def test_one_node_alone(nats_server: NatsServer, start: Start) -> None:
    """Other nodes' flows are left out."""
    batches = [second(number, node=f"node-{'ab'[number % 2]}") for number in range(80)]
    await publish(nats_server, *batches)
    code, lines, _ = await ended(await start("--node", "node-b", "--last", "3", "-o", "json"))
    assert (code, windows(lines)) == (0, [75, 77, 79])


async def test_an_end_on_the_node_is_enough(nats_server: NatsServer, start: Start) -> None:
    """Flows stand under their client's node; those with their server there are found, too."""
    batch = make_flows(200)
    await publish(nats_server, batch)
    wanted = int((batch.columns["server.node.index"] == 2).sum())
    code, lines, _ = await ended(await start("--node", "db.7", "--last", "500", "-o", "json"))
    assert (code, len(lines)) == (0, wanted)


async def test_only_flows_with_that_evidence(nats_server: NatsServer, start: Start) -> None:
    """A grade given twice adds the other."""
    await publish(nats_server, make_flows(200))
    arguments = ("--evidence", "nat", "--evidence", "client", "--last", "500", "-o", "json")
    code, lines, _ = await ended(await start(*arguments))
    assert (code, {json.loads(line)["evidence"] for line in lines}) == (0, {"nat", "client"})


async def test_the_table_fits_80_columns(nats_server: NatsServer, start: Start) -> None:
    """Titles and a line for each of the default 20 flows."""
    await publish(nats_server, make_flows(50))
    code, lines, errors = await ended(await start())
    assert (code, len(lines), errors) == (0, 21, "")
    assert lines[0].split() == ["TIME", "CLIENT", "SERVER", "STATE", "→", "←", "EVIDENCE"]
    assert 79 <= max(map(len, lines)) <= 80


async def test_no_match_is_said(nats_server: NatsServer, start: Start) -> None:
    """Nothing on the output, one line beside it, and no failure."""
    await publish(nats_server, second(0))
    result = await ended(await start("--process", "nobody"))
    assert result == (0, [], "tailrace: no flow that is kept matches\n")


async def test_following_shows_what_comes(nats_server: NatsServer, start: Start) -> None:
    """After the last ones each new flow that matches, as it is published."""
    await publish(nats_server, second(0), second(1))
    process = await start("-f", "--last", "1", "-o", "json", "--node", "node-a")
    assert windows([await line_of(process.stdout)]) == [1]
    await publish(nats_server, second(2, node="node-b"), second(3))
    assert windows([await line_of(process.stdout)]) == [3]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_quietly(nats_server: NatsServer, start: Start, number: int) -> None:
    """0, and not a word."""
    await publish(nats_server, second(0))
    process = await start("-f", "-o", "json")
    assert windows([await line_of(process.stdout)]) == [0]
    process.send_signal(number)
    assert await ended(process) == (0, [], "")


async def test_a_reader_that_leaves_ends_it_quietly(nats_server: NatsServer, start: Start) -> None:
    """Also when nothing more is published."""
    await publish(nats_server, second(0))
    process = await start("-f", "-o", "json")
    await line_of(process.stdout)
    transport: Any = process._transport  # type: ignore[attr-defined]  # the only way to close one pipe
    transport.get_pipe_transport(1).close()
    assert await asyncio.wait_for(process.wait(), DEADLINE_SECONDS) == 0
    assert process.stderr is not None
    assert await process.stderr.read() == b""


async def test_following_goes_on_after_the_server_restarted(nats_server: NatsServer, start: Start) -> None:
    """What was published in the meantime is shown, nothing twice."""
    await publish(nats_server, second(0))
    process = await start("-f", "-o", "json")
    assert windows([await line_of(process.stdout)]) == [0]
    nats_server.kill()
    nats_server.start()
    await publish(nats_server, second(1), second(2))
    assert windows([await line_of(process.stdout) for _ in range(2)]) == [1, 2]


async def test_following_goes_on_with_a_stream_that_was_replaced(
    nats_server: NatsServer, start: Start
) -> None:
    """All of the new one is shown, though its numbers begin again below those seen last."""
    await publish(nats_server, second(0), second(1), second(2))
    process = await start("-f", "-o", "json", "--last", "1")
    assert windows([await line_of(process.stdout)]) == [2]
    nats_server.replace()
    await publish(nats_server, second(3), second(4))
    assert windows([await line_of(process.stdout) for _ in range(2)]) == [3, 4]


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


async def test_following_waits_for_the_first_flow(nats_server: NatsServer, start: Start) -> None:
    """Without a stream it shows what is published, kept or not."""
    process = await start("-f", "-o", "json")
    assert "waiting" in await line_of(process.stderr)
    client = await nats.connect(nats_server.url())
    while True:  # the subscription follows the line after a moment
        await client.publish(flow("node-a"), row_parts(second(7), 4096)[0].data)
        await client.flush()
        try:
            assert process.stdout is not None
            line = await asyncio.wait_for(process.stdout.readline(), 0.2)
            break
        except TimeoutError:
            continue
    assert windows([line.decode()]) == [7]
    await client.close()


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


async def test_a_reader_that_is_stuck_does_not_hold_a_signal_up(
    nats_server: NatsServer, start: Start
) -> None:
    """With the pipe full, SIGINT still ends it with 0."""
    await publish(nats_server, *(second(number, rows=2000) for number in range(3)))
    read, write = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-c",
            _MAIN,
            "observe",
            "--nats",
            nats_server.url(),
            "--last",
            "6000",
            "-o",
            "json",
        ),
        stdout=write,
        stderr=PIPE,
    )
    os.close(write)
    filled = asyncio.Event()
    asyncio.get_running_loop().add_reader(read, filled.set)
    await asyncio.wait_for(filled.wait(), DEADLINE_SECONDS)
    asyncio.get_running_loop().remove_reader(read)
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), DEADLINE_SECONDS) == 0
    assert process.stderr is not None
    assert await process.stderr.read() == b""
    os.close(read)


async def test_words_of_a_filter_stand_anywhere(nats_server: NatsServer, start: Start) -> None:
    """Before and after options; one that excludes is no option."""
    await publish(nats_server, *(second(number, comm=("nginx", "curl")[number % 2]) for number in range(6)))
    found = (
        "process:nginx",
        "--last",
        "50",
        "-process:curl",
        "-o",
        "json",
        "evidence:both,client,nat,server,address",
    )
    code, lines, errors = await ended(await start(*found))
    assert (code, windows(lines), errors) == (0, [0, 2, 4], "")
    code, lines, errors = await ended(await start("-o", "json", "prozess:nginx"))
    assert (code, lines) == (2, [])
    assert errors == "tailrace: filter: flows have no 'prozess' at »prozess:nginx«: did you mean process?\n"


async def test_since_and_until_reach_over_all_that_is_kept(nats_server: NatsServer, start: Start) -> None:
    """Every row of the time between comes, however many, oldest first; --last takes the newest of them."""
    await publish(nats_server, *(second(number) for number in range(100)))
    between = ("--since", str(WINDOW + 10), "--until", str(WINDOW + 79), "-o", "json")
    code, lines, errors = await ended(await start(*between))
    assert (code, windows(lines), errors) == (0, list(range(9 + 1, 80)), "")
    code, lines, _ = await ended(await start(*between, "--last", "2"))
    assert (code, windows(lines)) == (0, [78, 79])
    code, lines, errors = await ended(await start("--since", "1m"))
    assert (code, lines, errors) == (0, [], "tailrace: no flow that is kept matches\n")
    code, lines, errors = await ended(await start("--since", "soon"))
    assert (code, lines, errors.count("\n")) == (2, [], 1)


async def test_following_goes_on_after_since(nats_server: NatsServer, start: Start) -> None:
    """What comes is shown after what was kept, nothing twice."""
    await publish(nats_server, *(second(number) for number in range(3)))
    process = await start("-f", "--since", str(WINDOW + 1), "-o", "json")
    assert windows([await line_of(process.stdout) for _ in range(2)]) == [1, 2]
    await publish(nats_server, second(3))
    assert windows([await line_of(process.stdout)]) == [3]
