"""Agents and engines over a real server: every row arrives, whoever dies meanwhile."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgpack
import nats
import pytest
from nats.aio.client import Client
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from engine import graphs
from engine.config import AgentConfig, Config
from engine.role import Role
from model.batch import Batch
from model.errors import UsageError
from model.kind import Kind
from model.settings import PluginConfig
from model.sink import Sink
from model.subjects import DEAD_STREAM, NODE_STREAM
from tests.configured import configured
from tests.nats_server import REASON_TO_SKIP, NatsServer, nats_server
from tests.ports import free_port
from tests.running_role import running
from tests.scripted_sink import ScriptedSink
from tests.scripted_source import ScriptedSource
from tests.thread_signal import ThreadSignal

__all__ = ["nats_server"]

DEADLINE = 30.0
#: Short, so that a dead engine is replaced quickly.
QUERY = "lease_seconds=1.5&partitions=4"


class Adding:
    """A sink that keeps sums: rows, bytes, and the numbers of messages."""

    Config: ClassVar[type[PluginConfig]] = PluginConfig

    def __init__(self) -> None:
        self.bytes = self.rows = 0
        self.messages: list[tuple[str, int]] = []
        self.changed = ThreadSignal()

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Nothing to get ready."""

    async def write(self, batch: Batch) -> None:
        """Adds up."""
        assert isinstance(batch, Batch)  # the stage that was asked for
        self.bytes += int(batch.columns["tx_bytes"].sum())
        self.rows += len(batch)
        self.messages.append((batch.node, batch.seq))
        self.changed.notify()

    async def flush(self) -> None:
        """Nothing is kept back."""

    async def close(self) -> None:
        """Nothing to let go of."""

    async def until(self, condition: Callable[[], bool], seconds: float = DEADLINE) -> None:
        """Returns when ``condition`` holds."""
        async with asyncio.timeout(seconds):
            await self.changed.wait_for(condition)


def agent(url: str, source: ScriptedSource, **settings: Any) -> Role:
    return graphs.agent(Config(agent=AgentConfig(**settings)), url, source)


def engine(url: str, sink: Sink, stage: str = "deltas") -> Role:
    return graphs.engine(Config(), url, configured({"adding": sink}, stage))


async def test_what_an_agent_sees_reaches_the_engine(nats_server: NatsServer) -> None:
    """Rows and bytes of all seconds arrive once each, over all partitions."""
    url, source, sink = nats_server.url(query=QUERY), ScriptedSource(), Adding()
    async with running(engine(url, sink)), running(agent(url, source)):
        for _ in range(5):
            source.second(1000)
        await sink.until(lambda: sink.bytes >= source.sent)
    assert (sink.bytes, sink.rows) == (5000, 5000)
    assert len(set(sink.messages)) == len(sink.messages)


async def test_an_engine_gives_each_sink_its_stage(nats_server: NatsServer) -> None:
    """Flows to one, their workloads to the other: what was sent is in both; rows of all partitions add up."""
    url, source = nats_server.url(query=QUERY), ScriptedSource()
    flows, workloads = ScriptedSink(), ScriptedSink()
    sinks: dict[str, Sink] = {"flows": flows, "workloads": workloads}
    joining = graphs.engine(Config(), url, configured(sinks, {"flows": "flows", "workloads": "workloads"}))
    async with running(joining), running(agent(url, source)):
        for _ in range(3):
            source.second(500)
        async with asyncio.timeout(DEADLINE):
            while active(workloads) < source.sent:  # noqa: ASYNC110 - sinks tell nobody
                await asyncio.sleep(0.05)
    for sink, stage in ((flows, "flows"), (workloads, "workloads")):
        assert {batch.kind.plural for batch in sink.taken} == {stage}
    rows = joining.ledger.stages["workloads"].received
    assert rows == sum(map(len, flows.taken)) == active(workloads) == source.sent
    assert sum(map(moved_bytes, workloads.taken)) == sum(map(moved_bytes, flows.taken)) >= source.sent


def active(sink: ScriptedSink) -> int:
    return sum(int(batch.columns["connections.active"].sum()) for batch in sink.taken)


def moved_bytes(batch: Batch) -> int:
    assert batch.kind.traffic is not None
    moved = batch.kind.traffic.moved(batch.columns)
    return int(moved.tx_bytes.sum()) + int(moved.rx_bytes.sum())


def test_an_engine_does_not_mix_deltas_with_what_they_make() -> None:
    """It says so before it starts."""
    sinks: dict[str, Sink] = {"one": ScriptedSink(), "other": ScriptedSink()}
    with pytest.raises(UsageError, match="give all its sinks deltas, or none"):
        graphs.engine(Config(), "nats://127.0.0.1", configured(sinks, {"one": "deltas", "other": "flows"}))


