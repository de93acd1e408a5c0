"""From windows of rows to a webhook: one incident for a version that refuses, explained, delivered, and resolved."""

import asyncio
import getpass
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from actors.detect.symptoms import SYMPTOMS
from actors.incidents.items import Tick, Trouble
from actors.incidents.message import WORDS, Facts, alert_of
from actors.items import Window
from actors.trouble.troubles import SPOKEN
from alerts.book import Book
from alerts.config import AlertRuleConfig, AlertsConfig, AlertTargetConfig
from alerts.journal import JOURNAL, Journal, read
from alerts.routing import Routing, Wishes
from engine import graphs
from engine.config import Config, TroubleConfig, load_config, unwatched
from engine.incident_source import WrittenIncidents
from engine.stored import watches_trouble
from engine.trouble import HABITS, ILL, WHOLE
from tests.configured import configured
from tests.eventually import eventually
from tests.http_server import HttpServer, Reply
from tests.scripted_sink import ScriptedSink
from tests.scripted_source import ScriptedSource
from tests.unit.engine.troubled import (
    BEGIN,
    CAUSE,
    FAULT,
    HEALTHY,
    ONLY,
    OPENED,
    TABLE,
    alerts,
    kept,
    lost,
    main_output,
    running,
    said_by_command,
    told,
    window,
)
from tests.unit.store.queries.fleets import two_minutes
from web.config import WebConfig
from web.server import WebServer


async def test_a_rule_of_the_user_opens_an_incident_that_is_explained(tmp_path: Path) -> None:
    """Without any habit; of four rules one is broken, by both clients, and all of it is one incident."""
    rules = [
        AlertRuleConfig("refused", "failed > 20% for 30s where ns:shop", severity="critical"),
        AlertRuleConfig("elsewhere", "failed > 1% where server.workload:search"),
        AlertRuleConfig("resets", "reset > 1% by edge"),
        AlertRuleConfig("budget", slo="99.99% of connects ok over 30d where ns:bank"),
    ]
    with HttpServer(lambda _: Reply(200)).running() as server:
        async with running(tmp_path, server.url, *rules, where="rule:refused") as (rows, *_):
            for second in range(60):
                await rows.put(window(second, refuses=second >= 10))
            (opened,) = await told(server, 1)
            for second in range(60, 400):
                await rows.put(window(second))
            await eventually(lambda: alerts(server)[-1]["event"] == "resolve")
        keys = {alert["key"] for alert in alerts(server)}
    assert [opened[name] for name in ("event", "subject", "symptom")] == OPENED
    assert (opened["severity"], opened["rules"], opened["since"]) == ("critical", ["refused"], BEGIN + 10)
    assert (opened["at"], opened["where"]) == (BEGIN + 40, CAUSE)
    lines = opened["text"].splitlines()
    said = "CRITICAL shop/checkout: 45 % of connects failed (rule refused: at most 20 %) since "
    assert lines[0].startswith(said)
    assert lines[1].startswith(ONLY)
    assert "Rules: refused." in lines
    assert keys == {opened["key"]}


@pytest.mark.parametrize("end", ["stopped", "killed"])
async def test_one_version_that_refuses_is_one_incident_over_a_restart(end: str, tmp_path: Path) -> None:
    """Two clients are hit by the same cause; a restart in its midst opens nothing twice, and sees its end."""
    with HttpServer(lambda _: Reply(200)).running() as server:
        async with running(tmp_path / "stopped", server.url) as (rows, *_):
            for second in range(HEALTHY + FAULT):
                await rows.put(window(second, refuses=second >= HEALTHY))
            (opened,) = await told(server, 1)
            await eventually(lambda: "said/hook" in (tmp_path / "stopped" / JOURNAL).read_text())
            shutil.copytree(tmp_path / "stopped", tmp_path / "killed")  # what a kill now would leave
        assert (tmp_path / "killed" / ILL).exists()
        folder = tmp_path / end
        assert [opened[name] for name in ("event", "subject", "symptom")] == OPENED
        assert opened["where"] == CAUSE
        assert opened["since"] == BEGIN + HEALTHY
        assert opened["at"] <= BEGIN + HEALTHY + 60
        assert opened["text"].splitlines()[1].startswith(f"{ONLY} (90 % bad; others 0 %)")
        assert "Hit: 2 callers" in opened["text"]
        shown = main_output(folder).splitlines()[1].split()
        assert shown[:2] == ["open", "critical"]
        assert shown[-3:] == ["server.workload=shop/checkout", "server.version=v2", opened["key"]]
        (said,) = json.loads(main_output(folder, "-o", "json"))["incidents"]
        assert (said["key"], said["where"], said["edge_count"]) == (opened["key"], CAUSE, 2)
        async with running(folder, server.url) as (rows, *_):
            for second in range(HEALTHY + FAULT + 30, HEALTHY + FAULT + 600):
                await rows.put(window(second))
            await eventually(lambda: alerts(server)[-1]["event"] == "resolve")
    resolved, events = alerts(server)[-1], [each["event"] for each in alerts(server)]
    assert (events.count("open"), events.count("resolve")) == (1, 1)
    assert {each["key"] for each in alerts(server)} == {opened["key"]}
    assert resolved["where"] == CAUSE
    assert resolved["text"].splitlines()[1].startswith(f"{ONLY} (90 % bad"), "also what was known before"
    assert [incident["state"] for incident in kept(folder)] == ["resolved"]


