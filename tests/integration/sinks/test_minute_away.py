"""A server that is away for a minute (``make soak``; else for seconds), with the default limits of sinks."""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from engine.nats.address import connection_of
from engine.nats.row_reader import RowRequest, show_rows
from engine.nats.sink import NatsConfig, NatsSink
from model.kinds.flow import FLOW
from model.ledger import Ledger
from model.public import PublicRow
from model.sink import Sink
from sinks.clickhouse.sink import ClickHouseConfig, ClickHouseSink
from sinks.kafka.sink import KafkaConfig, KafkaSink
from sinks.limits import Limits
from sinks.otlp.sink import OtlpConfig, OtlpSink
from sinks.webhook import WebhookConfig, WebhookSink
from tailrace.testing import make_flows
from tailrace.testing.deltas import WINDOW
from tests.clickhouse_server import ClickHouseServer
from tests.configured import make_fan_out
from tests.http_server import HttpServer, Reply
from tests.kafka_cluster import KafkaCluster
from tests.nats_server import NatsServer
from tests.otlp_server import Collected, grpc_server
from tests.ports import free_port

AWAY_SECONDS: Final = 60 if os.environ.get("SOAK") else 3
ROWS: Final = 50


class Site(NamedTuple):
    """A sink, and the end and the return of its server.

    :param ids: of the connections whose rows it has, in any order, each as often as it came.
    :param again: rows that may come twice: of the one request that was under way, where the server does not look at
        its number.
    """

    sink: Sink
    leave: Callable[[], object]
    come_back: Callable[[], object]
    ids: Callable[[], Awaitable[list[str]]]
    again: int = 0


class InProcess:
    """A server of this process, which may come back to its port."""

    def __init__(self, running: Callable[[], AbstractContextManager[object]]) -> None:
        self._running = running
        self._stack = ExitStack()

    def start(self) -> None:
        self._stack.enter_context(self._running())

    def stop(self) -> None:
        self._stack.close()


@asynccontextmanager
async def clickhouse(folder: Path) -> AsyncIterator[Site]:
    server = ClickHouseServer(folder / "server")
    server.process.start()

    async def ids() -> list[str]:
        found = server.ask("SELECT lower(hex(`connection.id`)) FROM tailrace_flows").split()
        return [number.zfill(16) for number in found]

    sink = ClickHouseSink(ClickHouseConfig(server.url, password=server.password))
    try:
        yield Site(sink, server.process.kill, server.process.start, ids)
    finally:
        server.process.kill()


@asynccontextmanager
async def nats(_: Path) -> AsyncIterator[Site]:
    server = NatsServer().start()

    async def ids() -> list[str]:
        return [row["connection.id"] for row in await stored(server)]

    try:
        yield Site(NatsSink(NatsConfig(server.url())), server.kill, server.start, ids)
    finally:
        server.remove()


async def stored(server: NatsServer) -> list[dict[str, Any]]:
    """The rows on it, as ``tailrace observe`` reads them."""
    rows: list[PublicRow] = []
    assert FLOW.public is not None
    request = RowRequest(FLOW.public, list, 1_000_000)
    await show_rows(connection_of(server.url()), request, rows.extend, lambda _: None)
    return [each.row for each in rows]


@asynccontextmanager
async def kafka(_: Path) -> AsyncIterator[Site]:
    cluster = KafkaCluster()
    stop, go_on = (partial(cluster.signal, number) for number in (signal.SIGSTOP, signal.SIGCONT))

    async def ids() -> list[str]:
        return [json.loads(message.value)["connection.id"] for message in await cluster.read("away.flows")]

    try:
        yield Site(KafkaSink(KafkaConfig(cluster.servers, "away.")), stop, go_on, ids, again=2 * ROWS)
    finally:
        cluster.stop()


@asynccontextmanager
async def webhook(_: Path) -> AsyncIterator[Site]:
    port, web = free_port(), HttpServer(lambda _: Reply())
    server = InProcess(lambda: web.running(port))
    server.start()

    async def ids() -> list[str]:
        return [json.loads(line)["connection.id"] for post in web.posts for line in post.body.splitlines()]

    try:
        yield Site(WebhookSink(WebhookConfig(f"http://127.0.0.1:{port}")), server.stop, server.start, ids)
    finally:
        server.stop()


@asynccontextmanager
async def otlp(_: Path) -> AsyncIterator[Site]:
    port, taken = free_port(), list[Collected]()

    @contextmanager
    def running() -> Iterator[None]:
        with grpc_server(port=port) as collected:
            taken.append(collected)
            yield

    async def ids() -> list[str]:
        records = (record for collected in taken for record in collected.records())
        attributes = (each for record in records for each in record.attributes)
        return [each.value.string_value for each in attributes if each.key == "connection.id"]

    server = InProcess(running)
    server.start()
    try:
        yield Site(OtlpSink(OtlpConfig(f"http://127.0.0.1:{port}")), server.stop, server.start, ids)
    finally:
        server.stop()


@pytest.mark.parametrize("site_of", [clickhouse, nats, kafka, webhook, otlp], ids=lambda each: each.__name__)
async def test_nothing_is_lost_and_nothing_comes_twice(
    site_of: Callable[[Path], AbstractAsyncContextManager[Site]], tmp_path: Path
) -> None:
    """Rows go on coming meanwhile, and wait within the bound; all are there once when the server is back."""
    async with site_of(tmp_path) as site:
        ledger, limits = Ledger(), getattr(site.sink, "limits", Limits())
        stage = ledger.stage("sink.away", "rows")
        sent = []
        async with make_fan_out({"away": site.sink}, ledger, limits, stage="flows") as fan_out:
            for number in range(2 * AWAY_SECONDS + 4):
                if number == 2:
                    await fan_out.drained()
                    await asyncio.to_thread(site.leave)
                batch = make_flows(ROWS, seed=number, seq=number, window=WINDOW + number)
                sent += [row["connection.id"] for row in batch.rows()]
                fan_out.offer(batch)
                assert stage.balanced
                await asyncio.sleep(0.5)
            assert stage.delivered < len(sent)
            await asyncio.to_thread(site.come_back)
            await fan_out.drained()
        assert (stage.delivered, stage.dropped) == (len(sent), {})
        found = Counter(await site.ids())
        assert found.keys() == set(sent)
        assert len(sent) <= found.total() <= len(sent) + site.again
