"""Data points of OTLP per second of processor time, beside the official classes; and log records."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from benchmarks.figure import Bar, Reading
from benchmarks.filter_rate import flows
from benchmarks.join_rate import timed
from model.batch import Batch
from model.kinds.flow import FLOW
from model.kinds.workload import OTHER, Workload
from sinks.otlp.logs import logs_of
from sinks.otlp.metrics import metrics_of
from tailrace.testing import make_workloads

PAIRS: Final = 4000
REPEATS: Final = 5


def by_classes(batch: Batch) -> Any:
    """The peer: histograms alone, by the classes that protoc makes."""
    request = ExportMetricsServiceRequest()
    metric = (
        request.resource_metrics.add().scope_metrics.add().metrics.add(name="tailrace.network.rtt", unit="ns")
    )
    metric.exponential_histogram.aggregation_temporality = 1
    for row in batch.rows():
        told = row["rtt_ns"]
        point = metric.exponential_histogram.data_points.add(
            count=told["count"], sum=told["sum"], scale=told["scale"]
        )
        point.positive.offset = told["buckets"][0]
        held = dict(zip(told["buckets"], told["counts"], strict=True))
        last = told["buckets"][-1] + 1
        point.positive.bucket_counts.extend(held.get(bucket, 0) for bucket in range(told["buckets"][0], last))
        for name in (
            *(f"{side}.workload.name" for side in ("client", "server")),
            "client.workload.namespace",
        ):
            attribute = point.attributes.add(key=name)
            attribute.value.string_value = row.get(name, "")
    return request.SerializeToString()


def measure() -> Iterator[Reading]:
    """Sums and histograms of pairs, and brief flows as records."""
    ends = [OTHER, *(Workload(f"service-{number}", "Deployment", "shop", "a") for number in range(400))]
    pairs = make_workloads(PAIRS, ends=ends)
    made = metrics_of(pairs, b"", b"")
    seconds = min(timed(lambda: metrics_of(pairs, b"", b"")) for _ in range(REPEATS))
    peer = PAIRS / min(timed(lambda: by_classes(pairs)) for _ in range(REPEATS))
    note = f"{made.points:,} points of {PAIRS:,} pairs, {len(made.body) / made.points:.0f} bytes a point"
    bar = Bar(at_least=150e3)
    yield Reading(made.points / seconds, "points/s", bar, "opentelemetry-proto", peer, "more", note)
    whole = flows()
    brief = replace(whole, kind=replace(FLOW, only=FLOW.brief))
    for name, batch in (("brief flows", brief), ("flows", whole)):
        chunks = list(batch.chunked())
        seconds = min(timed(lambda: [logs_of(chunk, b"", b"", 0) for chunk in chunks]) for _ in range(2))  # noqa: B023
        size = sum(len(logs_of(chunk, b"", b"", 0).body) for chunk in chunks) / len(batch)
        yield Reading(
            len(batch) / seconds, "records/s", better="more", note=f"{name}: {size:.0f} bytes a record"
        )
