"""The figures of sinks as Prometheus reads them."""

from prometheus_client import CollectorRegistry, generate_latest

from engine.collectors import SinkCollector
from model.errors import SinkError
from model.ledger import Ledger
from sinks.limits import Limits, RetryLimits
from tailrace.testing.deltas import make_deltas
from tests.configured import make_fan_out
from tests.scripted_sink import ScriptedSink


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


def figures_of(registry: CollectorRegistry) -> dict[str, float]:
    lines = generate_latest(registry).decode().splitlines()
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")
    }
