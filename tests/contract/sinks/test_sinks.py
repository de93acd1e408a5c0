"""Sinks that write by themselves are held to the contract; a new one joins with a class."""

import asyncio
import itertools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from engine.plugins.sinks import sink_names
from model.addresses import address_text
from model.kind import Kind
from sinks.console.sink import ConsoleConfig, ConsoleSink
from sinks.jsonl.sink import JsonlConfig, JsonlSink
from sinks.parquet.sink import ParquetConfig, ParquetSink
from store.config import StoreConfig
from store.sink import StoreSink
from tailrace.testing import Totals, make_flows
from tests.clickhouse_server import ClickHouseServer
from tests.contract.sinks import test_server_sinks
from tests.contract.sinks.behind_queue import SinkBehindQueue
from tests.contract.sinks.full_server import full_clickhouse
from tests.contract.sinks.rows_counted import count_rows
from tests.contract.sinks.stored_rows import CountingStoreSink, StoredRows
from tests.full_disk import small_disk
from tests.http_server import HttpServer

__all__ = ["test_server_sinks"]  # its classes are counted below


def test_every_installed_sink_is_held_to_the_contract() -> None:
    """The suite leaves out no sink that the entry points name."""
    assert sorted(suite.name for suite in SinkBehindQueue.__subclasses__()) == sink_names()


class TestJsonl(SinkBehindQueue):
    """JSON lines in a file."""

    sink_class, name = JsonlSink, "jsonl"

    def make(self, output: Path) -> JsonlSink:
        return JsonlSink(JsonlConfig(str(output)))

    async def read(self, output: Path) -> Totals:
        lines = map(json.loads, (await self.text(output)).splitlines())
        return count_rows(line for line in lines if line["kind"] != "ledger")

    async def text(self, output: Path) -> str:
        return await asyncio.to_thread(output.read_text)

    @pytest.fixture
    def full(self) -> Path:
        return Path("/dev/full")


class TestConsole(SinkBehindQueue):
    """Plain lines in a file."""

    sink_class, name, json = ConsoleSink, "console", False

    @pytest.fixture
    def output(self, tmp_path: Path) -> Iterator[tuple[Path, int]]:
        """A path, and a descriptor to write to it."""
        path = tmp_path / "output"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        yield path, descriptor
        os.close(descriptor)

    @pytest.fixture
    def full(self) -> Iterator[tuple[Path, int]]:
        path = Path("/dev/full")
        descriptor = os.open(path, os.O_WRONLY)
        yield path, descriptor
        os.close(descriptor)

    def make(self, output: tuple[Path, int]) -> ConsoleSink:
        return ConsoleSink(ConsoleConfig(), output[1])

    async def read(self, output: tuple[Path, int]) -> Totals:
        totals = Totals()
        for line in (await self.text(output)).splitlines():
            if " summary " in line:
                found = re.findall(r" (rows|opened|closed|failed)=(\d+)", line)
                totals.update({name: int(number) for name, number in found})
        return totals

    async def text(self, output: tuple[Path, int]) -> str:
        return await asyncio.to_thread(output[0].read_text)


class TestParquet(SinkBehindQueue):
    """Files as pyarrow reads them."""

    sink_class, name = ParquetSink, "parquet"

    @pytest.fixture
    def full(self, tmp_path: Path) -> Iterator[Path]:
        with small_disk(tmp_path / "full", 4096) as folder:
            yield folder

    def make(self, output: Path) -> ParquetSink:
        return ParquetSink(ParquetConfig(str(output)))

    async def read(self, output: Path) -> Totals:
        return count_rows(await asyncio.to_thread(parquet_rows, output))

    async def text(self, output: Path) -> str:
        rows = await asyncio.to_thread(parquet_rows, output)
        return "".join(json.dumps(row, default=_readable) + "\n" for row in rows)


class TestStore(SinkBehindQueue):
    """Sums of workloads, as a reader of the folder or of the server finds them while it is written."""

    sink_class, name = StoreSink, "store"
    databases = itertools.count()

    @pytest.fixture(params=["folder", "server"])
    def output(self, request: pytest.FixtureRequest, tmp_path: Path) -> StoredRows:
        """Where it is, and how many rows were flushed."""
        if request.param == "folder":
            return StoredRows(StoreConfig(str(tmp_path / "output")))
        server: ClickHouseServer = request.getfixturevalue("clickhouse")
        url = f"clickhouse://127.0.0.1:{server.port}/store{next(self.databases)}"
        return StoredRows(StoreConfig(url=url, password=server.password))

    @pytest.fixture(params=["folder", "server"])
    def full(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoredRows]:
        if request.param == "server":
            with HttpServer(full_clickhouse).running() as web:
                yield StoredRows(StoreConfig(url=web.url.replace("http", "clickhouse", 1)))
            return
        with small_disk(tmp_path / "full", 4096) as folder:
            (folder / "filling").write_bytes(bytes(4096))
            yield StoredRows(StoreConfig(str(folder)))

    def make(self, output: StoredRows) -> StoreSink:
        return CountingStoreSink(output)

    async def read(self, output: StoredRows) -> Totals:
        return await asyncio.to_thread(output.totals)

    async def text(self, output: StoredRows) -> str:
        return await asyncio.to_thread(output.names)

    @pytest.mark.parametrize(("ipv6", "shown"), [(0.0, "10.7.7.7"), (1.0, "2001:db8::7:707")])
    def test_addresses_are_text(self, kind: Kind, output: StoredRows, ipv6: float, shown: str) -> None:
        """It keeps none of single connections."""
        self._run(self._delivers(kind, output, make_flows(5, ipv6=ipv6)))
        assert shown not in output.names()


def parquet_rows(folder: Path) -> list[dict[str, Any]]:
    """Those of all files that are whole."""
    tables = [pq.read_table(path, partitioning=None) for path in sorted(folder.rglob("*.parquet"))]
    return [row for table in tables for row in table.to_pylist()]


def _readable(value: bytes) -> str:
    """Addresses as text."""
    return address_text(value)
