"""A server over the small fleet, asked as a browser and as a program would."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.unit.store.queries.fleets import NOW, two_minutes
from tests.unit.store.queries.rows_store import RowsStore
from web.config import WebConfig
from web.incident_answers import IncidentSource
from web.server import WebServer


@pytest.fixture(scope="session")
def store() -> RowsStore:
    return two_minutes()


@asynccontextmanager
async def served(
    store: Any, incidents: IncidentSource | None = None, **settings: Any
) -> AsyncIterator["Client"]:
    """A server on a port of its own."""
    told: dict[str, Any] = {"listen": "127.0.0.1:0", "requests_per_second": 1000}
    config = WebConfig(**(told | settings))
    server = WebServer(config, store, lambda: NOW, incidents)
    connector = aiohttp.TCPConnector(ssl=False)
    async with (
        server.running(),
        aiohttp.ClientSession(server.url, auto_decompress=True, connector=connector) as session,
    ):
        yield Client(server, session)


class Client:
    """Asks."""

    def __init__(self, server: WebServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    async def get(
        self, path: str, headers: Mapping[str, str] | None = None, **said: Any
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers, body."""
        words = {name.rstrip("_"): value for name, value in said.items()}
        async with self.session.get(path, params=words, headers=headers) as response:
            return response.status, response.headers, await response.read()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("tomato-42\n")
    return path