@pytest.mark.parametrize("gap", ["no windows", "empty windows", "lossy windows"])
async def test_silence_resolves_nothing(gap: str, tmp_path: Path) -> None:
    """It is said once that there is no data; the incident stays open."""
    with HttpServer(lambda _: Reply(200)).running() as server:
        async with running(tmp_path, server.url) as (rows, done, _):
            end = HEALTHY + FAULT
            for second in range(end):
                await rows.put(window(second, refuses=second >= HEALTHY))
            await told(server, 1)
            for second in range(end, end + 1200):
                if gap == "lossy windows":
                    await rows.put(lost(second * 20))
                if gap != "no windows":
                    await rows.put(window(second, silent=gap == "empty windows"))
            for second in range(end + 1200, end + 1220):
                await rows.put(window(second, refuses=True))
            await done()
    assert "resolve" not in [alert["event"] for alert in alerts(server)]
    if gap != "no windows":
        assert ["No data since" in alert["text"] for alert in alerts(server)].count(True) == 1
    assert [incident["state"] for incident in kept(tmp_path)] == ["open"]


def test_every_symptom_has_a_name_in_messages() -> None:
    assert set(SPOKEN) == {symptom.name for symptom in SYMPTOMS}
    assert set(SPOKEN.values()) <= set(WORDS)


async def test_health_is_no_incident(tmp_path: Path) -> None:
    with HttpServer(lambda _: Reply(200)).running() as server:
        async with running(tmp_path, server.url) as (rows, *_):
            for second in range(HEALTHY):
                await rows.put(window(second))
    assert not server.posts
    assert not kept(tmp_path)


async def test_an_edge_that_falls_silent_is_an_event_and_no_alarm(tmp_path: Path) -> None:
    """As is one that comes again. Others go on, so that silence is known to be one."""

    def without_search(second: int) -> Window:
        whole = window(second)
        (batch,) = whole.batches
        others = batch.columns["server.workload.index"] != TABLE.index(TABLE[7])
        return Window(
            whole.number,
            (replace(batch, columns={name: column[others] for name, column in batch.columns.items()}),),
        )

    with HttpServer(lambda _: Reply(200)).running() as server:
        async with running(tmp_path, server.url) as (rows, *_):
            for second in range(1600):
                silent = 900 <= second < 1500
                await rows.put(without_search(second) if silent else window(second))
        assert not server.posts
    events = [value for key, value in read(tmp_path / JOURNAL).items() if key.startswith("event/")]
    found = {(event["what"], event["client"], event["server"]) for event in events}
    callers = ("shop/web", "shop/app")
    assert found == {(what, who, "shop/search") for what in ("vanished", "returned") for who in callers}
    assert kept(tmp_path) == []


