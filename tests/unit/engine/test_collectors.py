"""The figures of sinks as Prometheus reads them."""

import aiohttp
from prometheus_client import CollectorRegistry, generate_latest

from engine.collectors import SinkCollector, WebCollector
from model.errors import SinkError
from model.ledger import Ledger
from sinks.limits import Limits, RetryLimits
from tailrace.testing.deltas import make_deltas
from tests.configured import make_fan_out
from tests.scripted_sink import ScriptedSink
from tests.unit.store.queries.fleets import NOW, two_minutes
from web.config import WebConfig
from web.server import WebServer


async def test_a_sink_that_does_not_return_is_named() -> None:
    """With the rows that it holds up, for how long, and what failed before."""
    away = SinkError("away", reason="away", retryable=True)
    sink = ScriptedSink([away, away], slow=True)
    quick = Limits(retry=RetryLimits(first_pause=0.001))
    async with make_fan_out({"slow": sink}, Ledger(), quick) as fan_out:
        registry = CollectorRegistry()
        registry.register(SinkCollector(fan_out.statistics))
        fan_out.offer(make_deltas(5))
        fan_out.offer(make_deltas(7))
        await sink.entered.wait()
        figures = figures_of(registry)
        assert figures['tailrace_sink_queued_rows{sink="slow"}'] == 12
        assert figures['tailrace_sink_queued_batches{sink="slow"}'] == 2
        assert figures['tailrace_sink_busy_seconds{sink="slow"}'] > 0
        sink.gate.set()
        await fan_out.drained()
        figures = figures_of(registry)
    assert figures['tailrace_sink_queued_rows{sink="slow"}'] == 0
    assert figures['tailrace_sink_busy_seconds{sink="slow"}'] == 0
    assert figures['tailrace_sink_retries_total{sink="slow"}'] == 2
    assert figures['tailrace_sink_failures_total{kind="away",sink="slow"}'] == 2


async def test_the_map_s_server_counts_among_the_program_s_metrics() -> None:
    """The same as under its own address; nothing while there is none."""
    config = WebConfig(listen="127.0.0.1:0")
    async with (
        WebServer(config, two_minutes(), lambda: NOW).running() as server,
        aiohttp.ClientSession(server.url) as session,
    ):
        for path in ("/api/v1/map", "/api/v1/nothing", "/"):
            async with session.get(path) as response:
                await response.read()
        registry = CollectorRegistry()
        registry.register(WebCollector(server.statistics))
        figures = figures_of(registry)
        assert figures['tailrace_web_total{what="status.200"}'] == 2
        assert figures['tailrace_web_total{what="refused.not_found"}'] == 1
        assert figures["tailrace_web_streams"] == 0
        async with session.get("/metrics") as response:
            own = (await response.text()).splitlines()
        assert {
            name: float(value) for name, value in (line.rsplit(" ", 1) for line in own if line[0] != "#")
        } == {name: value for name, value in figures.items() if "_created" not in name}
    empty = CollectorRegistry()
    empty.register(WebCollector(dict))
    assert figures_of(empty) == {}


def figures_of(registry: CollectorRegistry) -> dict[str, float]:
    lines = generate_latest(registry).decode().splitlines()
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")
    }
