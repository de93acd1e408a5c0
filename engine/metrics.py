"""Tailrace's own figures for Prometheus: the ledger, and what the process costs."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from model.enricher import EnricherStatistics
from model.errors import UsageError
from model.ledger import Ledger

if TYPE_CHECKING:
    from prometheus_client import Metric


class Knowing(Protocol):
    """What holds enrichers."""

    def statistics(self) -> Mapping[str, EnricherStatistics]:
        """Of each, by its name."""


@contextlib.contextmanager
def serve_metrics(listen: str, ledger: Ledger, known: Sequence[Knowing] = ()) -> Iterator[None]:
    """Serves ``/metrics`` on ``address:port`` while the block runs; does nothing for an empty ``listen``.

    :param known: what holds enrichers.
    :raises UsageError: if ``listen`` is no address and port, or they are taken.
    """
    if not listen:
        yield
        return
    address, _, port = listen.rpartition(":")
    if not address or not port.isdigit():
        raise UsageError(f"metrics.listen is {listen!r}", "write address:port, such as 127.0.0.1:9464")
    import prometheus_client

    registry = prometheus_client.CollectorRegistry()
    registry.register(LedgerCollector(ledger))
    registry.register(EnricherCollector(known))
    prometheus_client.ProcessCollector(registry=registry)
    try:
        server, thread = prometheus_client.start_http_server(int(port), address.strip("[]"), registry)
    except OSError as error:
        raise UsageError(f"metrics.listen {listen}: {error.strerror}", "choose another port") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class EnricherCollector:
    """How enrichers do, read when asked for."""

    def __init__(self, known: Sequence[Knowing]) -> None:
        self._known = known

    def collect(self) -> "Iterator[Metric]":
        """What each holds, its look-ups by their end, and how long ago its source was heard of."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        entries = GaugeMetricFamily("tailrace_identities", "Identities in memory", labels=["enricher"])
        age = GaugeMetricFamily(
            "tailrace_identity_age_seconds", "Since the source was heard of", labels=["enricher"]
        )
        lookups = CounterMetricFamily(
            "tailrace_identity_lookups",
            "hit, miss; stale: hits while the source was away",
            labels=["enricher", "end"],
        )
        evicted = CounterMetricFamily(
            "tailrace_identities_evicted", "Given up at the limit", labels=["enricher"]
        )
        for name, one in {n: s for holder in self._known for n, s in holder.statistics().items()}.items():
            entries.add_metric([name], one.entries)
            age.add_metric([name], one.age_seconds)
            evicted.add_metric([name], one.evicted)
            for end, count in (("hit", one.hits), ("miss", one.misses), ("stale", one.stale)):
                lookups.add_metric([name, end], count)
        yield from (entries, age, lookups, evicted)


class LedgerCollector:
    """The ledger as Prometheus families, read when asked for."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> "Iterator[Metric]":
        """Units received, delivered, queued, and dropped by reason, by stage."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        received = CounterMetricFamily(
            "tailrace_received", "Units that a stage took in", labels=["stage", "unit"]
        )
        delivered = CounterMetricFamily("tailrace_delivered", "Units passed on", labels=["stage", "unit"])
        queued = GaugeMetricFamily("tailrace_queued", "Units that wait", labels=["stage", "unit"])
        dropped = CounterMetricFamily("tailrace_dropped", "Units lost", labels=["stage", "unit", "reason"])
        noted = CounterMetricFamily("tailrace_noted", "Worth knowing, not lost", labels=["stage", "what"])
        for name, stage in dict(self._ledger.stages).items():
            received.add_metric([name, stage.unit], stage.received)
            delivered.add_metric([name, stage.unit], stage.delivered)
            queued.add_metric([name, stage.unit], stage.queued)
            for reason, count in dict(stage.dropped).items():
                dropped.add_metric([name, stage.unit, reason], count)
            for what, count in dict(stage.noted).items():
                noted.add_metric([name, what], count)
        yield from (received, delivered, queued, dropped, noted)
