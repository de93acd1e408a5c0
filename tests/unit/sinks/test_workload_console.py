"""The console's view of workloads: a line for each pair, who talks to whom."""

from pathlib import Path
from typing import Any

import pytest

from sinks.console.plain import plain_lines
from sinks.console.summary import Sort
from sinks.console.table import render
from tests.unit.sinks.flow_rows_shown import LEDGER
from tests.unit.sinks.summaries import second_of
from tests.unit.sinks.workload_rows_shown import shown
from tests.workloads import summed_workloads


@pytest.mark.parametrize("width", [80, 120, 200])
def test_table_is_readable(width: int) -> None:
    """Ports stay whole; times of connects come at 120 columns, kinds and zones at 200."""
    frame = render(second_of(shown(), ledger=LEDGER), width, 24, color=False)
    assert all(len(line) <= width for line in frame.splitlines())
    assert frame == (Path(__file__).parent / "golden" / f"workloads-{width}.txt").read_text()


def test_plain_lines_are_stable() -> None:
    """The same words at the same places, a dash where something is not known."""
    summary, cart, curl = plain_lines(second_of(shown(), ledger=LEDGER)).splitlines()
    assert summary == (
        "2023-11-14T22:13:20Z node-a summary rows=2 open_sockets=42 opened=1 closed=0 failed=1 to_server=1.2MB/s "
        "to_client=48MB/s retransmits=12 lost=1203 lost.sink.jsonl.queue_full=1200 lost.ring.full=3"
    )
    assert cart == (
        "2023-11-14T22:13:20Z node-a shop/cart Deployment zone=eu-north-1a -> "
        "shop/orders-database-with-a-long-name:5432 StatefulSet zone=eu-north-1b to_server=1.2MB/s "
        "to_client=48MB/s active=2 opened=1 closed=0 failed=0 retransmits=12 rtt=194us,8.8ms connect=251us,251us"
    )
    assert curl == (
        "2023-11-14T22:13:20Z node-a curl process zone=- -> 203.0.113.255:65535 address zone=- to_server=0B/s "
        "to_client=0B/s active=0 opened=0 closed=0 failed=1 retransmits=0 rtt=-,- connect=2.0ms,2.0ms"
    )


@pytest.mark.parametrize("sort", ["bytes", "tx", "rx", "retransmits", "rtt"])
def test_the_top_ones_come_first(sort: Sort) -> None:
    """Over all chunks, by what was asked for."""
    batch = summed_workloads(
        500, columns={"connection.failed": 0, "connection.closed": 0, "connection.opened": 0}
    )
    second = second_of(*batch.chunked(100), limit=5, sort=sort)
    columns: dict[str, Any] = batch.columns
    scores = {
        "bytes": columns["bytes"] + columns["reply_bytes"],
        "tx": columns["bytes"],
        "rx": columns["reply_bytes"],
        "retransmits": columns["retransmitted_segments"],
        "rtt": columns["rtt_ns.sum"] // columns["connections.active"],
    }
    best = sorted(scores[sort].tolist(), reverse=True)[:5]
    ports = [row["server.port"] for row in second.top()]
    by_port = dict(zip(batch.columns["server.port"].tolist(), scores[sort].tolist(), strict=True))
    assert [by_port[port] for port in ports] == best
