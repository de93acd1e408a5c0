"""Two engines write to one ClickHouse, and ``tailrace serve`` answers from it: sums are those that were sent."""

import asyncio
import json
import os
import shutil
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from engine import graphs
from engine.config import Config, KeptConfig
from engine.role import Role
from engine.stored import open_store, server_sink
from store.reading import Window
from tests.clickhouse_server import ClickHouseServer
from tests.eventually import eventually
from tests.integration.test_roles import agent
from tests.nats_server import NatsServer, nats_server
from tests.running_role import running
from tests.scripted_source import ScriptedSource

__all__ = ["nats_server"]

TAILRACE = shutil.which("tailrace", path=Path(sys.executable).parent) or "tailrace"
#: Those of scripted sources.
WINDOW = Window(1000, 1300)
TIMES = {"from": "1970-01-01T00:16:40Z", "to": "1970-01-01T00:21:40Z"}
#: Leases that no busy machine lets lapse: what another engine joins anew may be there twice.
QUERY = "lease_seconds=30&partitions=4"


@pytest.fixture
def clickhouse(tmp_path: Path) -> Iterator[ClickHouseServer]:
    """One that runs."""
    server = ClickHouseServer(tmp_path / "server")
    server.process.start()
    yield server
    server.process.kill()


def config_of(server: ClickHouseServer) -> Config:
    """Of engines and readers."""
    url = f"clickhouse://127.0.0.1:{server.port}/traffic"
    return Config(store=KeptConfig(url=url, password=server.password))


def engine(config: Config, url: str) -> Role:
    return graphs.engine(config, url, server_sink(config, {}))


def stored(config: Config) -> int:
    """Bytes of all edges."""
    store = open_store(config.store)
    try:
        measures = store.edges(WINDOW).measures
        return int(measures["bytes"].sum() + measures["reply_bytes"].sum())
    finally:
        store.close()


@asynccontextmanager
async def serving(server: ClickHouseServer) -> AsyncIterator[tuple[str, list[str]]]:
    """``tailrace serve`` on a port of its own, and what it says."""
    environment = {
        "TAILRACE_STORE_URL": config_of(server).store.url,
        "TAILRACE_STORE_PASSWORD": server.password,
    }
    command = [TAILRACE, "serve", "--listen", "127.0.0.1:0"]
    said: list[str] = []
    process = await asyncio.create_subprocess_exec(*command, stderr=PIPE, env=os.environ | environment)
    assert process.stderr is not None
    try:
        said.append((await asyncio.wait_for(process.stderr.readline(), 30)).decode())
        assert said[0].startswith("tailrace: the map is at http://127.0.0.1:"), said
        yield said[0].split()[-1], said
    finally:
        process.terminate()
        said.append((await process.stderr.read()).decode())
        assert await process.wait() == 0


async def asked(url: str, question: str) -> tuple[int, str]:
    """Status and body."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}/api/v1/{question}", params=TIMES) as response,
    ):
        return response.status, await response.text()


async def event_of(stream: aiohttp.ClientResponse, name: str) -> None:
    """Returns when the stream says it next."""
    async with asyncio.timeout(60):
        while f"event: {name}\n".encode() != await stream.content.readline():
            pass


async def test_two_engines_and_a_server_that_is_killed(
    nats_server: NatsServer, clickhouse: ClickHouseServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing that was acknowledged is lost, nothing is there twice, and who asks meanwhile is told what to do."""
    url, config = nats_server.url(query=QUERY), config_of(clickhouse)
    sources = [ScriptedSource(f"node-{number}", f"boot-{number}") for number in range(2)]

    def moved() -> int:
        """Bytes: the model of a kernel receives two for each that it sends."""
        return 3 * sum(source.sent for source in sources)

    engines = [engine(config, url) for _ in range(2)]
    async with (
        running(engines[0]),
        running(engines[1]),
        running(agent(url, sources[0])),
        running(agent(url, sources[1])),
        serving(clickhouse) as (page, said),
        aiohttp.ClientSession() as session,
        session.get(f"{page}/api/v1/stream") as stream,
    ):
        for round_ in range(3):
            for source in sources:
                source.second(200)
            if round_ == 1:
                clickhouse.process.kill()
                for source in sources:
                    source.second(200)
                await eventually(lambda: "cannot reach ClickHouse" in caplog.text, 60)
                status, body = await asked(page, "edges")
                assert status >= 500
                assert "start the server, or correct store.url" in body
                await event_of(stream, "error")
                await asyncio.to_thread(clickhouse.process.start)
                await event_of(stream, "map")
            async with asyncio.timeout(60):
                while await asyncio.to_thread(stored, config) < moved():
                    pass
        status, body = await asked(page, "edges")
        assert status == 200, body
        rows = json.loads(body)["data"]["rows"]
        assert (
            sum(row["edge"]["bytes"] + row["edge"]["reply_bytes"] for row in rows)
            == moved()
            == 3 * 200 * 2 * 4
        )
    assert stored(config) == moved()
    assert clickhouse.ask("SELECT uniqExact(writer) FROM traffic.rows_1s") == "2"
    assert not any(each.ledger.stages["sink.store"].dropped for each in engines)
    assert clickhouse.password not in body + "".join(said) + caplog.text
