"""The stores: on this machine, in Debian's ClickHouse, and in a current one."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clickhouse_server import ClickHouseServer
from tests.contract.store.sites import EmbeddedSite, SegmentSite, ServerSite, Site

MadeSite = Callable[[], Site]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """One for all tests."""
    server = ClickHouseServer(tmp_path_factory.mktemp("clickhouse") / "server")
    server.process.start()
    yield server
    server.process.kill()


@pytest.fixture(params=["segments", "server", "chdb"])
def made_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MadeSite]:
    """Makes stores that are empty; those in this process go with the test, and their files with them."""
    numbers = itertools.count()
    if request.param == "segments":
        yield lambda: SegmentSite(tmp_path / str(next(numbers)))
    elif request.param == "server":
        server = request.getfixturevalue("server")
        yield lambda: ServerSite(server)
    else:
        session = request.getfixturevalue("current_clickhouse")
        with ExitStack() as stack:

            def made() -> EmbeddedSite:
                site = EmbeddedSite(session, tmp_path)
                stack.callback(site.drop)
                return site

            yield made


@pytest.fixture
def site(made_site: MadeSite) -> Site:
    """A store that is empty."""
    return made_site()
