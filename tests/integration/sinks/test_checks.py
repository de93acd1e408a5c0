"""What `tailrace doctor` hears of sinks: their real servers there, stopped, and refusing; and plug-ins."""

import asyncio
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from confluent_kafka.admin import AdminClient

from engine.config import SinkConfig
from engine.doctor.sinks import check_sinks
from engine.plugins.sinks import make_sinks
from model.kind import Kind
from model.settings import PluginConfig
from probes.checks.check import Check
from tests.clickhouse_server import ClickHouseServer
from tests.configured import configured
from tests.http_server import HttpServer, Post, Reply
from tests.kafka_cluster import KafkaCluster
from tests.otlp_server import grpc_server, http_server
from tests.ports import free_port
from tests.scripted_sink import ScriptedSink


def asked(name: str, stage: str = "flows", **settings: object) -> Check:
    """What is found of one sink, as the configuration has it."""
    (check,) = asyncio.run(check_sinks(make_sinks([SinkConfig(name, settings)], stage)))
    return check


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """One for these tests."""
    server = ClickHouseServer(tmp_path_factory.mktemp("clickhouse") / "server")
    server.process.start()
    yield server
    server.process.kill()


def test_clickhouse_says_its_version_and_makes_nothing(clickhouse: ClickHouseServer) -> None:
    check = asked("clickhouse", url=clickhouse.url, password=clickhouse.password, database="new")
    assert check.status == "ok"
    assert clickhouse.ask("SELECT version()") in check.detail
    assert "new" not in clickhouse.ask("SHOW DATABASES").split()


def test_a_password_that_is_refused_is_told_from_a_server_that_is_away(clickhouse: ClickHouseServer) -> None:
    """Neither shows the password."""
    refused = asked("clickhouse", url=clickhouse.url, password="wrong-word")
    away = asked("clickhouse", url=f"http://127.0.0.1:{free_port()}", password="wrong-word")
    assert (refused.fatal, away.fatal) == (True, True)
    assert "answered" in refused.detail
    assert away.detail.startswith("cannot reach ClickHouse at 127.0.0.1:")
    assert away.remedy.startswith("start the server, or correct the address")
    assert "wrong-word" not in f"{refused}{away}"


def test_a_clickhouse_that_was_stopped_is_missing(clickhouse: ClickHouseServer, tmp_path: Path) -> None:
    stopped = ClickHouseServer(tmp_path / "stopped")
    stopped.process.start()
    assert asked("clickhouse", url=stopped.url, password=stopped.password).status == "ok"
    stopped.process.kill()
    assert asked("clickhouse", url=stopped.url, password=stopped.password).status == "missing"


def test_kafka_says_how_many_brokers_there_are_and_makes_no_topic(caplog: pytest.LogCaptureFixture) -> None:
    """Of one that is away, aiokafka says nothing beside the check."""
    cluster = KafkaCluster()
    try:
        check = asked("kafka", servers=cluster.servers)
        known = AdminClient({"bootstrap.servers": cluster.servers}).list_topics(timeout=10).topics
    finally:
        cluster.stop()
    assert (check.status, "brokers" in check.detail, known) == ("ok", True, {})
    assert "must make tailrace.flows by themselves" in check.detail
    assert asked("kafka", servers=f"127.0.0.1:{free_port()}", timeout=1).status == "missing"
    assert caplog.records == []


def test_otlp_is_asked_for_what_it_would_get() -> None:
    """Over HTTP and gRPC; requests without items are all that the server sees."""
    for server, protocol in ((http_server, "http"), (grpc_server, "grpc")):
        with server() as collected:
            check = asked("otlp", "flows,workloads", endpoint=collected.url, protocol=protocol)
            assert check.status == "ok", check
            assert check.detail.endswith("takes logs and metrics")
        assert asked("otlp", endpoint=collected.url, protocol=protocol, timeout=2).status == "missing"


def test_a_webhook_that_takes_no_head_is_there_all_the_same() -> None:
    """No row is posted to it."""
    posts: list[Post] = []

    def answer(post: Post) -> Reply:
        posts.append(post)
        return Reply()

    with HttpServer(answer).running() as server:
        check = asked("webhook", url=server.url)
    assert (check.status, posts) == ("ok", [])
    assert asked("webhook", url=server.url).status == "missing"


def test_an_address_to_listen_on_is_free_or_taken_by_another() -> None:
    """By the sink of a Tailrace that runs, all is well."""
    listen = f"127.0.0.1:{free_port()}"
    assert asked("prometheus", "workloads", listen=listen).detail == f"{listen} is free"
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        check = asked("prometheus", "workloads", listen=taken)
    assert (check.status, check.remedy) == ("missing", "choose another address: settings.listen")


def test_the_sink_of_a_tailrace_that_runs_may_have_the_address() -> None:
    listen = f"127.0.0.1:{free_port()}"

    async def beside() -> Check:
        sinks = make_sinks([SinkConfig("prometheus", {"listen": listen})], "workloads")
        running = sinks["prometheus"].sink
        await running.open(sinks["prometheus"].kinds)
        try:
            again = make_sinks([SinkConfig("prometheus", {"listen": listen})], "workloads")
            return (await check_sinks(again))[0]
        finally:
            await running.close()

    assert asyncio.run(beside()).detail == f"a Tailrace that runs answers at {listen}"


class _Asked(ScriptedSink):
    """A plug-in whose check does something else."""

    Config: ClassVar[type[PluginConfig]] = PluginConfig

    def __init__(self, seconds: float = 0) -> None:
        super().__init__()
        self._seconds = seconds

    async def check(self, kinds: Sequence[Kind]) -> str:
        """Block, or fail."""
        time.sleep(self._seconds)  # noqa: ASYNC251 - it is what this one does wrong
        raise LookupError("no such thing")


def test_plug_ins_do_what_they_like_and_others_are_asked_all_the_same() -> None:
    """One without a check, one that fails, and one that blocks: none holds up the doctor for long."""
    sinks = configured({"silent": ScriptedSink(), "broken": _Asked(), "stuck": _Asked(60)}, "flows")
    silent, broken, stuck = asyncio.run(check_sinks(sinks, seconds=0.5))
    assert (silent.status, silent.detail) == ("ok", "not asked: it has no check")
    assert (broken.status, broken.detail) == ("missing", "LookupError: no such thing")
    assert (stuck.status, stuck.detail) == ("missing", "no answer within 0.5 s")


def test_every_makes_no_difference(clickhouse: ClickHouseServer) -> None:
    """A sink behind sums is asked as it is; files are named."""
    settings = {"url": clickhouse.url, "password": clickhouse.password}
    wanted = [
        SinkConfig("clickhouse", settings, every=5),
        SinkConfig("jsonl", {"path": "/tmp/rows"}, every=5),
    ]
    server, file = asyncio.run(check_sinks(make_sinks(wanted, "flows")))
    assert "version" in server.detail
    assert file.detail == "writes to /tmp/rows: see disk"
