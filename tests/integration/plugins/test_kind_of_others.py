"""A kind of rows of another package: installed by its entry point, listed, and in the sinks of an engine."""

import importlib
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any, Final

import numpy as np
import pytest

from engine.transport.embedded import embedded_app
from model.addresses import address_bytes
from model.batch import Batch
from model.kind import Kind
from model.subjects import DELTAS
from tests.environment import Environment, write_project
from tests.eventually import eventually
from tests.nats_server import NatsServer, nats_server

__all__ = ["nats_server"]

WINDOW: Final = 1_700_000_000
MODULE: Final = "tailrace_pings"
DECLARATION: Final = '''\
"""Pings, as somebody else would declare their rows."""

from tailrace.api import TEXTS, Column, Kind, Table, own_subject, text_field

HOSTS = Table("hosts", TEXTS, lambda index: (text_field("target.host", "hosts", index),), "names")
PING = Kind(
    "ping",
    "pings",
    (
        Column("target.address", "V16", "who was asked", always=True),
        Column("target.index", "<u4", "place of its name in `hosts`", table=HOSTS),
        Column("round_trip_ns", "<u8", "until the answer"),
    ),
    key=("target.address",),
    subject=own_subject("pings"),
    page="Says how long each host took to answer.",
)
'''


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's source."""
    kinds = {"tailrace.kinds": {"ping": f"{MODULE}:PING"}}
    path = tmp_path_factory.mktemp("pings") / "project"
    return write_project(path, "tailrace-pings", {f"{MODULE}.py": DECLARATION}, kinds)


@pytest.fixture(scope="module")
def with_pings(tailrace_alone: Environment, project: Path) -> Environment:
    """Tailrace, and the package beside it."""
    environment = tailrace_alone.copied(project.parent / "environment")
    environment.install(project)
    return environment


@pytest.fixture
def ping(monkeypatch: pytest.MonkeyPatch, project: Path) -> Iterator[Kind]:
    """The declaration in this process, which knows it only to send what a probe would."""
    monkeypatch.syspath_prepend(str(project))
    yield importlib.import_module(MODULE).PING
    sys.modules.pop(MODULE)


def test_it_is_listed_with_its_package_and_columns(with_pings: Environment) -> None:
    """In the table of all, by its name, by its plural, and as JSON."""
    overview = with_pings.tailrace("plugins").stdout
    (line,) = (line for line in overview.splitlines() if "tailrace-pings" in line)
    assert line.split()[:5] == ["row", "kind", "ping", "tailrace-pings", "1.0"]
    details = with_pings.tailrace("plugins", "pings")
    assert details.returncode == 0
    assert details.stdout.startswith(
        f"row kind ping, of tailrace-pings 1.0 ({MODULE}:PING)\nSays how long each host took to answer\n"
    )
    assert "In the configuration: stage: pings" in details.stdout
    (listed,) = json.loads(with_pings.tailrace("plugins", "ping", "-o", "json").stdout)["plugins"]
    assert listed["columns"][2] == {
        "name": "round_trip_ns",
        "type": "u64",
        "unit": "ns",
        "meaning": "until the answer",
    }


async def test_its_rows_reach_a_sink_of_an_engine(
    with_pings: Environment, ping: Kind, nats_server: NatsServer, tmp_path: Path
) -> None:
    """What a node sent before the engine began, and after; each row once, in the words of the declaration."""
    path = tmp_path / "rows.jsonl"
    await send(nats_server.url(), [second(ping, 0)])
    with engine(with_pings, nats_server, path):
        await eventually(lambda: len(rows(path)) == 2)
        await send(nats_server.url(), [second(ping, seq) for seq in (1, 2)])
        await eventually(lambda: len(rows(path)) == 6)
    assert rows(path) == [row for seq in range(3) for row in expected(seq)]


@contextmanager
def engine(environment: Environment, server: NatsServer, path: Path) -> Iterator[None]:
    """``tailrace engine`` in the environment, ended in good order."""
    command: list[str | Path] = [environment.python, "-P", "-m", "tailrace", "engine", "--nats", server.url()]
    with Popen([*command, "--stage", "pings", "--sink", f"jsonl:{path}"], cwd="/", stderr=PIPE) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            _, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints


async def send(url: str, batches: list[Batch]) -> None:
    """As an agent does."""
    app = embedded_app("probe", url)
    topic = app.topic(DELTAS, value_type=bytes)
    await app.start()
    for batch in batches:
        await (await topic.send(value=batch.encode(), partition=0))
    await app.stop()


def second(kind: Kind, seq: int) -> Batch:
    """One host that has a name, and one that has none."""
    columns = kind.empty(2)
    columns["target.address"] = np.array(list(map(address_bytes, ("192.0.2.1", "2001:db8::9"))), "V16")
    columns["target.index"] = np.array([1, 0], np.uint32)
    columns["round_trip_ns"] = np.array([85_000 + seq, 7], np.uint64)
    return Batch(kind, "node-a", "boot-1", seq, WINDOW + seq, columns, {"hosts": ["", "gateway"]})


def expected(seq: int) -> list[dict[str, Any]]:
    """Its rows, as JSON lines have them."""
    head = {"kind": "ping", "node": "node-a", "boot": "boot-1", "seq": seq, "window": WINDOW + seq}
    return [
        head | {"target.address": "192.0.2.1", "target.host": "gateway", "round_trip_ns": 85_000 + seq},
        head | {"target.address": "2001:db8::9", "round_trip_ns": 7},
    ]


def rows(path: Path) -> list[dict[str, Any]]:
    """Those of a file that is being written; its ledgers are left out."""
    text = path.read_text() if path.exists() else ""
    lines = map(json.loads, text[: text.rfind("\n") + 1].splitlines())
    return [line for line in lines if line["kind"] != "ledger"]
