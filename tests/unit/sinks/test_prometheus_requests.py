"""Series of requests' durations: what they count, how many there are, and when they end."""

import re
from collections import Counter

from model.batch import Batch
from sinks.prometheus.sink import PrometheusConfig, PrometheusSink
from tailrace.testing.deltas import WINDOW
from tailrace.testing.requests import make_endpoints
from tests.unit.sinks.test_prometheus import Clock, samples

METRICS = (
    *("http_server_request_duration_seconds", "http_client_request_duration_seconds"),
    *("rpc_server_call_duration_seconds", "rpc_client_call_duration_seconds"),
)


def sink_of(**settings: object) -> tuple[PrometheusSink, Clock]:
    """A sink that does not listen, and its clock."""
    clock = Clock()
    return PrometheusSink(PrometheusConfig(**settings), clock), clock  # type: ignore[arg-type]


def counts(sink: PrometheusSink) -> dict[str, float]:
    """How many requests each histogram has, over all of its series."""
    return {metric: sum(samples(sink, f"{metric}_count").values()) for metric in METRICS}


def told(batch: Batch) -> dict[str, int]:
    """The same of rows."""
    found: Counter[str] = Counter(dict.fromkeys(METRICS, 0))
    for row in batch.rows():
        for side in ("server", "client"):
            protocol = f"rpc_{side}_call" if "rpc.system" in row else f"http_{side}_request"
            found[f"{protocol}_duration_seconds"] += row[f"http.{side}.request.duration_ns"]["count"]
    return dict(found)


async def test_histograms_hold_the_requests_of_the_rows() -> None:
    """Those of gRPC apart from others, as each end measured them, from second to second."""
    sink, _ = sink_of()
    batch = make_endpoints(300, seed=1)
    await sink.write(batch)
    assert counts(sink) == told(batch)
    await sink.write(make_endpoints(300, seed=1, seq=1, window=WINDOW + 1))
    assert counts(sink) == {metric: 2 * count for metric, count in told(batch).items()}


async def test_labels_are_those_of_the_conventions() -> None:
    """A server's series are not divided by who asked; what failed says why."""
    same = {
        "client.workload.index": [3, 4],
        "server.workload.index": 1,
        "server.port": 8080,
        "network.protocol.version": b"1.1",
        "rpc.system": b"",
        "rpc.grpc.status_code": 255,
        "http.request.method": 1,
        "route.index": 2,
        "host.index": 0,
        "via.index": 0,
        "http.response.status_code": 503,
    }
    sink, _ = sink_of()
    await sink.write(make_endpoints(2, columns=same))
    (labels,) = samples(sink, "http_server_request_duration_seconds_count")
    assert dict(re.findall(r'(\w+)="([^"]*)"', labels)) == {
        "server_workload_name": "cart",
        "server_workload_kind": "Deployment",
        "server_workload_namespace": "shop",
        "server_cloud_availability_zone": "eu-1a",
        "server_port": "8080",
        "http_request_method": "GET",
        "http_route": "/orders/*",
        "http_response_status_code": "503",
        "error_type": "503",
        "network_protocol_version": "1.1",
    }
    assert len(samples(sink, "http_client_request_duration_seconds_count")) == 2


async def test_series_beyond_the_limit_are_counted_as_other() -> None:
    """Nothing is missing from the sums, and a counter says how many rows that were."""
    sink, _ = sink_of(requests=20)
    batch = make_endpoints(400, seed=2)
    await sink.write(batch)
    assert counts(sink) == told(batch)
    assert all(len(samples(sink, f"{metric}_count")) == 21 for metric in METRICS)
    text = sink.exposition()
    assert "tailrace_request_series 80\n" in text
    (folded,) = re.findall(r"^tailrace_request_rows_folded_total (\d+)$", text, re.MULTILINE)
    assert int(folded) == 2 * 400 - 80


async def test_series_end_after_silence() -> None:
    """And one that comes back begins anew."""
    sink, clock = sink_of(expire_seconds=10)
    batch = make_endpoints(50, seed=3)
    await sink.write(batch)
    clock.now += 12
    assert sum(counts(sink).values()) == 0
    await sink.write(make_endpoints(50, seed=3, seq=1, window=WINDOW + 12))
    assert counts(sink) == told(batch)
