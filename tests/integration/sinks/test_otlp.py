"""What the sink otlp sends over gRPC and HTTP, read with the official classes of OpenTelemetry."""

from collections import Counter

import numpy as np
import pytest

from model.kind import Kind
from model.kinds import kinds
from model.kinds.delta import DELTA
from model.kinds.drop import DROP
from model.kinds.endpoint import ENDPOINT
from model.kinds.flow import FLOW
from model.kinds.listener import LISTENER
from model.kinds.query import QUERY
from model.kinds.workload import WORKLOAD
from sinks.otlp.wire import fields_of
from tailrace.testing import make_batch, make_flows, make_workloads
from tailrace.testing.deltas import WINDOW
from tailrace.testing.requests import make_endpoints
from tests.integration.sinks.otlp_exports import (
    ENDS,
    Protocol,
    attributes_of,
    exported,
    protocol,
    server_of,
    sink_of,
)

__all__ = ["protocol"]


async def test_pairs_become_sums_and_exponential_histograms(protocol: Protocol) -> None:
    """With the attributes of both ends, delta temporality, the second as their time, and the buckets of the rows."""
    index = {"client.workload.index": 1, "server.workload.index": 2, "window.late_s": [0, 3]}
    batch = make_workloads(
        2, columns={**index, "connections.failed": 5, "connections.failed.refused": 4}, ends=ENDS
    )
    with server_of(protocol) as collected:
        await exported(sink_of(collected.url, protocol), batch)
    (request,) = collected.requests
    (resource,) = request.resource_metrics
    assert attributes_of(resource.resource) == {"service.name": "tailrace"}
    found = {metric.name: metric for metric in collected.metrics()}
    io = found["tailrace.network.io"]
    assert (io.unit, io.sum.aggregation_temporality, io.sum.is_monotonic) == ("By", 1, True)
    sent = [
        point for point in io.sum.data_points if attributes_of(point)["network.io.direction"] == "transmit"
    ]
    assert [point.as_int for point in sent] == batch.columns["bytes"].tolist()
    assert [point.start_time_unix_nano // 10**9 for point in sent] == [WINDOW, WINDOW - 3]
    assert all(point.time_unix_nano - point.start_time_unix_nano == 10**9 for point in sent)
    assert attributes_of(sent[0]) == {
        "client.workload.name": "cart",
        "client.workload.kind": "Deployment",
        "client.workload.namespace": "shop",
        "client.cloud.availability_zone": "a",
        "client.service.version": "1",
        "server.workload.name": "db",
        "server.workload.kind": "StatefulSet",
        "server.workload.namespace": "shop",
        "server.port": int(batch.columns["server.port"][0]),
        "network.transport": "tcp",
        "network.io.direction": "transmit",
    }
    failed = found["tailrace.network.connections.failed"].sum.data_points
    assert Counter((attributes_of(point)["error.type"], point.as_int) for point in failed) == {
        ("refused", 4): 2,
        ("_OTHER", 1): 2,
    }
    rtt = found["tailrace.network.rtt"]
    assert rtt.unit == "ns"
    for row, point in zip(batch.rows(), rtt.exponential_histogram.data_points, strict=True):
        told = row["rtt_ns"]
        held = {
            point.positive.offset + place: count
            for place, count in enumerate(point.positive.bucket_counts)
            if count
        }
        assert held == dict(zip(told["buckets"], told["counts"], strict=True))
        assert (point.count, point.sum, point.scale) == (told["count"], told["sum"], told["scale"])


async def test_endpoints_become_histograms_of_the_conventions(protocol: Protocol) -> None:
    """In seconds, each row's apart from all others; calls of gRPC under names of their own."""
    batch = make_endpoints(60, seed=4, columns={"http.request.method": 2, "http.response.status_code": 200})
    with server_of(protocol) as collected:
        await exported(sink_of(collected.url, protocol), batch)
    found = {metric.name: metric for metric in collected.metrics()}
    kinds_of = ("http.{}.request.duration", "rpc.{}.call.duration")
    assert set(found) == {name.format(side) for name in kinds_of for side in ("server", "client")}
    assert {metric.unit for metric in found.values()} == {"s"}
    for side in ("server", "client"):
        points = [
            point for name in kinds_of for point in found[name.format(side)].exponential_histogram.data_points
        ]
        told = sorted(
            (row[f"http.{side}.request.duration_ns"] for row in batch.rows()), key=lambda each: each["sum"]
        )
        points.sort(key=lambda point: point.sum)
        assert [point.count for point in points] == [each["count"] for each in told]
        for point, each in zip(points, told, strict=True):
            assert point.sum == pytest.approx(each["sum"] / 1e9)
            lowest, highest = (
                2 ** ((point.positive.offset + place) / 8) for place in (0, len(point.positive.bucket_counts))
            )
            assert 0.98 * lowest < each["sum"] / 1e9 / each["count"] < 1.02 * highest
        assert len({str(sorted(attributes_of(point).items())) for point in points}) == len(points)
    call = next(iter(found["rpc.server.call.duration"].exponential_histogram.data_points))
    assert {"rpc.system.name", "server.port"} <= attributes_of(call).keys()
    assert "http.request.method" not in attributes_of(call)
    row, request = next(
        (row, point)
        for row in batch.rows()
        for point in found["http.server.request.duration"].exponential_histogram.data_points
        if point.sum == pytest.approx(row["http.server.request.duration_ns"]["sum"] / 1e9)
        and "http.route" in row
    )
    told_of = attributes_of(request)
    assert (told_of["http.request.method"], told_of["http.response.status_code"]) == ("POST", 200)
    assert told_of["http.route"] == row["http.route"]
    assert told_of["network.protocol.version"] == row["network.protocol.version"]


async def test_buckets_that_hold_many_values(protocol: Protocol) -> None:
    """Counts above 127 take more than a byte."""
    batch = make_workloads(3, ends=ENDS)
    table = batch.tables["histograms"]
    table.counts[:] = np.arange(len(table.counts)) * 1000 + 1
    with server_of(protocol) as collected:
        await exported(sink_of(collected.url, protocol), batch)
    rtt = next(metric for metric in collected.metrics() if metric.name == "tailrace.network.rtt")
    counts = [point.count for point in rtt.exponential_histogram.data_points]
    assert counts == [sum(row["rtt_ns"]["counts"]) for row in batch.rows()]
    assert counts == [sum(point.positive.bucket_counts) for point in rtt.exponential_histogram.data_points]


@pytest.mark.parametrize("kind", [FLOW, DELTA], ids=["flows", "deltas"])
async def test_other_rows_become_log_records(kind: Kind, protocol: Protocol) -> None:
    """Each has the fields of its line as attributes; those of an entity stand beside them."""
    batch = make_batch(kind, 200)
    with server_of(protocol) as collected:
        await exported(sink_of(collected.url, protocol, gzip=False), batch)
    records = list(collected.records())
    assert len(records) == 200
    head = {"kind", "node", "boot", "seq", "window"}
    for record, line in zip(records, batch.rows(), strict=True):
        expected = {name: value for name, value in line.items() if name not in head}
        for name in [name for name in expected if name.rpartition(".")[2] == "entity"]:
            side = name.removesuffix("entity")
            expected |= {f"{side}{key}": text for key, text in expected.pop(name).items()}
        found = attributes_of(record)
        assert {found.pop(f"tailrace.{name}") for name in ("node", "boot")} == {batch.node, batch.boot}
        assert found.pop("tailrace.seq") == batch.seq
        assert found == expected
        assert record.event_name == f"tailrace.{kind.name}"
        assert record.time_unix_nano == (batch.window - line.get("window.late_s", 0)) * 10**9
        assert record.severity_number == (13 if line.get("connection.failed") else 9)


async def test_headers_are_sent(protocol: Protocol) -> None:
    """And kept out of the sink's own words."""
    with server_of(protocol) as collected:
        sink = sink_of(
            collected.url, protocol, headers={"X-Token": "hunter2"}, attributes={"k8s.cluster.name": "c"}
        )
        await exported(sink, make_workloads(2))
    assert collected.headers["x-token"] == "hunter2"
    assert "hunter2" not in repr(sink._config)
    (resource,) = collected.requests[0].resource_metrics
    assert attributes_of(resource.resource)["k8s.cluster.name"] == "c"


async def test_large_batches_become_requests_that_servers_take(protocol: Protocol) -> None:
    """Below 4 MiB, which gRPC takes by default; all rows are in them once."""
    batch = make_flows(20_000)
    with server_of(protocol) as collected:
        await exported(sink_of(collected.url, protocol), batch)
    sizes = [request.ByteSize() for request in collected.requests]
    assert max(sizes) < 4 << 20
    found = Counter(attributes_of(record)["connection.id"] for record in collected.records())
    assert found == Counter(row["connection.id"] for row in batch.rows())


@pytest.mark.parametrize("bad", [b"\x0f", b"\x0a", b"\x80", b"\x08\xff"])
def test_bytes_that_are_no_message_are_refused(bad: bytes) -> None:
    """They raise nothing else."""
    with pytest.raises(ValueError, match="no message"):
        list(fields_of(bad))


def test_every_kind_can_be_sent() -> None:
    """What is summed up as metrics, all others as logs; a line of JSON says no more than a record."""
    sink = sink_of("http://127.0.0.1:1", "http")
    for kind in kinds():
        requests = list(sink._exports([make_batch(kind, 50)]))
        assert {request.payload.signal for request in requests} == {
            "metrics" if kind in (WORKLOAD, ENDPOINT, QUERY, DROP, LISTENER) else "logs"
        }
        assert sum(request.rows for request in requests) == 50
