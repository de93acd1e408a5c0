"""Incidents of several engines over a real NATS server: one incident, whoever keeps it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest

from actors.incidents.items import EdgeEvent
from actors.items import Window
from alerts.config import AlertsConfig, AlertTargetConfig
from alerts.journal import JOURNAL
from engine import graphs
from engine.actor import ActorPlace
from engine.config import Config, TroubleConfig
from engine.graph import Graph
from engine.nats.incident_bus import IncidentBus
from engine.role import Role
from engine.runner import AsyncioRunner
from engine.shared_trouble import SharedIncidents, watch_shared_trouble
from model.errors import UsageError
from model.ledger import Ledger
from model.tasks import end
from tests.configured import configured
from tests.eventually import eventually
from tests.http_server import HttpServer, Reply
from tests.integration.test_roles import agent
from tests.nats_server import NatsServer, nats_server
from tests.running_role import running
from tests.scripted_sink import ScriptedSink
from tests.scripted_source import ScriptedSource
from tests.unit.engine.troubled import CAUSE, Same, alerts, told, window

__all__ = ["nats_server"]

#: Seconds after which an engine that is not heard of keeps incidents no more: longer than detectors keep a loop busy.
QUERY = "lease_seconds=4"
#: Less than it takes to read many rows.
SHORT = "lease_seconds=1"
TICK_S = 10
#: Seconds of health, and of a version that refuses.
HEALTHY, FAULT = 200, 90
#: Both clients, checkout and search.
EDGES = 4


@dataclass
class Engine:
    """What finds trouble in one of them.

    :param rows: takes windows.
    """

    rows: ActorPlace
    outlet: SharedIncidents
    graph: Graph

    @property
    def looks(self) -> int:
        """That it made incidents of."""
        return self.graph.ledger.stages["incidents"].received

    async def idle(self) -> None:
        for place in self.graph.in_order():
            await place.idle()


@asynccontextmanager
async def engine(folder: Path, url: str, hook: str) -> AsyncIterator[Engine]:
    targets = AlertsConfig([AlertTargetConfig("hook", "webhook", {"url": hook})])
    config = Config(trouble=TroubleConfig("on", str(folder)), alerts=targets)
    graph = Graph(Ledger())
    rows = graph.actor("rows", Same())
    outlet = watch_shared_trouble(graph, config, url, rows, rows)
    role, ready = Role(graph, AsyncioRunner()), asyncio.Event()
    task = asyncio.create_task(role.run(ready))
    await ready.wait()
    try:
        yield Engine(rows, outlet, graph)
    finally:
        role.stop()
        await task


def part(whole: Window, number: int, of: int) -> Window:
    """What one engine joins of a second: every so-manieth row."""
    (batch,) = whole.batches
    columns = {name: column[number::of] for name, column in batch.columns.items()}
    return Window(whole.number, (replace(batch, columns=columns),))


async def seen(engines: Sequence[Engine], times: range, made: Callable[[int], Window]) -> None:
    """All engines see their parts of each second; whoever keeps incidents has seen a tick before the next begins."""
    (leader,) = (each for each in engines if each.outlet.leads)
    for second in times:
        looks = leader.looks
        for number, each in enumerate(engines):
            await each.rows.put(part(made(second), number, len(engines)))
        if second % TICK_S == TICK_S - 1:
            for each in engines:
                await each.idle()
            await eventually(lambda: leader.looks > looks or second < TICK_S)  # noqa: B023


@pytest.mark.parametrize("end", ["stopped", "cut off"])
async def test_engines_have_one_incident_also_after_the_one_that_kept_it_is_gone(
    end: str, nats_server: NatsServer, tmp_path: Path
) -> None:
    """Each sees one caller of the version that refuses. The next engine knows the incident, and tells its end."""
    url = nats_server.url(query=QUERY)
    with HttpServer(lambda _: Reply(200)).running() as server:
        async with engine(tmp_path / "b", url, server.url) as second:
            await eventually(lambda: second.outlet.leads)
            async with engine(tmp_path / "a", url, server.url) as first:
                made = range(HEALTHY + FAULT)
                await seen([second, first], made, lambda at: window(at, refuses=at >= HEALTHY))
                (opened,) = await told(server, 1)
                assert (opened["event"], opened["where"]) == ("open", CAUSE)
                assert "Hit: 2 callers" in opened["text"]
                assert (second.outlet.leads, first.outlet.leads) == (True, False)
                await eventually(lambda: not second.outlet._bus._unsaved)
                if end == "cut off":
                    await second.outlet._bus.close()
                else:
                    second.graph.stop()
                await eventually(lambda: first.outlet.leads)
                assert not second.outlet.leads
                end_s = HEALTHY + FAULT
                await seen([first], range(end_s, end_s + 30), lambda at: window(at, refuses=True))
                await seen([first], range(end_s + 30, end_s + 400), window)
                await eventually(lambda: alerts(server)[-1]["event"] == "resolve")
    events = [each["event"] for each in alerts(server)]
    assert (events.count("open"), events.count("resolve")) == (1, 1)
    assert {each["key"] for each in alerts(server)} == {opened["key"]}


async def test_an_engine_that_is_killed_is_followed_by_one_that_knows_what_is_usual(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    """``kill -9`` amid a fault. The next goes on with the incident and with what was learnt: nothing is opened twice,
    nothing that fails is taken for usual, and it ends with the fault."""
    url = nats_server.url(query=SHORT)
    with HttpServer(lambda _: Reply(200)).running() as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.failing_engine", str(tmp_path / "a"), url, server.url,
            str(HEALTHY), str(FAULT), stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        assert await process.stdout.readline() == b"told\n"
        process.kill()
        await process.wait()
        (opened,) = await told(server, 1)
        async with engine(tmp_path / "b", url, server.url) as other:
            await eventually(lambda: other.outlet.leads)
            judge = other.outlet._watch._judge
            assert len(judge.detector) == EDGES
            ended = HEALTHY + FAULT
            await seen([other], range(ended, ended + 100), lambda at: window(at, refuses=True))
            assert len(judge.ill)
            assert {each["event"] for each in alerts(server)} <= {"open", "update"}
            await seen([other], range(ended + 100, ended + 400), window)
            await eventually(lambda: alerts(server)[-1]["event"] == "resolve")
    events = [each["event"] for each in alerts(server)]
    assert (events.count("open"), events.count("resolve")) == (1, 1)
    assert {each["key"] for each in alerts(server)} == {opened["key"]}


async def test_what_an_engine_kept_is_not_lost_when_the_server_forgets(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    """A server whose disk is new gets what the journal of the engine has."""
    with HttpServer(lambda _: Reply(200)).running() as server:
        async with engine(tmp_path, nats_server.url(query=QUERY), server.url) as only:
            await eventually(lambda: only.outlet.leads)
            await seen([only], range(HEALTHY + FAULT), lambda at: window(at, refuses=at >= HEALTHY))
            (opened,) = await told(server, 1)
        async with engine(tmp_path, nats_server.url("other", QUERY), server.url) as only:
            await eventually(lambda: only.outlet.leads and not only.outlet._bus._unsaved)
            kept = await only.outlet._bus.rows()
    assert kept[f"incident/{opened['key']}"]["state"] == "open"


async def test_an_engine_leads_also_while_it_still_reads_what_there_was(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    """One row after the other: on a machine that is busy, longer than a lease."""
    url = nats_server.url(query=SHORT)
    bus = IncidentBus(url)
    await bus.open()
    event = EdgeEvent(0.0, "new", "shop/web", "shop/db" * 100, 1)
    bus.save({f"event/{number}": msgspec.to_builtins(event) for number in range(2000)})
    saving = asyncio.create_task(bus.saving())
    await eventually(lambda: not bus._unsaved, 60)
    await end(saving)
    await bus.close()
    with HttpServer(lambda _: Reply(200)).running() as server:
        async with engine(tmp_path, url, server.url) as only:
            await eventually(lambda: only.outlet.leads, 30)
            assert only.outlet.incidents.book is not None
            assert len(only.outlet.incidents.book.events.kept()) == 2000


async def test_an_engine_watches_where_it_is_on(nats_server: NatsServer, tmp_path: Path) -> None:
    """Sinks get what they asked for all the same."""
    url, source, sink = nats_server.url(query=QUERY), ScriptedSource(), ScriptedSink()
    config = Config(trouble=TroubleConfig("on", str(tmp_path), tick_seconds=1))
    role = graphs.engine(config, url, configured({"kept": sink}, "flows"))
    async with running(agent(url, source)), running(role):
        await eventually((tmp_path / JOURNAL).exists)
        for _ in range(5):
            source.second(3)
        await eventually(lambda: role.ledger.stages["incidents"].delivered >= 1)
        await sink.wait_for(1)
    assert {batch.kind.plural for batch in sink.taken} == {"flows"}
    with pytest.raises(UsageError, match="in what deltas make"):
        graphs.engine(config, url, configured({"kept": sink}, "deltas"))
