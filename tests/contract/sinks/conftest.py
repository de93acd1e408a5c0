"""Servers that several sinks write to."""

from collections.abc import Iterator

import pytest

from tests.clickhouse_server import ClickHouseServer


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """One server for all tests."""
    server = ClickHouseServer(tmp_path_factory.mktemp("clickhouse"))
    server.process.start()
    yield server
    server.process.kill()
