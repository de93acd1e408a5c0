"""SIGHUP: what looks for trouble takes over other targets and rules while it runs."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from actors.incidents.items import Change, Incident
from actors.incidents.message import Facts, alert_of
from alerts.config import AlertRuleConfig, AlertsConfig, AlertTargetConfig
from alerts.journal import JOURNAL, read
from engine.config import Config, TroubleConfig
from engine.trouble import IncidentsOutlet
from model.errors import UsageError
from model.ledger import Ledger
from tests.eventually import eventually
from tests.http_server import HttpServer, Reply
from tests.unit.engine.troubled import (
    BEGIN,
    alerts,
    running,
    told,
    window,
)


async def test_other_targets_are_taken_over_while_it_runs(tmp_path: Path) -> None:
    """What waits for one that stays goes on, of one that is gone nothing is kept; a missing file changes nothing."""
    alert = alert_of(Change("open", Incident("k", "shop/b", "reset", "error", 0.0), False), Facts())
    with (
        HttpServer(lambda _: Reply(503)).running() as away,
        HttpServer(lambda _: Reply(200)).running() as here,
        HttpServer(lambda _: Reply(200)).running() as there,
    ):
        targets = {
            name: AlertTargetConfig(name, "webhook", {"url": server.url})
            for name, server in (("gone", away), ("stays", away), ("moved", here))
        }
        config = Config(
            trouble=TroubleConfig(path=str(tmp_path)), alerts=AlertsConfig(list(targets.values()))
        )
        outlet = IncidentsOutlet(config, tmp_path, Ledger())
        async with outlet.opened():
            assert outlet.book is not None
            running = asyncio.create_task(outlet.run())
            outlet.book.outbox.offer(alert, targets)
            outlet.wake()
            await eventually(lambda: len(away.posts) == 2 and len(here.posts) == 1)
            broken = AlertTargetConfig(
                "x", "webhook", {"url": there.url, "secret_file": str(tmp_path / "no")}
            )
            with pytest.raises(UsageError):
                await outlet.reloaded(msgspec.structs.replace(config, alerts=AlertsConfig([broken])))()
            assert outlet.book.outbox.waiting("gone") == 1
            moved = [
                AlertTargetConfig(name, "webhook", {"url": there.url}) for name in ("stays", "moved", "new")
            ]
            await outlet.reloaded(msgspec.structs.replace(config, alerts=AlertsConfig(moved)))()
            second = msgspec.structs.replace(alert, revision=2, event="update")
            outlet.book.outbox.offer(second, ["moved", "new"])
            outlet.wake()
            await eventually(lambda: len(there.posts) == 3)
            running.cancel()
    kept = read(tmp_path / JOURNAL)
    assert {key.split("/")[1] for key in kept} == {"stays", "moved", "new"}
    assert not any(key.startswith("out/") for key in kept)
    assert len(here.posts) == 1


async def test_rules_are_taken_over_while_it_runs(tmp_path: Path) -> None:
    """One that stays goes on with what it counted, one that is new opens an incident, one that is gone ends.

    What has always failed is nothing to the detector.
    """
    stays = AlertRuleConfig("stays", "failed > 20% for 2m where ns:shop")
    gone = AlertRuleConfig("gone", "failed > 1% for 30s where server.workload:search")
    new = AlertRuleConfig("new", "failed > 10% for 30s where server.workload:checkout")
    with HttpServer(lambda _: Reply(200)).running() as server:
        async with running(tmp_path, server.url, stays, gone) as branch:
            for second in range(60):
                await branch.rows.put(window(second, refuses=True))
            await branch.done()
            assert not server.posts
            await branch.reload(stays, new)
            for second in range(60, 105):
                await branch.rows.put(window(second, refuses=True))
            (first,) = await told(server, 1)
            for second in range(105, 150):
                await branch.rows.put(window(second, refuses=True))
            _, then = await told(server, 2)
            assert (first["rules"], first["at"]) == (["new"], BEGIN + 100)
            assert (then["rules"], then["at"]) == (["new", "stays"], BEGIN + 110)
            assert first["where"] == {"server.version": "v2"}
            await branch.reload(gone)
            for at in range(150, 400):
                await branch.rows.put(window(at, refuses=True))
            await eventually(lambda: alerts(server)[-1]["event"] == "resolve")
