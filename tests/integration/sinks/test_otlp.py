"""The sink otlp over gRPC and HTTP, read with the official classes of OpenTelemetry."""

import asyncio
import subprocess
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from model.batch import Batch
from model.errors import SinkError, UsageError
from model.kind import Kind
from model.kinds import kinds
from model.kinds.delta import DELTA
from model.kinds.flow import FLOW
from model.kinds.workload import OTHER, WORKLOAD, Workload
from model.ledger import Ledger, Stage
from sinks.fan_out import FanOut
from sinks.http.client import wait_seconds
from sinks.limits import BatchLimits, Limits, QueueLimits, RetryLimits
from sinks.otlp.exporter import rejected, retry_seconds
from sinks.otlp.sink import OtlpConfig, OtlpSink
from sinks.otlp.wire import fields_of
from tailrace.testing import make_batch, make_flows, make_workloads
from tailrace.testing.deltas import WINDOW
from tests.configured import make_fan_out
from tests.eventually import eventually
from tests.http_server import Post, Reply
from tests.otlp_server import REQUESTS, Collected, grpc_server, http_server

QUICK = Limits(QueueLimits(rows=2000), RetryLimits(0, 0.02, 0.1), BatchLimits(500, 0.02))
ENDS = [OTHER, Workload("cart", "Deployment", "shop", "a", "1"), Workload("db", "StatefulSet", "shop")]

Protocol = str


@pytest.fixture(params=["grpc", "http"])
def protocol(request: pytest.FixtureRequest) -> Protocol:
    """Both of them."""
    return str(request.param)


def server_of(protocol: Protocol) -> AbstractContextManager[Collected]:
    """One that takes everything."""
    return grpc_server() if protocol == "grpc" else http_server()


def sink_of(url: str, protocol: Protocol, **settings: Any) -> OtlpSink:
    """A sink that sends there."""
    return OtlpSink(OtlpConfig(url, protocol, **settings))  # type: ignore[arg-type]


async def exported(sink: OtlpSink, *batches: Batch) -> None:
    """All of them, flushed once."""
    await sink.open([batch.kind for batch in batches])
    try:
        for batch in batches:
            await sink.write(batch)
        await sink.flush()
    finally:
        await sink.close()


def value_of(value: Any) -> Any:
    """What an ``AnyValue`` says."""
    match value.WhichOneof("value"):
        case "kvlist_value":
            return {each.key: value_of(each.value) for each in value.kvlist_value.values}
        case "array_value":
            return [value_of(each) for each in value.array_value.values]
        case name:
            return getattr(value, name)


def attributes_of(item: Any) -> dict[str, Any]:
    """The attributes of a point or a record."""
    return {each.key: value_of(each.value) for each in item.attributes}


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


def fan_out_to(sink: OtlpSink, limits: Limits = QUICK) -> tuple[FanOut, Stage]:
    """What stands before a sink of workloads, and its ledger stage."""
    ledger = Ledger()
    return make_fan_out({"otlp": sink}, ledger, limits, stage="workloads"), ledger.stage("sink.otlp", "rows")


def sums_of(collected: Collected) -> int:
    """Bytes to servers in all requests."""
    points = [
        point
        for metric in collected.metrics()
        if metric.name == "tailrace.network.io"
        for point in metric.sum.data_points
    ]
    return sum(point.as_int for point in points if attributes_of(point)["network.io.direction"] == "transmit")


async def test_a_server_that_goes_away_costs_nothing_within_the_bound() -> None:
    """Over gRPC: rows wait in the queue, what it has no room for is in the ledger, and none comes twice."""
    with grpc_server() as first:
        port = int(first.url.rpartition(":")[2])
        fan_out, stage = fan_out_to(sink_of(first.url, "grpc"))
        await fan_out.start()
        await fan_out.put(make_workloads(100))
        await fan_out.drained()
    batches = [make_workloads(100, seed=number, seq=number) for number in range(1, 41)]
    for batch in batches:
        fan_out.offer(batch)
    await eventually(lambda: fan_out.statistics()["otlp"].retries > 3)
    lost = stage.dropped["queue_full"]
    assert 4000 - 2000 - 500 <= lost <= 4000 - 2000
    with grpc_server(port=port) as second:
        await eventually(lambda: stage.queued == 0, 60)
        await fan_out.stop()
    assert stage.dropped == {"queue_full": lost}
    assert stage.delivered == 4100 - lost
    # the sink held some of the first ones, those after them made room, and the last ones are there
    sizes = [int(batch.columns["bytes"].sum()) for batch in batches]
    dropped = lost // 100
    assert sums_of(second) in [sum(sizes[:begin]) + sum(sizes[begin + dropped :]) for begin in range(12)]


@pytest.mark.parametrize(
    ("code", "details", "again"),
    [
        (grpc.StatusCode.UNAVAILABLE, None, True),
        (grpc.StatusCode.ABORTED, None, True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, None, False),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 0.05, True),
        (grpc.StatusCode.INVALID_ARGUMENT, None, False),
        (grpc.StatusCode.UNAUTHENTICATED, None, False),
        (grpc.StatusCode.INTERNAL, None, False),
    ],
)
async def test_grpc_is_tried_again_as_the_specification_says(
    code: grpc.StatusCode, details: float | None, again: bool
) -> None:
    """By its status; an exhausted resource only if the server says when."""
    calls = []

    def before(_: str, request: Any, context: Any) -> None:
        calls.append(request)
        if len(calls) == 1:
            if details is not None:
                context.set_trailing_metadata((("grpc-status-details-bin", _retry_info(details)),))
            context.abort(code, "no")

    with grpc_server(before) as collected:
        fan_out, stage = fan_out_to(sink_of(collected.url, "grpc"))
        async with fan_out:
            await fan_out.put(make_workloads(10))
            await fan_out.drained()
    assert (len(calls), len(collected.requests)) == ((2, 1) if again else (1, 0))
    assert stage.dropped == ({} if again else {"server_refused": 10})


