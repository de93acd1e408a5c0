"""Partitions that move between engines while messages are not acknowledged: every row, each under one name."""

from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import Any

import pytest

from engine import graphs
from engine.config import Config
from engine.role import Role
from tests.configured import configured
from tests.integration.test_nats_faults import eventually
from tests.integration.test_roles import QUERY, agent
from tests.nats_server import NatsServer, nats_server
from tests.running_role import running
from tests.scripted_sink import ScriptedSink
from tests.scripted_source import ScriptedSource

__all__ = ["nats_server"]

#: What names a report for good: docs/schema.md.
NAME = ("node", "boot", "seq", "socket.slot", "socket.generation")


def engine(url: str, sink: ScriptedSink, stage: str) -> Role:
    return graphs.engine(Config(), url, configured({"scripted": sink}, stage))


def reports(sinks: Iterable[ScriptedSink]) -> dict[tuple[Any, ...], list[int]]:
    """Bytes sent as each report says them, as often as it came, by its name."""
    found: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for batch in (batch for sink in sinks for batch in tuple(sink.taken)):
        for row in batch.rows():
            for end in ("",) if batch.kind.name == "delta" else ("client.", "server."):
                if not end or row.get(f"{end}reported"):
                    found[tuple(row.get(end + part, 0) for part in NAME)].append(row.get(f"{end}tx_bytes", 0))
    return found


def total(sinks: Iterable[ScriptedSink]) -> int:
    """Bytes, each report counted once."""
    return sum(sent[0] for sent in reports(sinks).values())


@pytest.mark.parametrize("stage", ["deltas", "flows"])
async def test_unacknowledged_messages_move_with_their_partitions(
    nats_server: NatsServer, stage: str
) -> None:
    """An engine is stuck, half of its partitions go to another one and come back: nothing is lost, and what comes
    twice says the same under the same name."""
    url, source = nats_server.url(query=QUERY), ScriptedSource()
    stuck, other = ScriptedSink(slow=True), ScriptedSink()
    first, second = engine(url, stuck, stage), engine(url, other, stage)
    async with running(agent(url, source)), running(first):
        source.second(200)
        await eventually(lambda: stuck.calls > 0)
        async with running(second):
            source.second(200)
            await eventually(lambda: total([other]) > 0)
            moved = reports([other])
            stuck.gate.set()
            source.second(200)
            await eventually(lambda: total([stuck, other]) >= source.sent)
        source.second(200)
        await eventually(lambda: total([stuck, other]) >= source.sent)
    found = reports([stuck, other])
    assert total([stuck, other]) == source.sent == 800
    assert all(len(set(sent)) == 1 for sent in found.values())
    assert max(map(len, found.values())) == 2
    assert moved.keys() & reports([stuck]).keys()
    assert all(role.ledger.stages["deltas"].balanced for role in (first, second))


@pytest.mark.parametrize("stage", ["deltas", "flows"])
async def test_engines_come_and_go(nats_server: NatsServer, stage: str) -> None:
    """Rows flow meanwhile: each arrives, and one that comes twice says the same under the same name."""
    url, source, sinks = nats_server.url(query=QUERY), ScriptedSource(), [ScriptedSink() for _ in range(4)]
    async with running(agent(url, source)), running(engine(url, sinks[0], stage)):
        for sink in sinks[1:]:
            async with running(engine(url, sink, stage)):
                await eventually(partial(bool, sink.taken), lambda: source.second(100))
        await eventually(lambda: total(sinks) >= source.sent)
    assert total(sinks) == source.sent
    assert all(len(set(sent)) == 1 for sent in reports(sinks).values())
