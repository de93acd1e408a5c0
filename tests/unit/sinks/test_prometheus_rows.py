"""Series of queries, drops and listeners: what they count, how many there are, and when they end."""

import re
from collections import Counter
from typing import Any

import pytest

from model.batch import Batch
from sinks.prometheus.sink import PrometheusConfig, PrometheusSink
from sinks.row_metrics import QuestionNames
from tailrace.testing.deltas import WINDOW
from tailrace.testing.packets import make_drops, make_listeners, make_queries
from tests.unit.sinks.test_prometheus import Clock, samples

SAME_LISTENER = {"entity.index": 1, "network.local.port": 8080}


def sink_of(**settings: object) -> tuple[PrometheusSink, Clock]:
    """A sink that does not listen, and its clock."""
    clock = Clock()
    return PrometheusSink(PrometheusConfig(**settings), clock), clock  # type: ignore[arg-type]


def by_label(found: dict[str, float], *names: str) -> dict[tuple[str, ...], float]:
    """Sums of samples by some of their labels."""
    sums: Counter[tuple[str, ...]] = Counter()
    for labels, value in found.items():
        told = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        sums[tuple(told.get(name, "") for name in names)] += value  # type: ignore[assignment]
    return dict(sums)


def summed(batch: Batch, column: str, *names: str) -> dict[tuple[str, ...], int]:
    """Sums of rows by some of their fields."""
    sums: Counter[tuple[str, ...]] = Counter()
    for row in batch.rows():
        sums[tuple(str(row.get(name, "")) for name in names)] += row.get(column, 0)
    return dict(sums)


async def test_queries_are_counted_by_response_code_and_transport() -> None:
    """Beside who asked whom; from second to second."""
    sink, _ = sink_of()
    batch = make_queries(300, seed=1)
    for number in range(2):
        await sink.write(make_queries(300, seed=1, seq=number, window=WINDOW + number))
    found = by_label(samples(sink, "tailrace_dns_queries_total"), "dns_response_code", "network_transport")
    told = summed(batch, "queries", "dns.response.code", "network.transport")
    assert found == {key: 2 * count for key, count in told.items()}
    assert {transport for _, transport in found} == {"udp", "tcp"}
    retries = samples(sink, "tailrace_dns_retries_total")
    assert sum(retries.values()) == 2 * int(batch.columns["dns.retries"].sum())
    assert {server for (server,) in by_label(retries, "server_workload_name")} == {"coredns"}


async def test_lookups_have_the_labels_of_the_convention() -> None:
    """``dns.question.name``, and ``error.type`` of those that failed."""
    same = {"dns.response.code": 2, "question.index": 1, "client.entity.index": 1, "network.transport": 17}
    sink, _ = sink_of()
    batch = make_queries(4, columns=same)
    await sink.write(batch)
    ((labels, count),) = samples(sink, "dns_lookup_duration_seconds_count").items()
    assert dict(re.findall(r'(\w+)="([^"]*)"', labels)) == {
        "client_workload_name": "cart",
        "client_workload_kind": "Deployment",
        "client_workload_namespace": "shop",
        "server_workload_name": "coredns",
        "server_workload_kind": "Deployment",
        "server_workload_namespace": "kube-system",
        "server_port": "53",
        "network_transport": "udp",
        "dns_question_name": "api.example.com",
        "error_type": "SERVFAIL",
    }
    assert count == batch.tables["histograms"].counts.sum()
    (total,) = samples(sink, "dns_lookup_duration_seconds_sum").values()
    assert total == pytest.approx(batch.columns["dns.client.lookup.duration_ns.sum"].sum() / 1e9)


async def test_names_beyond_the_limit_are_other() -> None:
    """They are counted, and a name that nobody asks for makes room."""
    sink, _ = sink_of(names=1)
    batch = make_queries(300, columns={"dns.response.code": 0})
    await sink.write(batch)
    found = by_label(samples(sink, "dns_lookup_duration_seconds_count"), "dns_question_name")
    assert len(found) == 2
    assert sum(found.values()) == batch.tables["histograms"].counts.sum()
    ((_, folded),) = [
        each for each in samples(sink, "tailrace_row_series_folded_total").items() if "name" in each[0]
    ]
    assert 0 < folded < 300
    names = QuestionNames(1)
    assert names.told(["a", "b"], WINDOW) == {"a": "a", "b": "other"}
    assert names.told(["b"], WINDOW + 299) == {"b": "other"}
    assert names.told(["b"], WINDOW + 300) == {"b": "b"}


