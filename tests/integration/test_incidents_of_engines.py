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
from tests.nats_server import NatsServer, free_port, nats_server
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


@asynccontextmanager
async def served(url: str, folder: Path) -> AsyncIterator[str]:
    """The address of a page that asks the engines."""
    web = WebConfig(listen=f"127.0.0.1:{free_port()}", requests_per_second=1000)
    config = Config(web=web, trouble=TroubleConfig(path=str(folder)))
    async with running(graphs.serve(config, two_minutes(), url)):
        yield f"http://{web.listen}/api/v1"


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
    url, away = nats_server.url(query=QUERY), str(tmp_path / "nothing")
    with HttpServer(lambda _: Reply(200)).running() as hook:
        async with engine(tmp_path / "a", url, hook.url) as first:
            await eventually(lambda: first.outlet.leads)
            async with (
                engine(tmp_path / "b", url, hook.url) as second,
                served(url, tmp_path / "c") as page,
                aiohttp.ClientSession() as session,
            ):
                key = failing(first).key

                async def says(path: str, body: Any = None, code: int = 200) -> Any:
                    method = "GET" if body is None else "POST"
                    async with session.request(method, f"{page}/{path}", json=body) as answer:
                        assert answer.status == code, await answer.text()
                        return json.loads(await answer.read())

                listed = (await says("incidents"))["data"]
                assert (listed["watched"], listed["changeable"], listed["open"]) == (True, True, 1)
                assert listed["incidents"][0]["subject"] == "shop/checkout"
                known = (await says(f"incidents/{key}/acknowledge", {"who": "ada"}))["data"]
                assert known["incident"]["acknowledged"]["by"] == "ada"
                assert known["edges"] == [EDGE.replace(" > ", ">")]
                wrong = await says(
                    "silences",
                    {"where": "subject:x", "for": "1s", "reason": "x", "who": "a", "until": "2020-01-01"},
                    400,
                )
                assert wrong["error"]["hint"]

                bus = {"TAILRACE_BUS_URL": url, "TAILRACE_TROUBLE_PATH": away}
                assert "acknowledged  error" in await command(bus, "incidents")
                shown = await command(
                    {"TAILRACE_TROUBLE_PATH": away}, "incidents", "show", key, "--nats", url
                )
                assert "acknowledge  ada: " in shown
                made = await command(
                    bus,
                    "silence",
                    "workload:checkout",
                    "--for",
                    "2h",
                    "--reason",
                    "roll back",
                    "--who",
                    "eve",
                )
                assert "workload:checkout  roll back" in made
                (silence,) = (await says("silences"))["data"]["silences"]
                assert (silence["who"], silence["active"]) == ("eve", True)
                assert silence["id"] in await command(bus, "silence")
                assert "there is no incident" in await command(bus, "incidents", "ack", "no-such", code=2)

                await eventually(lambda: not first.outlet._bus._unsaved)
                first.graph.stop()
                await eventually(lambda: second.outlet.leads)
                assert (await says("silences"))["data"]["silences"] == [silence]
                await command(bus, "silence", "--lift", silence["id"])
                assert (await says("silences"))["data"]["silences"] == []
                assert (await says("incidents"))["data"]["incidents"][0]["id"] == key
                second.graph.stop()
                await eventually(lambda: not second.outlet.leads)
                nobody = (await says("incidents", code=503))["error"]
                assert nobody["message"].startswith("no engine keeps incidents on NATS at 127.0.0.1:")
                assert "trouble.enabled" in nobody["hint"]
                assert "no engine keeps incidents" in await command(bus, "incidents", code=1)


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
        aiohttp.ClientSession() as session,
        session.get(f"{page}/incidents") as answer,
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
