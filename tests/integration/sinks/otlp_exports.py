"""Sinks of OTLP and the servers that they send to, for tests."""

from contextlib import AbstractContextManager
from typing import Any

import pytest

from model.batch import Batch
from model.kinds.workload import OTHER, Workload
from model.ledger import Ledger, Stage
from sinks.fan_out import FanOut
from sinks.limits import BatchLimits, Limits, QueueLimits, RetryLimits
from sinks.otlp.sink import OtlpConfig, OtlpSink
from tests.configured import make_fan_out
from tests.otlp_server import Collected, grpc_server, http_server

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
