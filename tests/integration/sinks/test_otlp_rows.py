"""Queries, drops and listeners as the sink otlp sends them, read with the official classes of OpenTelemetry."""

from collections import Counter
from typing import Any

import pytest

from model.batch import Batch
from model.histogram import SCALE
from tailrace.testing.deltas import WINDOW
from tailrace.testing.packets import make_drops, make_listeners, make_queries
from tests.integration.sinks.otlp_exports import (
    Protocol,
    attributes_of,
    exported,
    protocol,
    server_of,
    sink_of,
)

__all__ = ["protocol"]


async def metrics_of(protocol: Protocol, batch: Batch, **settings: Any) -> dict[str, Any]:
    """What a server got of a batch, by name; no stream has two points of one time."""
    with server_of(protocol) as collected:
        await exported(sink_of(collected.url, protocol, **settings), batch)
        found = {metric.name: metric for metric in collected.metrics()}
    for metric in found.values():
        points = getattr(metric, metric.WhichOneof("data")).data_points
        assert len({str(sorted(attributes_of(point).items())) for point in points}) == len(points)
    return found


def told(points: Any, *names: str) -> dict[tuple[str, ...], int]:
    """Sums of points by some of their attributes."""
    sums: Counter[tuple[str, ...]] = Counter()
    for point in points:
        attributes = attributes_of(point)
        sums[tuple(attributes.get(name, "") for name in names)] += point.as_int
    return dict(sums)


def of_rows(batch: Batch, column: str, *names: str) -> dict[tuple[str, ...], int]:
    """The same of rows."""
    sums: Counter[tuple[str, ...]] = Counter()
    for row in batch.rows():
        sums[tuple(row.get(name, "") for name in names)] += row[column]
    return dict(sums)


async def test_queries_become_sums_by_response_code(protocol: Protocol) -> None:
    """With the transport and who asked whom; their durations are those of the convention, in seconds."""
    batch = make_queries(500, seed=5)
    found = await metrics_of(protocol, batch)
    queries = found["tailrace.dns.queries"]
    assert (queries.unit, queries.sum.aggregation_temporality, queries.sum.is_monotonic) == (
        "{query}",
        1,
        True,
    )
    names = ("dns.response.code", "network.transport")
    assert told(queries.sum.data_points, *names) == of_rows(batch, "queries", *names)
    point = queries.sum.data_points[0]
    assert (point.start_time_unix_nano, point.time_unix_nano) == (WINDOW * 10**9, (WINDOW + 1) * 10**9)
    lookups = found["dns.lookup.duration"]
    assert (lookups.unit, lookups.exponential_histogram.aggregation_temporality) == ("s", 1)
    points = lookups.exponential_histogram.data_points
    assert sum(point.count for point in points) == batch.tables["histograms"].counts.sum()
    total = batch.columns["dns.client.lookup.duration_ns.sum"].sum() / 1e9
    assert sum(point.sum for point in points) == pytest.approx(total)
    for point in points:
        assert (point.scale, sum(point.positive.bucket_counts)) == (SCALE, point.count)
        highest = 2 ** ((point.positive.offset + len(point.positive.bucket_counts)) / 2**SCALE)
        assert highest * 0.9 < 0.1 * 1.02  # seconds: none took longer
    assert {attributes_of(point)["dns.question.name"] for point in points} == {
        "api.example.com",
        "db.shop.svc.cluster.local",
        "other",
    }
    errors = {attributes_of(point).get("error.type") for point in points}
    assert errors == {None, "SERVFAIL", "NXDOMAIN"}


async def test_names_that_are_attributes_are_bounded(protocol: Protocol) -> None:
    """None at all, if so set."""
    found = await metrics_of(protocol, make_queries(100), names=0)
    points = found["dns.lookup.duration"].exponential_histogram.data_points
    assert {attributes_of(point)["dns.question.name"] for point in points} == {"other"}


async def test_drops_become_sums_by_reason(protocol: Protocol) -> None:
    """With the node, the hook of netfilter and whose they were."""
    batch = make_drops(300)
    drops = (await metrics_of(protocol, batch))["tailrace.drops"]
    names = ("drop.reason", "drop.category", "netfilter.hook", "network.transport")
    assert told(drops.sum.data_points, *names) == of_rows(batch, "drops", *names)
    assert told(drops.sum.data_points, "host.name").keys() == {("node-a",)}


async def test_listeners_become_gauges_and_sums(protocol: Protocol) -> None:
    """Queue and limit as they are at the end of the second."""
    batch = make_listeners(50)
    found = await metrics_of(protocol, batch)
    for name, column in (("queue", "listener.queue"), ("limit", "listener.limit")):
        points = found[f"tailrace.listener.{name}"].gauge.data_points
        by_port = {attributes_of(point)["server.port"]: point.as_int for point in points}
        ports = batch.columns["network.local.port"].tolist()
        assert by_port == dict(zip(ports, batch.columns[column].tolist(), strict=True))
        assert {point.time_unix_nano for point in points} == {(WINDOW + 1) * 10**9}
    for name in ("accepted", "overflows"):
        points = found[f"tailrace.listener.{name}"].sum.data_points
        assert sum(point.as_int for point in points) == batch.columns[f"listener.{name}"].sum()


@pytest.mark.parametrize("make", [make_queries, make_drops, make_listeners])
async def test_rows_as_logs(make: Any, protocol: Protocol) -> None:
    """Each is a record, if that is wanted."""
    batch = make(40)
    with server_of(protocol) as collected:
        await exported(sink_of(collected.url, protocol, as_logs=True), batch)
    assert not list(collected.metrics())
    assert len(list(collected.records())) == 40