async def test_people_acknowledge_and_silence_from_a_terminal(tmp_path: Path) -> None:
    """While it runs, by the page's address; what they did is in the journal when the command ends."""
    journal = Journal(tmp_path / JOURNAL)
    book = Book(journal, Routing({"hook": Wishes()}), lambda change: alert_of(change, Facts()))
    trouble = Trouble("t", "shop/b", "reset", 0.0, 0.5, 0.0, 5, 10, frozenset({"shop/a > shop/b:1"}))
    for at in range(30):
        book.tick(Tick(float(at), (trouble,)))
    (incident,) = book.incidents
    config = WebConfig(listen="127.0.0.1:0", requests_per_second=1000)
    incidents = WrittenIncidents(lambda: book, lambda: None)
    async with WebServer(config, two_minutes(), incidents=incidents).running() as server:

        async def says(*words: str) -> str:
            asked = (*words, "--server", server.url)
            return await asyncio.to_thread(said_by_command, tmp_path, *asked)

        told = await says("incidents", "ack", incident.key, "--who", "ada")
        assert told.startswith(f"{incident.key} is acknowledged by ada at ")
        made = await says("silence", "workload:b", "symptom:reset", "--for", "2h", "--reason", "roll back")
        (silence,) = book.incidents.silences
        assert made.splitlines()[1].startswith(f"{silence.id}  holds")
        assert (silence.where, silence.reason) == ("workload:b symptom:reset", "roll back")
        assert silence.who == getpass.getuser()
        assert silence.id in await says("silence")
        shown = await says("incidents", "show", incident.key)
        assert "ERROR shop/b: 50 % of connections reset" in shown
        assert "acknowledge  ada: " in shown
        assert "shop/a > shop/b:1" in shown
        assert "acknowledged  error" in await says("incidents")
        assert await says("silence", "--lift", silence.id) == f"{silence.id} is lifted\n"
        assert await says("silence") == "no silences\n"
    assert [value["acknowledged_by"] for value in kept(tmp_path)] == ["ada"]


async def test_run_watches_where_it_is_on(tmp_path: Path) -> None:
    """Sinks get what they asked for all the same; the detector sees workloads that nobody else wants."""
    source, sink = ScriptedSource(), ScriptedSink()
    quiet = {"TAILRACE_DOCKER_ENABLED": "off", "TAILRACE_KUBERNETES_ENABLED": "off"}
    config = load_config(
        None, quiet | {"TAILRACE_TROUBLE_ENABLED": "on", "TAILRACE_TROUBLE_PATH": str(tmp_path)}
    )
    role, ready = graphs.run(config, configured({"kept": sink}, "flows"), source), asyncio.Event()
    running = asyncio.create_task(role.run(ready))
    await ready.wait()
    for _ in range(20):
        source.second(3)
    await sink.wait_for(20)
    await eventually(lambda: role.ledger.stages["incidents"].delivered >= 1)
    role.stop()
    await running
    assert {batch.kind.plural for batch in sink.taken} == {"flows"}
    assert role.ledger.stages["detector"].delivered >= 1
    assert all((tmp_path / name).stat().st_size for name in (WHOLE, HABITS))
    assert main_output(tmp_path) == "no incidents\n"


def test_what_is_off_is_not_loaded() -> None:
    """Neither is it a part of the graph of ``run``."""
    code = (
        "import sys; from engine import graphs; from engine.config import Config;"
        "from tests.scripted_source import ScriptedSource; from tests.scripted_sink import ScriptedSink;"
        "from tests.configured import configured;"
        "role = graphs.run(Config(), configured({'kept': ScriptedSink()}, 'workloads'), ScriptedSource());"
        "print(*role.graph.statistics()); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    actors, modules = (set(line.split()) for line in done.stdout.splitlines())
    assert "workloads" in actors
    assert not {"detect", "incidents"} & actors
    assert not {"engine.trouble", "actors.trouble.watch", "actors.detect.detector", "alerts.book"} & modules


def test_auto_looks_for_trouble_where_nobody_else_does(tmp_path: Path) -> None:
    """With targets there is no silent no: the start is refused."""
    config = Config(trouble=TroubleConfig("auto", str(tmp_path / "trouble")))
    told = msgspec.structs.replace(config, alerts=AlertsConfig([AlertTargetConfig("hook", "webhook")]))
    assert watches_trouble(config) == (True, "")
    other = Journal(tmp_path / "trouble" / JOURNAL)
    looks, why_not = watches_trouble(config)
    assert (looks, "another process writes" in why_not) == (False, True)
    assert watches_trouble(told) == (True, "")
    other.close()
    (tmp_path / "file").touch()
    looks, why_not = watches_trouble(Config(trouble=TroubleConfig("auto", str(tmp_path / "file"))))
    assert (looks, "cannot use" in why_not) == (False, True)
    assert watches_trouble(Config(trouble=TroubleConfig("off"))) == (False, "")


def test_who_looks_beside_a_run_leaves_trouble_to_it() -> None:
    rules = {
        "trouble": {"enabled": "on"},
        "alerts": {"rules": [{"name": "r", "alert": "failed > 5% for 30s"}]},
    }
    config = unwatched(msgspec.convert(rules, Config))
    assert (config.trouble.enabled, config.alerts.rules) == ("off", [])