def _retry_info(seconds: float) -> bytes:
    """``google.rpc.Status`` with ``RetryInfo``, as the library of the error details writes it."""
    nanos = Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9)).SerializeToString()
    delay = b"\x0a" + bytes([len(nanos)]) + nanos
    kind = "type.googleapis.com/google.rpc.RetryInfo"
    packed: bytes = AnyMessage(type_url=kind, value=delay).SerializeToString()
    return b"\x08\x08\x1a" + bytes([len(packed)]) + packed


def test_how_long_a_server_asks_to_wait_is_read() -> None:
    """Of both protocols; what is none is no reason to wait."""
    assert retry_seconds(_retry_info(2.5)) == 2.5
    assert retry_seconds(b"") is None
    assert retry_seconds(b"\xff") is None
    assert wait_seconds("7", 0) == 7
    assert wait_seconds("Thu, 01 Jan 1970 00:01:00 GMT", 20) == 40
    assert wait_seconds("soon", 0) == 0
    assert wait_seconds("999999", 0) == 300


@pytest.mark.parametrize(
    ("status", "again"), [(429, True), (503, True), (502, True), (400, False), (500, False), (401, False)]
)
async def test_http_is_tried_again_as_the_specification_says(status: int, again: bool) -> None:
    """By its status."""
    calls: list[Post] = []

    def answer(post: Post) -> Reply | None:
        calls.append(post)
        return Reply(status, b"no", {"Retry-After": "0"}) if len(calls) == 1 else None

    with http_server(answer) as collected:
        fan_out, stage = fan_out_to(sink_of(collected.url, "http"))
        async with fan_out:
            await fan_out.put(make_workloads(10))
            await fan_out.drained()
    assert (len(calls), len(collected.requests)) == ((2, 1) if again else (1, 0))
    assert stage.dropped == ({} if again else {"server_refused": 10})


async def test_a_partial_success_is_counted(protocol: Protocol) -> None:
    """As many rows are lost as the rejected points are of all; nothing is sent again."""
    response = ExportMetricsServiceResponse()
    points = 0

    def partial(request: Any) -> ExportMetricsServiceResponse:
        nonlocal points
        metrics = [metric for scope in request.resource_metrics[0].scope_metrics for metric in scope.metrics]
        points = sum(
            len(metric.sum.data_points) + len(metric.exponential_histogram.data_points) for metric in metrics
        )
        response.partial_success.rejected_data_points = points // 2
        response.partial_success.error_message = "too old"
        return response

    def answer(post: Post) -> Reply:
        return Reply(body=partial(REQUESTS["metrics"].FromString(post.body)).SerializeToString())

    server = (
        grpc_server(lambda _, request, __: partial(request)) if protocol == "grpc" else http_server(answer)
    )
    with server as collected:
        fan_out, stage = fan_out_to(sink_of(collected.url, protocol))
        async with fan_out:
            await fan_out.put(make_workloads(100))
            await fan_out.drained()
    assert len(collected.requests) == 1
    assert stage.dropped == {"server_rejected": 50}
    assert stage.delivered == 50
    assert rejected(response.SerializeToString()) == (points // 2, "too old")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """One for ``localhost``, signed by itself, and its key."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run(
        [*command, "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    return certificate, key


async def test_tls_is_checked(certificate: tuple[Path, Path]) -> None:
    """A server whose certificate is trusted gets rows, another one does not."""
    ca, key = certificate
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), ca.read_bytes())])
    with grpc_server(credentials=credentials) as collected:
        await exported(sink_of(collected.url, "grpc", ca=str(ca)), make_workloads(3))
        assert len(collected.requests) == 1
        with pytest.raises(SinkError) as caught:
            await exported(sink_of(collected.url, "grpc", timeout=2), make_workloads(3))
        assert caught.value.retryable
        assert len(collected.requests) == 1
    with pytest.raises(UsageError, match="cannot read /nowhere"):
        await exported(sink_of("https://localhost:1", "grpc", ca="/nowhere"), make_workloads(1))


async def test_a_slow_server_is_waited_for(protocol: Protocol) -> None:
    """An answer that comes after the time-out is asked for again; nothing is lost."""
    calls = []

    def wait() -> None:
        calls.append(1)
        if len(calls) == 1:
            asyncio.run(asyncio.sleep(1))

    def answer(_: Post) -> None:
        wait()

    server = grpc_server(lambda *_: wait()) if protocol == "grpc" else http_server(answer)
    with server as collected:
        fan_out, stage = fan_out_to(sink_of(collected.url, protocol, timeout=0.3))
        async with fan_out:
            await fan_out.put(make_workloads(10))
            await fan_out.drained()
            failures = fan_out.statistics()["otlp"].failures
    assert failures["server_slow"] >= 1
    assert (stage.delivered, stage.dropped) == (10, {})


@pytest.mark.parametrize("bad", [b"\x0f", b"\x0a", b"\x80", b"\x08\xff"])
def test_bytes_that_are_no_message_are_refused(bad: bytes) -> None:
    """They raise nothing else."""
    with pytest.raises(ValueError, match="no message"):
        list(fields_of(bad))


def test_every_kind_can_be_sent() -> None:
    """Workloads as metrics, all others as logs; a line of JSON says no more than a record."""
    sink = sink_of("http://127.0.0.1:1", "http")
    for kind in kinds():
        requests = list(sink._exports([make_batch(kind, 50)]))
        assert {request.payload.signal for request in requests} == {"metrics" if kind is WORKLOAD else "logs"}
        assert sum(request.rows for request in requests) == 50
