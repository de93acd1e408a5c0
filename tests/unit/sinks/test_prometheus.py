"""Series of the sink prometheus: what they count, how many there are, and when they end."""

import re

import numpy as np
import pytest

from engine.config import Config, SinkConfig
from engine.plugins.sinks import make_sink
from model.batch import Batch
from model.errors import SinkError
from model.kinds.drop import DROP
from model.kinds.endpoint import ENDPOINT
from model.kinds.listener import LISTENER
from model.kinds.query import QUERY
from model.kinds.workload import OTHER, WORKLOAD, Workload
from sinks.prometheus.exposition import BOUNDS
from sinks.prometheus.sink import PrometheusConfig, PrometheusSink
from tailrace.testing import make_workloads
from tailrace.testing.deltas import WINDOW
from tests.ports import free_port

NAMES = [
    OTHER,
    *(Workload(f"service-{number}", "Deployment", "shop", "a", str(number)) for number in range(60)),
]


class Clock:
    """Seconds that a test moves on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def sink_of(**settings: object) -> tuple[PrometheusSink, Clock]:
    """A sink that does not listen, and its clock."""
    clock = Clock()
    return PrometheusSink(PrometheusConfig(**settings), clock), clock  # type: ignore[arg-type]


def pairs(clients: list[int], window: int = WINDOW, sent: int = 10) -> Batch:
    """A row for each client, all of one server."""
    columns = {
        "client.workload.index": clients,
        "server.workload.index": 60,
        "server.port": 5432,
        "bytes": sent,
        "connections.failed": 4,
        "connections.failed.refused": 3,
    }
    return make_workloads(len(clients), window=window, columns=columns, ends=NAMES)


def samples(sink: PrometheusSink, metric: str) -> dict[str, float]:
    """The samples of a metric by their labels."""
    found = re.findall(rf"^{metric}{{(.*)}} (\S+)$", sink.exposition(), re.MULTILINE)
    return {labels: float(value) for labels, value in found}


async def test_counters_only_grow_and_are_the_sums_of_the_rows() -> None:
    """Of each pair, whatever the places in the tables of batches are."""
    sink, _ = sink_of()
    for number in range(3):
        await sink.write(pairs([1, 2, 3], WINDOW + number))
    await sink.write(pairs([2], WINDOW + 3))
    sent = samples(sink, "tailrace_network_io_bytes_total")
    by_client = {
        re.findall('client_workload_name="([^"]+)"', labels)[0]: value
        for labels, value in sent.items()
        if "transmit" in labels
    }
    assert by_client == {"service-0": 30, "service-1": 40, "service-2": 30}
    failed = samples(sink, "tailrace_network_connections_failed_total")
    assert sum(value for labels, value in failed.items() if 'error_type="refused"' in labels) == 30
    assert sum(value for labels, value in failed.items() if 'error_type="other"' in labels) == 10
    (labels,) = (labels for labels in sent if '"service-0"' in labels and "transmit" in labels)
    assert labels == (
        'client_workload_name="service-0",client_workload_kind="Deployment",client_workload_namespace="shop",'
        'client_cloud_availability_zone="a",server_workload_name="service-59",server_workload_kind="Deployment",'
        'server_workload_namespace="shop",server_cloud_availability_zone="a",server_port="5432",'
        'network_transport="tcp",network_io_direction="transmit"'
    )


async def test_pairs_beyond_the_limit_are_one() -> None:
    """What they count is in the series of ``other``, and how many rows that were is counted."""
    sink, _ = sink_of(pairs=10)
    await sink.write(pairs(list(range(1, 31))))
    await sink.write(pairs(list(range(1, 31)), WINDOW + 1))
    sent = samples(sink, "tailrace_network_io_bytes_total")
    other = next(
        value
        for labels, value in sent.items()
        if 'client_workload_kind="other"' in labels and "transmit" in labels
    )
    assert other == 20 * 20
    assert sum(value for labels, value in sent.items() if "transmit" in labels) == 30 * 20
    assert "tailrace_workload_pairs 11\n" in sink.exposition()
    assert "tailrace_workload_rows_folded_total 40\n" in sink.exposition()


async def test_series_end_after_silence_and_make_room() -> None:
    """By the seconds of rows, and by the clock where no row comes; a pair that comes back begins anew."""
    sink, clock = sink_of(pairs=10, expire_seconds=60)
    await sink.write(pairs(list(range(1, 11))))
    await sink.write(pairs([1], WINDOW + 61))
    assert len(samples(sink, "tailrace_network_retransmitted_segments_total")) <= 1
    assert "tailrace_workload_pairs 1\n" in sink.exposition()
    await sink.write(pairs(list(range(11, 20)), WINDOW + 62, sent=7))
    sent = samples(sink, "tailrace_network_io_bytes_total")
    assert sorted(value for labels, value in sent.items() if "transmit" in labels) == [*[7] * 9, 20]
    clock.now = 60.5
    assert "tailrace_workload_pairs 9\n" in sink.exposition()
    clock.now = 62
    assert "tailrace_workload_pairs 0\n" in sink.exposition()
    await sink.write(pairs([1], WINDOW + 200))
    assert set(samples(sink, "tailrace_network_io_bytes_total").values()) >= {10}


async def test_labels_that_are_left_out_make_pairs_one() -> None:
    """Versions are left out unless they are asked for."""
    ends = [
        OTHER,
        Workload("a", "Deployment", "shop", "x", "1"),
        Workload("a", "Deployment", "shop", "x", "2"),
    ]
    columns = {
        "client.workload.index": [1, 2],
        "server.workload.index": [2, 1],
        "server.port": 80,
        "bytes": 5,
    }
    batch = make_workloads(2, columns=columns, ends=ends)
    for labels, count in ((("name",), 1), (("name", "version"), 2)):
        sink, _ = sink_of(labels=labels)
        await sink.write(batch)
        sent = samples(sink, "tailrace_network_io_bytes_total")
        assert len([labels for labels in sent if "transmit" in labels]) == count


async def test_buckets_hold_what_lies_below_their_bounds() -> None:
    """Each value of a row is counted by the first bound that is not below it."""
    sink, _ = sink_of()
    batch = make_workloads(50, ends=NAMES)
    await sink.write(batch)
    table = batch.tables["histograms"]
    tops = 2.0 ** ((table.buckets + 1) / 8) / 1e9
    buckets = samples(sink, "tailrace_network_rtt_seconds_bucket")
    for bound in BOUNDS:
        told = sum(value for labels, value in buckets.items() if f'le="{bound}"' in labels)
        assert told == table.counts[tops <= float(bound) * (1 + 1e-12)].sum(), bound
    assert np.isclose(
        sum(samples(sink, "tailrace_network_rtt_seconds_sum").values()),
        batch.columns["rtt_ns.sum"].sum() / 1e9,
    )


async def test_an_address_that_is_taken_is_said() -> None:
    """With what to do."""
    config = PrometheusConfig(f"127.0.0.1:{free_port()}")
    first, second = PrometheusSink(config), PrometheusSink(config)
    await first.open([WORKLOAD])
    with pytest.raises(SinkError, match=r"cannot listen on 127\.0\.0\.1:\d+ .*: choose another address"):
        await second.open([WORKLOAD])
    await second.close()
    await first.close()


def test_it_gets_sums_unless_something_else_was_said() -> None:
    """Flows are not what it takes, so nobody has to say so."""
    made = make_sink(SinkConfig("prometheus"), Config().stage)
    assert made.kinds == [WORKLOAD, ENDPOINT, QUERY, DROP, LISTENER]