async def test_an_outage_within_the_bound_loses_nothing(nats_server: NatsServer) -> None:
    """The server dies, seconds go on, the server comes back on its store: every row arrives, in order."""
    url, source, sink = nats_server.url(query="partitions=1"), ScriptedSource(), Adding()
    async with running(engine(url, sink)), running(subject := agent(url, source)):
        source.second(100)
        await sink.until(lambda: sink.bytes >= 100)
        nats_server.kill()
        for _ in range(20):
            source.second(100)
            await asyncio.sleep(0.01)
        nats_server.start()
        await sink.until(lambda: sink.bytes >= source.sent)
    outbox = subject.ledger.stages["outbox"]
    assert sink.bytes == 2100
    assert [number for _, number in sink.messages] == sorted({number for _, number in sink.messages})
    assert (outbox.received, outbox.delivered, outbox.queued, outbox.dropped.total()) == (2100, 2100, 0, 0)


class Gate:
    """A way to the server that can be closed: what is on it is cut, and nobody comes in."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = free_port()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._enter, "127.0.0.1", self.port)

    async def close(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers += [writer, far_writer]
        for source, target in ((reader, far_writer), (far_reader, writer)):
            self._tasks.add(asyncio.create_task(self._pass(source, target)))

    @staticmethod
    async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()


async def test_a_partitioned_agent_catches_up(nats_server: NatsServer) -> None:
    """The server lives, but one agent cannot reach it; the other goes on, and the first loses nothing."""
    query, sink, gate = "partitions=2", Adding(), Gate(nats_server.port)
    await gate.open()
    cut, free = ScriptedSource(node="cut"), ScriptedSource(node="free")
    cut_url = f"nats://127.0.0.1:{gate.port}/?{query}"
    async with running(engine(nats_server.url(query=query), sink)):
        async with running(agent(cut_url, cut)), running(agent(nats_server.url(query=query), free)):
            cut.second(10)
            await sink.until(lambda: sink.bytes >= 10)
            await gate.close()
            for _ in range(5):
                cut.second(10)
                free.second(100)
            await sink.until(lambda: sink.bytes >= 510)
            assert sink.bytes == 510
            await gate.open()
            await sink.until(lambda: sink.bytes >= 560)
        await gate.close()
    assert sink.bytes == cut.sent + free.sent == 560


async def test_past_the_bound_the_ledger_is_exact(nats_server: NatsServer) -> None:
    """What the engine got and what the agent dropped is together what there was."""
    url, source, sink = nats_server.url(query="partitions=1"), ScriptedSource(), Adding()
    subject = agent(url, source, buffer_bytes=1 << 20)
    async with running(engine(url, sink)), running(subject):
        source.second(1)
        await sink.until(lambda: sink.bytes >= 1)
        nats_server.kill()
        outbox = subject.ledger.stages["outbox"]
        for _ in range(12):
            source.second(1000)
            await asyncio.sleep(0.02)
        assert outbox.dropped["outage"] > 0
        nats_server.start()
        await sink.until(lambda: sink.rows + outbox.dropped.total() >= source.sent)
    assert sink.rows + outbox.dropped["outage"] == source.sent
    assert outbox.balanced
    assert outbox.queued == 0


async def test_messages_fit_a_server_that_takes_little(tmp_path: Path) -> None:
    """With a maximum payload of 100 kB a second of 5,000 rows comes in smaller messages."""
    if REASON_TO_SKIP:
        pytest.skip(REASON_TO_SKIP)
    (tmp_path / "server.conf").write_text("max_payload: 100000\n")
    server = NatsServer("-c", str(tmp_path / "server.conf"))
    try:
        url, source, sink = server.start().url(query="partitions=2"), ScriptedSource(slots=8192), Adding()
        async with running(engine(url, sink)), running(subject := agent(url, source)):
            source.second(1)
            await sink.until(lambda: sink.bytes >= 1)
            source.second(5000)
            await sink.until(lambda: sink.bytes >= 5001)
        assert subject.ledger.stages["outbox"].dropped.total() == 0
        assert len(sink.messages) > 6
    finally:
        server.remove()


async def test_an_agent_that_starts_without_a_server_waits_for_it(nats_server: NatsServer) -> None:
    """The probe runs from the start; what it saw arrives when the server is there."""
    nats_server.kill()
    url, source, sink = nats_server.url(query=QUERY), ScriptedSource(), Adding()
    async with running(agent(url, source)):
        source.second(50)
        nats_server.start()
        async with running(engine(url, sink)):
            await sink.until(lambda: sink.bytes >= 50)
    assert sink.bytes == 50


async def test_a_stopped_agent_leaves_its_messages_in_the_spool(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    """Stopped during an outage with a spool, its last rows are published by the next one."""
    nats_server.kill()
    url, sink, spool = nats_server.url(query=QUERY), Adding(), str(tmp_path / "spool")
    first = ScriptedSource(boot="boot-1.1")
    async with running(agent(url, first, spool_path=spool)):
        first.second(70)
    nats_server.start()
    second = ScriptedSource(boot="boot-1.2")
    async with running(engine(url, sink)), running(agent(url, second, spool_path=spool)):
        second.second(30)
        await sink.until(lambda: sink.bytes >= 100)
    assert sink.bytes == 100


async def test_a_message_nobody_can_read_is_put_aside(nats_server: NatsServer) -> None:
    """Garbage in a partition is counted, kept on the dead-letter subject with its reason, and the engine lives on."""
    url = nats_server.url(
        query="partitions=1&lease_seconds=60"
    )  # an engine that pauses does not read it twice
    source, sink = ScriptedSource(), Adding()
    subject = engine(url, sink)
    async with running(subject), running(agent(url, source)):
        source.second(10)
        await sink.until(lambda: sink.bytes >= 10)
        client = await nats.connect(nats_server.address)
        await client.jetstream().publish("tailrace.log.deltas.0", b"\x00 no batch")
        source.second(10)
        await sink.until(lambda: sink.bytes >= 20)
        dead = await first_message(client, DEAD_STREAM)
        await client.close()
    assert dead.data == b"\x00 no batch"
    assert dead.headers is not None
    assert "no batch" in dead.headers["Tailrace-Reason"]
    assert subject.ledger.stages["deltas"].dropped == {"unreadable": 1}


async def first_message(client: Client, stream: str) -> RawStreamMsg:
    """What is stored first in a stream, once it is: nobody waits for it to be put there."""
    async with asyncio.timeout(DEADLINE):
        while True:
            with contextlib.suppress(NotFoundError):
                return await client.jetstream().get_msg(stream, 1)
            await asyncio.sleep(0.02)


async def test_a_node_says_how_it_is(nats_server: NatsServer) -> None:
    """The last heartbeat of a node is there for whoever looks later."""
    url, source, sink = nats_server.url(query=QUERY), ScriptedSource(node="db.example"), Adding()
    async with running(engine(url, sink)), running(agent(url, source)):
        source.second(3)
        await sink.until(lambda: sink.bytes >= 3)
        source.second(3)
        await sink.until(lambda: sink.bytes >= 6)
    client = await nats.connect(nats_server.address)
    stored = await client.jetstream().get_last_msg(NODE_STREAM, "tailrace.node.db=2Eexample")
    await client.close()
    assert stored.data is not None
    heartbeat = msgpack.unpackb(stored.data)
    assert (heartbeat["node"], heartbeat["open_sockets"]) == ("db.example", 3)
    assert heartbeat["capabilities"] == {"counters": "script"}
    assert heartbeat["ledger"]["outbox"]["balanced"]


def rows_of(*files: Path) -> dict[tuple[Any, ...], int]:
    """Bytes by what names a report of a socket; the same one twice counts once."""
    rows: dict[tuple[Any, ...], int] = {}
    for file in files:
        text = file.read_text() if file.exists() else ""
        for line in text[: text.rfind("\n") + 1].splitlines():
            row = json.loads(line)
            ends = {"delta": [""], "flow": ["client.", "server."]}.get(row["kind"], [])
            for end in ends:
                if row["kind"] == "delta" or row.get(f"{end}reported"):
                    keys = ("node", "boot", "seq", "socket.slot", "socket.generation")
                    rows[tuple(row.get(end + key, 0) for key in keys)] = row.get(f"{end}tx_bytes", 0)
    return rows


def start_engine(url: str, out: Path, stage: str) -> "subprocess.Popen[bytes]":
    program = str(Path(sys.executable).parent / "tailrace")
    command = [program, "engine", "--nats", url, "--stage", stage, "--sink", f"jsonl:{out}"]
    return subprocess.Popen(command, env=os.environ | {"TAILRACE_LOG_LEVEL": "error"})


@pytest.mark.parametrize("stage", ["flows", "deltas"])
async def test_engines_may_be_killed(nats_server: NatsServer, tmp_path: Path, stage: str) -> None:
    """Two engines share the partitions; one is killed and replaced, again and again: no row is missing."""
    kills = 20 if os.environ.get("SOAK") else 2
    url, source = nats_server.url(query=QUERY), ScriptedSource()
    files = [tmp_path / f"{number}.jsonl" for number in range(2 + kills)]
    engines = [start_engine(url, file, stage) for file in files[:2]]
    try:
        async with running(agent(url, source)):
            for number in range(kills):
                until = time.monotonic() + 3
                while time.monotonic() < until:
                    source.second(400)
                    await asyncio.sleep(0.1)
                engines[number].send_signal(signal.SIGKILL)
                engines.append(start_engine(url, files[2 + number], stage))
            async with asyncio.timeout(2 * DEADLINE):
                while sum(rows_of(*files).values()) < source.sent:  # noqa: ASYNC110 - other processes write the files
                    await asyncio.sleep(0.2)
    finally:
        for process in engines:
            process.kill()
            process.wait()
    assert sum(rows_of(*files).values()) == source.sent


@pytest.mark.parametrize("url", ["nats://agent:secret@127.0.0.1:4222", "nats://127.0.0.1?token=secret"])
def test_secrets_on_the_command_line_are_refused(url: str) -> None:
    """They would show in the process list; the error does not repeat them."""
    command = [str(Path(sys.executable).parent / "tailrace"), "engine", "--nats", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 2
    assert "TAILRACE_BUS_URL" in done.stderr
    assert "secret" not in done.stderr