async def test_drops_are_counted_by_reason() -> None:
    """With the node, the hook of netfilter, and whose packets they were."""
    sink, _ = sink_of()
    batch = make_drops(200, seed=2)
    await sink.write(batch)
    names = ("drop.category", "drop.reason", "netfilter.hook", "network.transport")
    labels = [name.replace(".", "_") for name in names]
    found = samples(sink, "tailrace_drops_total")
    assert by_label(found, *labels) == summed(batch, "drops", *names)
    assert set(by_label(found, "host_name")) == {("node-a",)}
    assert ("coredns",) in by_label(found, "destination_workload_name")


async def test_series_beyond_the_limit_are_counted_as_other() -> None:
    """Nothing is missing from the sums, and a counter says how many rows that were."""
    sink, _ = sink_of(drops=3, queries=5, listeners=4)
    drops, queries, listeners = make_drops(200), make_queries(200), make_listeners(200)
    for batch in (drops, queries, listeners):
        await sink.write(batch)
    for metric, batch, column, limit in (
        ("tailrace_drops_total", drops, "drops", 3),
        ("tailrace_dns_queries_total", queries, "queries", 5),
        ("tailrace_listener_accepted_total", listeners, "listener.accepted", 4),
    ):
        found = samples(sink, metric)
        assert len(found) == limit + 1
        assert sum(found.values()) == int(batch.columns[column].sum())
    lookups = samples(sink, "dns_lookup_duration_seconds_count")
    assert sum(lookups.values()) == queries.tables["histograms"].counts.sum()
    series, folded = (
        {kind: int(value) for (kind,), value in by_label(samples(sink, name), "kind").items()}
        for name in ("tailrace_row_series", "tailrace_row_series_folded_total")
    )
    assert (series["drop"], series["query"], series["listener"], series["queue"]) == (3, 5, 4, 4)
    assert folded["queue"] == 196
    assert folded["listener"] == 196


async def test_gauges_say_how_the_fullest_listener_stands() -> None:
    """Of those of one workload, port and node; until it ends."""
    sink, _ = sink_of()
    queues: dict[str, Any] = {"listener.queue": [3, 100, 50], "listener.limit": [128, 4096, 128]}
    await sink.write(make_listeners(3, columns=SAME_LISTENER | queues))
    assert list(samples(sink, "tailrace_listener_queue").values()) == [50]
    assert list(samples(sink, "tailrace_listener_limit").values()) == [128]
    ended = {"listener.ended": [0, 0, 1]}
    await sink.write(make_listeners(3, window=WINDOW + 1, columns=SAME_LISTENER | queues | ended))
    assert list(samples(sink, "tailrace_listener_limit").values()) == [4096]
    await sink.write(
        make_listeners(1, boot="boot-2", window=WINDOW + 2, columns=SAME_LISTENER | {"listener.queue": 1})
    )
    assert list(samples(sink, "tailrace_listener_queue").values()) == [1]


async def test_series_end_after_silence() -> None:
    """But not the gauge of a listener at which somebody waits: it has said nothing because nothing changed."""
    sink, clock = sink_of(expire_seconds=10)
    await sink.write(make_queries(50))
    await sink.write(make_drops(50))
    columns: dict[str, Any] = {"entity.index": 1, "network.local.port": [80, 81], "listener.queue": [0, 9]}
    await sink.write(make_listeners(2, columns=columns))
    clock.now += 12
    for metric in ("tailrace_dns_queries_total", "dns_lookup_duration_seconds_count", "tailrace_drops_total"):
        assert samples(sink, metric) == {}
    assert by_label(samples(sink, "tailrace_listener_queue"), "server_port") == {("81",): 9}
    await sink.write(make_drops(50, window=WINDOW + 12))
    assert sum(samples(sink, "tailrace_drops_total").values()) == make_drops(50).columns["drops"].sum()
