"""Sinks that speak to a server, or are one, are held to the contract; a new one joins with a class."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from engine.nats.address import connection_of
from engine.nats.connection import connect
from engine.nats.row_reader import RowRequest, show_rows
from engine.nats.sink import NatsConfig, NatsSink
from engine.nats.stream_reader import StreamReader
from model.kinds import kinds
from model.public import PublicRow
from sinks.clickhouse.sink import ClickHouseConfig, ClickHouseSink
from sinks.kafka.sink import KafkaConfig, KafkaSink
from sinks.otlp.sink import OtlpConfig, OtlpSink
from sinks.prometheus.sink import PrometheusSink
from sinks.webhook import WebhookConfig, WebhookSink
from tailrace.testing import Totals
from tests.clickhouse_server import ClickHouseServer
from tests.contract.sinks.behind_queue import SinkBehindQueue
from tests.contract.sinks.full_server import full_clickhouse, full_server
from tests.contract.sinks.rows_counted import count_rows
from tests.contract.sinks.scrapes import LIVES, ScrapedSink, Scrapes
from tests.http_server import HttpServer, Reply
from tests.kafka_cluster import KafkaCluster
from tests.nats_server import REASON_TO_SKIP, NatsServer
from tests.otlp_server import Collected, http_server


class TestNats(SinkBehindQueue):
    """Rows on a real server, as ``tailrace observe`` reads them."""

    sink_class, name = NatsSink, "nats"

    @pytest.fixture
    def output(self) -> Iterator[str]:
        """The URL of a server of its own."""
        if REASON_TO_SKIP:
            pytest.skip(REASON_TO_SKIP)
        server = NatsServer().start()
        yield server.url()
        server.remove()

    @pytest.fixture
    def full(self) -> Iterator[str]:
        with full_server() as url:
            yield url

    def make(self, output: str) -> NatsSink:
        return NatsSink(NatsConfig(output))

    async def read(self, output: str) -> Totals:
        return count_rows(await self._rows(output))

    async def text(self, output: str) -> str:
        return "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in await self._rows(output))

    async def _rows(self, url: str) -> list[dict[str, Any]]:
        """Those of every kind."""
        rows: list[PublicRow] = []
        client = await connect(connection_of(url))
        try:
            for public in (kind.public for kind in kinds()):
                if public and await StreamReader(client, public.stream).bounds() is not None:
                    request = RowRequest(public, list, 1_000_000)
                    await show_rows(connection_of(url), request, rows.extend, lambda _: None)
        finally:
            await client.close()
        return [each.row for each in rows]


class TestPrometheus(SinkBehindQueue):
    """Counters as a scrape has them, the last one ahead of the end."""

    sink_class, name = PrometheusSink, "prometheus"

    @pytest.fixture
    def output(self) -> Scrapes:
        """What was scraped, and where."""
        return Scrapes()

    def make(self, output: Scrapes) -> PrometheusSink:
        return ScrapedSink(output)

    async def read(self, output: Scrapes) -> Totals:
        found = {name: output.sum(f"tailrace_network_connections_{name}_total") for name in LIVES}
        return Totals(rows=output.rows, **found)

    async def text(self, output: Scrapes) -> str:
        return output.text


class TestClickHouse(SinkBehindQueue):
    """Rows of a real server; each test has a database of its own."""

    sink_class, name, json = ClickHouseSink, "clickhouse", False
    databases = itertools.count()

    @pytest.fixture
    def output(self, clickhouse: ClickHouseServer) -> tuple[ClickHouseServer, str]:
        return clickhouse, f"d{next(self.databases)}"

    @pytest.fixture
    def full(self) -> Iterator[tuple[HttpServer, str]]:
        with HttpServer(full_clickhouse).running() as web:
            yield web, "default"

    def make(self, output: tuple[ClickHouseServer | HttpServer, str]) -> ClickHouseSink:
        server, database = output
        password = ClickHouseServer.password
        return ClickHouseSink(ClickHouseConfig(server.url, password=password, database=database))

    async def read(self, output: tuple[ClickHouseServer, str]) -> Totals:
        totals = Totals()
        for table, (columns, _) in _TABLES.items():
            if self._there(output, table):
                sums = ", ".join(["count()", *(f"sum(toUInt64(`{column}`))" for column in columns)])
                found = output[0].ask(f"SELECT {sums} FROM {output[1]}.tailrace_{table}").split()
                names = ("rows", *_LIVES)[: len(found)]
                totals += Totals(dict(zip(names, map(int, found), strict=True)))
        return totals

    async def text(self, output: tuple[ClickHouseServer, str]) -> str:
        addresses = "IPv6NumToString(`{}`)"
        texts = [
            output[0].ask(
                f"SELECT *, {addresses.format(name)} FROM {output[1]}.tailrace_{table} FORMAT JSONEachRow"
            )
            for table, (_, name) in _TABLES.items()
            if name and self._there(output, table)
        ]
        return "".join(texts).replace("::ffff:", "")

    def _there(self, output: tuple[ClickHouseServer, str], table: str) -> bool:
        return output[0].ask(f"EXISTS TABLE {output[1]}.tailrace_{table}") == "1"


_LIVES = ("opened", "closed", "failed")


#: The columns to be summed up, and one with an address.
_TABLES = {
    "flows": ([f"connection.{life}" for life in _LIVES], "client.address"),
    "deltas": ([f"connection.{life}" for life in _LIVES], "network.local.address"),
    "workloads": ([f"connections.{life}" for life in _LIVES], ""),
    "requests": ([], "client.address"),
    "endpoints": ([], ""),
    "queries": ([], "client.address"),
    "listeners": ([], "network.local.address"),
    "drops": ([], "source.address"),
}


class TestOtlp(SinkBehindQueue):
    """Metrics and logs as the official classes read them; each row of workloads here has a round trip."""

    sink_class, name, reason = OtlpSink, "otlp", "server_refused"

    @pytest.fixture
    def output(self) -> Iterator[Collected]:
        with http_server() as collected:
            yield collected

    @pytest.fixture
    def full(self) -> Iterator[Collected]:
        with http_server(lambda _: Reply(507, b"no room")) as collected:
            yield collected

    def make(self, output: Collected) -> OtlpSink:
        return OtlpSink(OtlpConfig(output.url, "http", as_logs=True))

    async def read(self, output: Collected) -> Totals:
        totals = count_rows(map(_attributes, output.records()))
        for metric in output.metrics():
            if metric.name == "tailrace.network.rtt" or ".server." in metric.name:
                totals["rows"] += len(metric.exponential_histogram.data_points)
            elif metric.name.startswith("tailrace.network.connections."):
                totals[metric.name.rpartition(".")[2]] += sum(
                    point.as_int for point in metric.sum.data_points
                )
        return totals

    async def text(self, output: Collected) -> str:
        points = [point for metric in output.metrics() for point in metric.sum.data_points]
        return "".join(json.dumps(_attributes(item)) + "\n" for item in [*output.records(), *points])


def _attributes(item: Any) -> dict[str, Any]:
    """Those of a record or a point that are no lists and maps."""
    kinds = {each.key: (each.value, each.value.WhichOneof("value")) for each in item.attributes}
    return {
        name: getattr(value, kind)
        for name, (value, kind) in kinds.items()
        if kind not in ("array_value", "kvlist_value")
    }


class TestWebhook(SinkBehindQueue):
    """Lines that a server got."""

    sink_class, name, reason = WebhookSink, "webhook", "server_refused"

    @pytest.fixture
    def output(self) -> Iterator[HttpServer]:
        with HttpServer(lambda _: Reply()).running() as web:
            yield web

    @pytest.fixture
    def full(self) -> Iterator[HttpServer]:
        with HttpServer(lambda _: Reply(507)).running() as web:
            yield web

    def make(self, output: HttpServer) -> WebhookSink:
        return WebhookSink(WebhookConfig(output.url))

    async def read(self, output: HttpServer) -> Totals:
        return count_rows(map(json.loads, (await self.text(output)).splitlines()))

    async def text(self, output: HttpServer) -> str:
        return b"".join(post.body for post in output.posts).decode()


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaCluster]:
    """One for all tests."""
    cluster = KafkaCluster()
    yield cluster
    cluster.stop()


class TestKafka(SinkBehindQueue):
    """Messages of a cluster; each test has topics of its own."""

    sink_class, name = KafkaSink, "kafka"
    numbers = itertools.count()

    @pytest.fixture
    def output(self, kafka: KafkaCluster) -> tuple[KafkaCluster, str]:
        return kafka, f"t{next(self.numbers)}."

    def make(self, output: tuple[KafkaCluster, str]) -> KafkaSink:
        cluster, topic = output  # which keeps 5 MB of a partition
        return KafkaSink(KafkaConfig(cluster.servers, topic, compression="gzip"))

    async def read(self, output: tuple[KafkaCluster, str]) -> Totals:
        return count_rows(map(json.loads, (await self.text(output)).splitlines()))

    async def text(self, output: tuple[KafkaCluster, str]) -> str:
        cluster, topic = output
        messages = await cluster.read(*(f"{topic}{kind.plural}" for kind in kinds()))
        return "".join(f"{message.value.decode()}\n" for message in messages)
