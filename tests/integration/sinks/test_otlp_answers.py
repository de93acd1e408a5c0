"""What becomes of rows of the sink otlp as servers answer, or do not."""

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from sinks.http.client import wait_seconds
from sinks.otlp.exporter import rejected, retry_seconds
from tailrace.testing import make_workloads
from tests.eventually import eventually
from tests.http_server import Post, Reply
from tests.integration.sinks.otlp_exports import Protocol, fan_out_to, protocol, sink_of, sums_of
from tests.otlp_server import REQUESTS, grpc_server, http_server

__all__ = ["protocol"]


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
