"""A kind that nobody has heard of goes from its probe through an engine to every sink, and no product file knows it.

Everything follows from its declaration: messages, JSON lines, the console, Arrow tables, public subjects.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import pytest

from engine import graphs
from engine.config import Config, SinkConfig
from engine.plugins.sinks import make_sinks
from engine.transport.embedded import embedded_app
from model.addresses import address_bytes
from model.batch import Batch
from model.column import Column
from model.kind import Kind, own_subject
from model.kinds import forget, register
from model.message import decode
from model.settings import PluginConfig
from model.subjects import DELTAS
from model.tables import TEXTS, Table, text_field
from sinks.configured import ConfiguredSink
from tests.contract.transport.cases import CASES, TransportCase
from tests.eventually import eventually
from tests.nats_server import NatsServer, nats_server
from tests.running_role import running

__all__ = ["nats_server"]

WINDOW: Final = 1_700_000_000


# -- the declaration


class Answer(IntEnum):
    NONE = 0
    ECHO = 1
    UNREACHABLE = 3


HOSTS: Final = Table("hosts", TEXTS, lambda index: (text_field("target.host", "hosts", index),), "names")
PING: Final = Kind(
    "ping",
    "pings",
    (
        Column("target.address", "V16", "who was asked", always=True),
        Column("target.index", "<u4", "place of its name in `hosts`", table=HOSTS),
        Column("answer", "<u1", "what came back", codes=Answer),
        Column("round_trip_ns", "<u8", "until the answer"),
        Column("hops", "<u1", "that an echo may pass", "routers", default=64),
    ),
    key=("target.address",),
    subject=own_subject("pings"),
)

# -- the end of the declaration


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """The kind is known while a test runs."""
    register(PING)
    yield
    forget(PING)


def asked(seq: int) -> Batch:
    """What the probe saw in a second: one host that answered, and one that did not."""
    columns = PING.empty(2)
    columns["target.address"] = np.array(list(map(address_bytes, ("192.0.2.1", "2001:db8::9"))), "V16")
    columns["target.index"] = np.array([1, 0], np.uint32)
    columns["answer"] = np.array([Answer.ECHO, Answer.NONE], np.uint8)
    columns["round_trip_ns"] = np.array([85_000 + seq, 0], np.uint64)
    return Batch(PING, "node-a", "boot-1", seq, WINDOW + seq, columns, {"hosts": ["", "gateway"]})


def line(seq: int, **row: Any) -> dict[str, Any]:
    head = {"kind": "ping", "node": "node-a", "boot": "boot-1", "seq": seq, "window": WINDOW + seq}
    return head | {name.replace("__", "."): value for name, value in row.items()}


def expected(seq: int) -> list[dict[str, Any]]:
    """The rows of a second as JSON lines have them."""
    answered = {"target__host": "gateway", "answer": "echo", "round_trip_ns": 85_000 + seq}
    return [
        line(seq, target__address="192.0.2.1", **answered, hops=64),
        line(seq, target__address="2001:db8::9", hops=64),
    ]


class ArrowSink:
    """Keeps a table of each batch."""

    Config: ClassVar[type[PluginConfig]] = PluginConfig

    def __init__(self) -> None:
        self.tables: list[Any] = []

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Nothing to get ready."""

    async def write(self, batch: Batch) -> None:
        """Keeps its table."""
        self.tables.append(batch.to_arrow())

    async def flush(self) -> None:
        """Nothing is kept back."""

    async def close(self) -> None:
        """Nothing to let go of."""


async def probe(url: str, seconds: int) -> None:
    """The fake probe: sends so many seconds of its rows to the bus."""
    app = embedded_app("probe", url)
    topic = app.topic(DELTAS, value_type=bytes)
    await app.start()
    for seq in range(seconds):
        await (await topic.send(value=asked(seq).encode(), partition=0))
    await app.stop()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.scheme)
async def test_rows_of_a_kind_nobody_knows_reach_every_sink(
    case: TransportCase, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Through one engine: JSON lines, plain lines of the console and Arrow tables say what the probe saw."""
    if case.reason_to_skip:
        pytest.skip(case.reason_to_skip)
    url, path, arrow = case.broker("made-up", 1000, 8 << 20), tmp_path / "rows.jsonl", ArrowSink()
    sinks = make_sinks([SinkConfig("jsonl", {"path": str(path)}), SinkConfig("console")], "pings")
    engine = graphs.engine(Config(), url, {**sinks, "arrow": ConfiguredSink(arrow, [PING])})
    async with running(engine):
        await probe(url, 3)
        await eventually(lambda: engine.graph.ledger.stages["deltas"].delivered == 3)
    case.forget("made-up")
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    assert lines == [row for seq in range(3) for row in expected(seq)]
    assert capfd.readouterr().out.splitlines()[:3] == [
        "2023-11-14T22:13:20Z node-a summary rows=2 lost=0",
        "2023-11-14T22:13:20Z node-a target.address=192.0.2.1 target.host=gateway answer=echo "
        "round_trip_ns=85000 hops=64",
        "2023-11-14T22:13:20Z node-a target.address=2001:db8::9 hops=64",
    ]
    table = arrow.tables[2]
    assert table["target.host"].to_pylist() == ["gateway", ""]
    assert table["answer"].to_pylist() == ["echo", "none"]
    assert table["round_trip_ns"].to_pylist() == [85_002, 0]
    assert table.schema.field("hops").metadata == {b"unit": b"routers", b"meaning": b"that an echo may pass"}
    assert engine.graph.ledger.lost == 0


async def test_observe_shows_rows_of_a_kind_it_has_never_heard_of(nats_server: NatsServer) -> None:
    """Published by the sink nats; a program that does not know the kind shows what is in the rows."""
    (sink,) = make_sinks([SinkConfig("nats", {"url": nats_server.url()})], "pings").values()
    await sink.sink.open((PING,))
    for seq in range(2):
        await sink.sink.write(asked(seq))
    await sink.sink.close()
    text = await observed(nats_server, "-o", "json")
    assert [json.loads(row) for row in text.splitlines()] == [
        row for seq in range(2) for row in expected(seq)
    ]
    head, *rows = (await observed(nats_server)).splitlines()
    assert head.split() == ["TIME", "TARGET.ADDRESS", "TARGET.HOST", "ANSWER", "ROUND_TRIP_NS", "HOPS"]
    assert rows[0].split() == ["22:13:20", "192.0.2.1", "gateway", "echo", "85000", "64"]
    assert rows[1].split() == ["22:13:20", "2001:db8::9", "64"]


async def observed(server: NatsServer, *arguments: str) -> str:
    """What ``tailrace observe --rows pings`` prints, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tailrace", "observe", "--nats", server.url(), "--rows", "pings", *arguments),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "COLUMNS": "120"},
    )
    output, _ = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0
    return output.decode()


def test_a_message_without_a_column_has_its_default() -> None:
    """Also one that is not 0, of a kind that a plug-in declared: an older version of it sent no hops."""
    older = replace(PING, columns=PING.columns[:-1])
    columns = {name: column for name, column in asked(0).columns.items() if name != "hops"}
    sent = Batch(older, "node-a", "boot-1", 0, WINDOW, columns, {"hosts": ["", "gateway"]}).encode()
    assert decode(sent).columns["hops"].tolist() == [64, 64]


def test_the_declaration_is_short() -> None:
    """Thirty lines at most, blank ones not counted."""
    declaration = Path(__file__).read_text().split("# -- the declaration\n")[1].split("# -- the end of")[0]
    assert 10 < len([text for text in declaration.splitlines() if text]) <= 30
