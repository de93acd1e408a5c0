"""The console's view of flows: a line for each connection, who called whom."""

from pathlib import Path
from typing import Any, Final

import pytest

from model.kinds.flow import FlowEvidence
from sinks.console.plain import plain_lines
from sinks.console.summary import Sort
from sinks.console.table import render
from tailrace.testing.flows import flows_of, make_flows
from tests.plain_rows import plain_rows
from tests.unit.sinks.flow_rows_shown import FAILED, HALF, LEDGER, REWRITTEN, SHOWN
from tests.unit.sinks.summaries import second_of

#: Bytes to the server, to the client, retransmits and RTT of a row as the batch has them, told twice.
Figures = tuple[int, int, int, int]

_SORT_KEYS: Final = {
    "bytes": lambda row: figures(row)[0] + figures(row)[1],
    "tx": lambda row: figures(row)[0],
    "rx": lambda row: figures(row)[1],
    "retransmits": lambda row: figures(row)[2],
    "rtt": lambda row: figures(row)[3],
}


def figures(row: dict[str, Any]) -> Figures:
    """What a row of ``Batch.rows`` says moved."""
    mirrored = not row["client.reported"] and row["evidence"] != FlowEvidence.BOTH
    there, back = (
        ("server.rx_bytes", "server.tx_bytes") if mirrored else ("client.tx_bytes", "client.rx_bytes")
    )
    again = sum(row[f"{side}.retransmitted_segments"] for side in ("client", "server"))
    return row[there], row[back], again, row["client.rtt_ns"] or row["server.rtt_ns"]


@pytest.mark.parametrize("width", [80, 120, 200])
def test_table_is_readable(width: int) -> None:
    """Ports, pids and errors stay whole; what was called comes at 120 columns, both ends' containers at 200."""
    frame = render(second_of(flows_of(*SHOWN), ledger=LEDGER), width, 24, color=False)
    assert frame == (Path(__file__).parent / "golden" / f"flows-{width}.txt").read_text()


def test_plain_lines_are_stable() -> None:
    """The same words at the same places, a dash where something is not known."""
    text = plain_lines(second_of(flows_of(REWRITTEN, FAILED), ledger=LEDGER))
    assert (
        text
        == """\
2023-11-14T22:13:20Z node-a summary rows=2 open_sockets=42 opened=0 closed=0 failed=1 to_server=1.2MB/s \
to_client=48MB/s retransmits=12 lost=1203 lost.sink.jsonl.queue_full=1200 lost.ring.full=3
2023-11-14T22:13:20Z node-a k3s-agent-node1/4190233 cri-containerd-fedcba987654 10.0.1.77:40112 -> \
postgres/811 docker-0123456789ab 10.244.3.8:5432 service=10.96.0.10:5432 established to_server=1.2MB/s \
to_client=48MB/s retransmits=12 rtt=187us evidence=both
2023-11-14T22:13:20Z node-a curl/7 nginx.service 10.0.0.5:60000 -> - - 203.0.113.255:65535 service=- \
ECONNREFUSED to_server=0B/s to_client=0B/s retransmits=0 rtt=- evidence=address
"""
    )


def test_frame_fits_the_terminal() -> None:
    """A low terminal shows fewer connections; no line is wider than the terminal, however narrow."""
    second = second_of(make_flows(500), ledger=LEDGER)
    assert len(render(second, 80, 10, color=False).splitlines()) == 10
    for width in (20, 79, 80, 112, 113, 120, 194, 195, 200, 400):
        assert max(map(len, render(second, width, 30, color=False).splitlines())) <= width


def test_what_went_wrong_is_red_and_what_ended_is_dim() -> None:
    """A failed connect, a connection that ended well."""
    failed, ended = (render(second_of(flows_of(row)), 80, 9, color=True) for row in (FAILED, HALF))
    assert "\x1b[31mcurl" in failed
    assert "\x1b[2mssh" in ended


@pytest.mark.parametrize("sort", ["bytes", "tx", "rx", "retransmits", "rtt"])
def test_top_is_that_of_the_whole_second(sort: Sort) -> None:
    """The top of many chunks is what sorting all rows in Python gives; so are the totals."""
    batch = make_flows(5000, seed=3)
    second = second_of(*batch.chunked(700), limit=15, sort=sort)
    rows = {f"{row['connection.id']:016x}": row for row in plain_rows(batch)}
    best = sorted(map(_SORT_KEYS[sort], rows.values()), reverse=True)[:15]
    assert [_SORT_KEYS[sort](rows[row["connection.id"]]) for row in second.top()] == best
    sums = [sum(numbers) for numbers in zip(*map(figures, rows.values()), strict=True)]
    totals = second.totals
    assert [totals.tx_bytes, totals.rx_bytes, totals.retransmitted_segments] == sums[:3]


def test_bytes_of_a_connection_with_two_ends_count_once() -> None:
    """In a second in which only the server has news, its bytes are those that the client counts in another."""
    second = second_of(flows_of(HALF))
    assert (second.totals.tx_bytes, second.totals.closed) == (0, 1)
    alone = second_of(flows_of(HALF | {"evidence": FlowEvidence.SERVER}))
    assert alone.totals.tx_bytes == 50
