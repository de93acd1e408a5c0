"""Incidents that engines keep, for people: on the page, over the API, and from a terminal, wherever they are."""

import asyncio
import json
import os
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from actors.incidents.items import Incident, Tick, Trouble
from engine import graphs
from engine.config import Config, TroubleConfig
from model.errors import TailraceError
from tests.eventually import eventually
from tests.http_server import HttpServer, Reply
from tests.integration.test_shared_incidents import QUERY, Engine, engine
from tests.nats_server import NatsServer, nats_server
from tests.ports import free_port
from tests.running_role import running
from tests.unit.store.queries.fleets import two_minutes
from web.config import WebConfig

__all__ = ["nats_server"]

EDGE = "shop/web > shop/checkout:8080"


def failing(engine: Engine) -> Incident:
    """An incident of the engine that leads, open since a minute."""
    book, now = engine.outlet.incidents.book, time.time()
    assert book is not None
    trouble = Trouble(
        "t", "shop/checkout", "reset", now - 60, 0.5, 0.0, 5, 10, frozenset({EDGE}), {"server.version": "v2"}
    )
    for at in range(6):
        book.tick(Tick(now - 60 + 10 * at, (trouble,)))
    (incident,) = book.incidents
    return incident


@dataclass
class Page:
    """A page that asks the engines.

    :param address: of its API.
    """

    address: str
    session: aiohttp.ClientSession

    async def says(self, path: str, body: Any = None, code: int = 200) -> Any:
        """What it answers; with a body, to a change."""
        method = "GET" if body is None else "POST"
        async with self.session.request(method, f"{self.address}/{path}", json=body) as answer:
            assert answer.status == code, await answer.text()
            return json.loads(await answer.read())

    async def silences(self) -> Any:
        """Those that it knows of."""
        return (await self.says("silences"))["data"]["silences"]


@asynccontextmanager
async def served(url: str, folder: Path) -> AsyncIterator[Page]:
    """While the block runs."""
    web = WebConfig(listen=f"127.0.0.1:{free_port()}", requests_per_second=1000)
    config = Config(web=web, trouble=TroubleConfig(path=str(folder)))
    async with running(graphs.serve(config, two_minutes(), url)), aiohttp.ClientSession() as session:
        yield Page(f"http://{web.listen}/api/v1", session)


async def command(environment: dict[str, str], *words: str, code: int = 0) -> str:
    """What it prints, or what it says is wrong."""
    line = [sys.executable, "-m", "tailrace", *words]
    run = await asyncio.to_thread(
        subprocess.run, line, capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert run.returncode == code, run.stderr
    return run.stderr if code else run.stdout


async def test_people_see_and_change_incidents_that_engines_keep(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    """By a page and by commands on machines that keep nothing; the next engine that leads has it all."""
    url = nats_server.url(query=QUERY)
    bus = {"TAILRACE_BUS_URL": url, "TAILRACE_TROUBLE_PATH": str(tmp_path / "nothing")}
    with HttpServer(lambda _: Reply(200)).running() as hook:
        async with engine(tmp_path / "a", url, hook.url) as first:
            await eventually(lambda: first.outlet.leads)
            async with engine(tmp_path / "b", url, hook.url) as second, served(url, tmp_path / "c") as page:
                key = failing(first).key
                await acknowledged(page, key)
                silence = await silenced(page, bus, key)
                await eventually(lambda: not first.outlet._bus._unsaved)
                first.graph.stop()
                await eventually(lambda: second.outlet.leads)
                assert await page.silences() == [silence]
                await command(bus, "silence", "--lift", silence["id"])
                assert await page.silences() == []
                (incident,) = (await page.says("incidents"))["data"]["incidents"]
                assert (incident["id"], incident["acknowledged"]["by"]) == (key, "ada")
                second.graph.stop()
                await eventually(lambda: not second.outlet.leads)
                nobody = (await page.says("incidents", code=503))["error"]
                assert nobody["message"].startswith("no engine keeps incidents on NATS at 127.0.0.1:")
                assert "trouble.enabled" in nobody["hint"]
                assert "no engine keeps incidents" in await command(bus, "incidents", code=1)


async def acknowledged(page: Page, key: str) -> None:
    """On the page, by ada."""
    listed = (await page.says("incidents"))["data"]
    assert (listed["watched"], listed["changeable"], listed["open"]) == (True, True, 1)
    assert listed["incidents"][0]["subject"] == "shop/checkout"
    known = (await page.says(f"incidents/{key}/acknowledge", {"who": "ada"}))["data"]
    assert known["incident"]["acknowledged"]["by"] == "ada"
    assert known["edges"] == [EDGE.replace(" > ", ">")]


async def silenced(page: Page, bus: dict[str, str], key: str) -> Any:
    """The silence that eve made from a terminal, as the page has it."""
    past = {"where": "subject:x", "for": "1s", "reason": "x", "who": "a", "until": "2020-01-01"}
    assert (await page.says("silences", past, 400))["error"]["hint"]
    assert "acknowledged  error" in await command(bus, "incidents")
    away = {"TAILRACE_TROUBLE_PATH": bus["TAILRACE_TROUBLE_PATH"]}
    shown = await command(away, "incidents", "show", key, "--nats", bus["TAILRACE_BUS_URL"])
    assert "acknowledge  ada: " in shown
    words = ("workload:checkout", "--for", "2h", "--reason", "roll back", "--who", "eve")
    assert "workload:checkout  roll back" in await command(bus, "silence", *words)
    (silence,) = await page.silences()
    assert (silence["who"], silence["active"]) == ("eve", True)
    assert silence["id"] in await command(bus, "silence")
    assert "there is no incident" in await command(bus, "incidents", "ack", "no-such", code=2)
    return silence


async def test_a_run_of_this_machine_goes_before_a_bus_without_engines(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    """A configuration may say a bus all the same: its agents'."""
    from alerts.journal import JOURNAL, Journal

    journal = Journal(tmp_path / JOURNAL)
    kept = {"TAILRACE_BUS_URL": nats_server.url(), "TAILRACE_TROUBLE_PATH": str(tmp_path)}
    assert await command(kept, "incidents") == "no incidents\n"
    journal.close()
    assert "no engine keeps incidents" in await command(kept, "incidents", code=1)


async def test_a_page_is_served_also_while_the_bus_is_away(tmp_path: Path) -> None:
    url = f"nats://127.0.0.1:{free_port()}"
    async with (
        served(url, tmp_path) as page,
        page.session.get(f"{page.address}/incidents") as answer,
    ):
        assert answer.status == 503
        assert "cannot be asked for now" in await answer.text()


def test_errors_are_those_of_people_or_of_the_place() -> None:
    """Whoever asks gets them as they were raised."""
    from engine.nats.incident_requests import Answer, Kept, packed, refusal_of, request_of

    assert refusal_of(TailraceError("full", "wait")) == Answer(None, "full", "wait")
    with pytest.raises(TailraceError, match="no request about incidents"):
        request_of("tailrace.incidents.change", b"\x80")
    assert request_of("x.read", msgspec.msgpack.encode({"prefixes": ["a/"]})) == Kept(["a/"])
    much = [os.urandom(1000) for _ in range(10)]
    assert b"raise max_payload" in zlib.decompress(packed(Answer(much), 1000))
