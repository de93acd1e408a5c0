"""A scrape of the sink prometheus, beside the library's own text of as many counters; and rows counted."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric

from benchmarks.figure import Bar, Reading
from benchmarks.join_rate import timed
from model.kinds.workload import OTHER, Workload
from sinks.prometheus.sink import PrometheusConfig, PrometheusSink
from tailrace.testing import make_workloads

#: Pairs that make some 10,000 and 90,000 series.
PAIRS: Final = (430, 4000)
REPEATS: Final = 5
_LABELS: Final = ("client_workload_name", "server_workload_name", "server_port", "network_transport")


class _Collector:
    """The peer: counters of as many series, by the library's own classes."""

    def __init__(self, series: int) -> None:
        self._labels = [(f"client-{number}", f"server-{number}", "5432", "tcp") for number in range(series)]

    def collect(self) -> Iterator[Metric]:
        """One family."""
        family = CounterMetricFamily("tailrace_network_io_bytes", "Payload", labels=_LABELS)
        for number, labels in enumerate(self._labels):
            family.add_metric(labels, number)
        yield family


def measure() -> Iterator[Reading]:
    """Milliseconds of processor time of a scrape, and rows counted in a second of it."""
    ends = [OTHER, *(Workload(f"service-{number}", "Deployment", "shop", "a") for number in range(3000))]
    for pairs in PAIRS:
        batch = make_workloads(pairs, ends=ends)
        sink = PrometheusSink(PrometheusConfig(pairs=pairs), lambda: 0.0)
        sink.count(batch)
        text = sink.exposition()
        series = text.count("\n") - text.count("# ")
        seconds = min(timed(sink.exposition) for _ in range(REPEATS))
        registry = CollectorRegistry()
        registry.register(_Collector(series))
        peer = min(timed(lambda: generate_latest(registry)) for _ in range(REPEATS))  # noqa: B023 - called at once
        note = f"{series:,} series of {pairs:,} pairs"
        bar = Bar(at_most=100)
        yield Reading(seconds * 1e3, "ms", bar, "prometheus_client", peer * 1e3, "less", note)
    rate = pairs / min(timed(lambda: sink.count(batch)) for _ in range(REPEATS))
    yield Reading(
        rate, "rows/s", better="more", note="rows of pairs that have series, counted with their histograms"
    )
