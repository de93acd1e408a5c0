"""The page of subjects: its programs run as they stand, its rights are enough, its names are the code's."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import nats
import pytest

from engine.nats.sink import NatsConfig, NatsSink
from model import subjects
from model.batch import Batch
from model.kinds.delta import DELTA
from model.kinds.flow import FLOW, FlowEvidence
from model.public import row_parts
from model.subjects import flow
from tailrace.testing.batches import make_ledger
from tailrace.testing.deltas import WINDOW, make_deltas
from tailrace.testing.flows import make_flows
from tests.nats_server import REASON_TO_SKIP, NatsServer, nats_server
from tests.plain_rows import plain_rows
from tests.workloads import summed_workloads

__all__ = ["nats_server"]

PAGE = (Path(__file__).parents[2] / "docs/subjects.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
#: Seconds that a program may take.
DEADLINE_SECONDS = 20


async def first_lines(
    program: str, server: NatsServer, subject: str, data: bytes, count: int, *ahead: bytes
) -> list[str]:
    """What ``program`` prints of a message and those ahead; they are published until the program has subscribed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "-c", program, server.url()), stdout=PIPE, cwd="/", env={"PATH": os.defpath}
    )
    client = await nats.connect(server.url())
    assert process.stdout is not None
    reading = asyncio.create_task(_read(process.stdout, count))
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not reading.done():
                for message in (*ahead, data):
                    await client.publish(subject, message)
                await client.flush()
                await asyncio.wait({reading}, timeout=0.1)
        return await reading
    finally:
        reading.cancel()
        process.kill()
        await process.communicate()
        await client.close()


async def _read(stream: asyncio.StreamReader, count: int) -> list[str]:
    return [(await stream.readline()).decode().rstrip("\n") for _ in range(count)]


def test_the_programs_are_short() -> None:
    """Sixteen lines at most, blank ones not counted, and nothing but nats-py and msgpack beside the library."""
    assert len(PROGRAMS) == 3
    for program in PROGRAMS:
        assert len([line for line in program.splitlines() if line]) <= 16
        imported = set(re.findall(r"^import (\w+)$", program, re.MULTILINE))
        assert imported <= {"asyncio", "sys", "struct", "msgpack", "nats"}


async def test_the_subscriber_of_flows_prints_each_row(nats_server: NatsServer) -> None:
    """As it stands on the page, against what the sink publishes."""
    batch = make_flows(3, ipv6=0, columns={"evidence": FlowEvidence.BOTH, "client.node.index": 1})
    part = row_parts(batch, 1 << 20)[0]
    lines = await first_lines(PROGRAMS[0], nats_server, flow("node-a"), part.data, 3)
    names = ("client.process.comm", "service.address", "client.tx_bytes")
    wanted = [[row[name] or None for name in names] for row in plain_rows(batch)]
    assert lines == [f"{comm} -> {called} {sent or 0}" for comm, called, sent in wanted]


async def test_the_subscriber_of_workloads_prints_each_pair(nats_server: NatsServer) -> None:
    """As it stands on the page, against what the sink publishes."""
    batch = summed_workloads(3, columns={"client.process.comm": b"curl", "server.process.comm": b"nginx"})
    (part,) = row_parts(batch, 1 << 20)
    assert part.subject == "tailrace.workload._.curl"
    lines = await first_lines(PROGRAMS[1], nats_server, part.subject, part.data, 3)
    wanted = zip(range(3), batch.columns["bytes"].tolist(), strict=True)
    assert lines == [f"curl -> nginx {port} {sent}" for port, sent in wanted]


async def test_the_reader_of_deltas_prints_columns(nats_server: NatsServer) -> None:
    """As it stands on the page, against the messages that agents publish: of rows and of the ledger."""
    batch, ledger = make_deltas(3), make_ledger({"kernel": {}}).encode()
    subject = "tailrace.log.deltas.0.node-a"
    lines = await first_lines(PROGRAMS[2], nats_server, subject, _wire(batch), 1, ledger)
    ports, sent = (batch.columns[name].tolist() for name in ("network.peer.port", "tx_bytes"))
    assert lines == [f"node-a {WINDOW} {' '.join(str(pair) for pair in zip(ports, sent, strict=True))}"]


def _wire(batch: Batch) -> bytes:
    assert DELTA.types["network.peer.port"] == "<u2"
    assert DELTA.types["tx_bytes"] == "<u8"
    return batch.encode()


def test_the_page_has_every_subject_and_stream() -> None:
    """What the code calls them."""
    for name in (subjects.FLOWS, subjects.WORKLOADS, subjects.NODES, subjects.DEAD):
        assert f"| `{name}." in PAGE
    for stream in (
        subjects.FLOW_STREAM,
        subjects.WORKLOAD_STREAM,
        subjects.NODE_STREAM,
        subjects.DEAD_STREAM,
    ):
        assert f"| `{stream}` |" in PAGE
    assert subjects.flow("db.7") == "tailrace.flow.db=2E7"
    assert "(`db.7` → `db=2E7`)" in PAGE


@pytest.mark.skipif(bool(REASON_TO_SKIP), reason=REASON_TO_SKIP)
async def test_the_rights_of_a_reader_are_enough(tmp_path: Path) -> None:
    """``tailrace observe`` works with what the page grants, and its password comes from the environment."""
    rights = PAGE.rsplit("```\n", 2)[1]
    configuration = tmp_path / "nats.conf"
    configuration.write_text(
        f"authorization {{ users: [ {{user: sink, password: s}}\n"
        f"{{user: reader, password: hunter2, permissions: {{ {rights} }} }} ] }}"
    )
    server = NatsServer("-c", str(configuration))
    try:
        server.start()
        sink = NatsSink(NatsConfig(server.url(query="user=sink&password=s")))
        await sink.open((FLOW,))
        await sink.write(make_flows(2))
        await sink.close()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from engine.cli import main; main()", "observe", "-o", "json"),
            stdout=PIPE,
            stderr=PIPE,
            env=os.environ | {"TAILRACE_BUS_URL": f"nats://reader:hunter2@{server.address}"},
        )
        output, errors = await asyncio.wait_for(process.communicate(), DEADLINE_SECONDS)
        assert (process.returncode, output.count(b"\n"), errors) == (0, 2, b"")
    finally:
        server.remove()
