"""Events of another package's probe become rows, in one process and over NATS, whoever else wants what."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine import graphs
from engine.config import Config
from engine.plugins.probes import select
from model import kinds
from model.batch import Batch
from probes.kernel.event_types import EventTypes
from probes.kernel.frames import RingFrame
from tests.configured import configured
from tests.eventually import eventually
from tests.nats_server import NatsServer, nats_server
from tests.scripted_sink import ScriptedSink
from tests.scripted_source import ScriptedSource

__all__ = ["nats_server"]

EXAMPLE = Path(__file__).parents[2] / "examples" / "probe-lookups"
CONFIG = Config(probes={"tailrace_probe_lookups:PROBE": "on"}, node="node-1")


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Iterator[EventTypes]:
    """The example is on the path; its kind of rows is forgotten after the test."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.setattr(kinds, "_kinds", dict(kinds._kinds))
    yield select(CONFIG).event_types
    sys.modules.pop("tailrace_probe_lookups", None)


def second(source: ScriptedSource, types: EventTypes, *pids: int) -> None:
    """One in which these processes asked, and one socket moved a byte."""
    events = np.zeros(len(pids), types.struct_of("lookups"))
    events["header"]["kind"], events["pid"], events["comm"] = types.numbers["KIND_LOOKUP"], pids, b"curl"
    source.frame(RingFrame("lookups", 0, events.tobytes()).encode())
    source.second(1)


def counts(batches: list[Batch]) -> list[dict[int, int]]:
    """Calls by process, second by second."""
    columns = [batch.columns for batch in batches if batch.kind.name == "lookup"]
    return [
        dict(zip(each["process.pid"].tolist(), each["lookups"].tolist(), strict=True)) for each in columns
    ]


async def test_in_one_process(types: EventTypes) -> None:
    """A sink that wants lookups gets them, one that wants flows gets those."""
    source, lookups, flows = ScriptedSource(), ScriptedSink(), ScriptedSink()
    stages = {"lookups": "lookups", "flows": "flows"}
    role = graphs.run(CONFIG, configured({"lookups": lookups, "flows": flows}, stages), source)
    running = asyncio.create_task(role.run())
    second(source, types, 7, 7, 9)
    second(source, types, 9)
    await eventually(lambda: len(counts(lookups.taken)) == 2)
    await eventually(lambda: len([batch for batch in flows.taken if len(batch)]) == 2)
    role.stop()
    await running
    assert counts(lookups.taken) == [{7: 2, 9: 1}, {9: 1}]
    assert {batch.kind.name for batch in flows.taken if len(batch)} == {"flow"}
    assert role.ledger.stages["receiver.lookups"].balanced


async def test_over_nats(types: EventTypes, nats_server: NatsServer) -> None:
    """The agent's rows reach a sink of the engine once each, in order, beside its flows."""
    url, source, lookups = nats_server.url(), ScriptedSource(), ScriptedSink()
    roles = [
        graphs.engine(CONFIG, url, configured({"lookups": lookups}, "lookups")),
        graphs.agent(CONFIG, url, source),
    ]
    running = [asyncio.create_task(role.run()) for role in roles]
    for number in range(1, 6):
        second(source, types, *range(number))
    await eventually(lambda: len(counts(lookups.taken)) == 5)
    for role in reversed(roles):
        role.stop()
    await asyncio.gather(*running)
    assert counts(lookups.taken) == [dict.fromkeys(range(number), 1) for number in range(1, 6)]
    assert {batch.node for batch in lookups.taken} == {"node-1"}
    assert all(role.ledger.lost == 0 for role in roles)
