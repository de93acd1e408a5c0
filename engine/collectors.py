"""Tailrace's own figures as Prometheus families, read when asked for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from engine.actor import ActorStatistics
from engine.graph import Identity
from engine.nats.counts import Count
from model.ledger import Ledger
from sinks.sink_queue import SinkStatistics

#: What the map's server has at the moment, among what it counted.
STREAMS: Final = "streams"
_Value = Callable[[ActorStatistics], float]
_ACTOR_COUNTERS: Final[dict[str, tuple[str, _Value]]] = {
    "messages": ("Items taken in", lambda one: one.received),
    "rows": ("Rows, or events, in them", lambda one: one.received_rows),
    "sent_messages": ("Items handed on", lambda one: one.sent),
    "sent_rows": ("Rows, or events, in them", lambda one: one.sent_rows),
    "busy_seconds": ("At work", lambda one: one.busy_ns / 1e9),
    "blocked_seconds": ("Waiting for room with those behind it", lambda one: one.blocked_ns / 1e9),
}
_ACTOR_GAUGES: Final[dict[str, tuple[str, _Value]]] = {
    "waiting": ("Items in its inbox", lambda one: one.waiting),
    "waiting_limit": ("Items that its inbox holds at most", lambda one: one.limit),
}
_SINK_GAUGES: Final[dict[str, tuple[str, Callable[[SinkStatistics], float]]]] = {
    "queued_rows": ("Rows neither delivered nor dropped", lambda one: one.queued_rows),
    "queued_batches": ("Batches neither delivered nor dropped", lambda one: one.queued_batches),
    "unflushed_rows": ("Rows taken, but not made safe", lambda one: one.unflushed_rows),
    "busy_seconds": ("With the batch or flush under way", lambda one: one.busy_seconds),
}


class LedgerCollector:
    """The ledger: units received, delivered, queued, and dropped by reason, by stage."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> Iterator[Metric]:
        """All stages that there are now."""
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


class ActorCollector:
    """What each actor of the graph did, and what waits for it."""

    def __init__(self, statistics: Callable[[], Mapping[str, ActorStatistics]]) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[Metric]:
        """All actors; messages that one sent are those that the next received."""
        every = self._statistics()
        for name, (text, value) in _ACTOR_COUNTERS.items():
            counter = CounterMetricFamily(f"tailrace_actor_{name}", text, labels=["actor"])
            for actor, one in every.items():
                counter.add_metric([actor], value(one))
            yield counter
        for name, (text, value) in _ACTOR_GAUGES.items():
            gauge = GaugeMetricFamily(f"tailrace_actor_{name}", text, labels=["actor"])
            for actor, one in every.items():
                gauge.add_metric([actor], value(one))
            yield gauge


class SinkCollector:
    """What each sink holds, and how it does; what it received, delivered and dropped is in the ledger."""

    def __init__(self, statistics: Callable[[], Mapping[str, SinkStatistics]]) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[Metric]:
        """All sinks; one that blocks shows in ``busy_seconds``, and in what is queued for it."""
        every = self._statistics()
        for name, (text, value) in _SINK_GAUGES.items():
            gauge = GaugeMetricFamily(f"tailrace_sink_{name}", text, labels=["sink"])
            for sink, one in every.items():
                gauge.add_metric([sink], value(one))
            yield gauge
        retries = CounterMetricFamily("tailrace_sink_retries", "Calls that were repeated", labels=["sink"])
        failures = CounterMetricFamily("tailrace_sink_failures", "Failed calls", labels=["sink", "kind"])
        for sink, one in every.items():
            retries.add_metric([sink], one.retries)
            for kind, count in one.failures.items():
                failures.add_metric([sink, kind], count)
        yield from (retries, failures)


class EnricherCollector:
    """How enrichers do."""

    def __init__(self, known: Sequence[Identity]) -> None:
        self._known = known

    def collect(self) -> Iterator[Metric]:
        """What each holds, its look-ups by their end, and how long ago its source was heard of."""
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


class BusCollector:
    """How the log on NATS does and did, as seen from this process."""

    def __init__(self, counts: Callable[[], Mapping[str, Count]]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """Each figure as a family of its own: ``nats.resends`` is ``tailrace_nats_resends_total``."""
        for name, count in self._counts().items():
            family = CounterMetricFamily if count.total else GaugeMetricFamily
            yield family(f"tailrace_{name.replace('.', '_')}", count.meaning, value=count.value)


class WebCollector:
    """What the server of the map answered, refused, and had ready."""

    def __init__(self, counts: Callable[[], Mapping[str, int]]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """As its own ``/metrics`` has it; nothing while no map is served."""
        counts = dict(self._counts())
        if not counts:
            return
        yield GaugeMetricFamily("tailrace_web_streams", "Live maps that are open", value=counts.pop(STREAMS))
        family = CounterMetricFamily("tailrace_web", "Answers, refusals, cached answers", labels=["what"])
        for what, count in sorted(counts.items()):
            family.add_metric([what], count)
        yield family
