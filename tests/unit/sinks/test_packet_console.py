"""Queries, drops and listeners as the console shows them: tables of several widths, and lines."""

from typing import Any

import pytest

from model.batch import Batch
from sinks.console.plain import plain_lines
from sinks.console.summary import WindowSummary
from sinks.console.table import render
from tailrace.testing.packets import make_drops, make_listeners, make_queries

QUERY: dict[str, Any] = {
    "client.process.pid": 7,
    "client.process.comm": b"curl",
    "question.index": 2,
    "queries": 12,
    "dns.question.type": 28,
    "dns.response.code": 3,
    "dns.retries": 2,
    "network.transport": 17,
    "queries.failed": 0,
}
DROP: dict[str, Any] = {
    "drop.reason": b"NETFILTER_DROP",
    "drop.category": 1,
    "netfilter.hook": 3,
    "drops": 1200,
    "network.transport": 17,
    "source.port": 5353,
    "destination.port": 53,
}
LISTENER: dict[str, Any] = {
    "entity.index": 1,
    "network.local.port": 8080,
    "listener.queue": 96,
    "listener.limit": 128,
    "listener.accepted": 40,
    "listener.overflows": 3,
}


def summary_of(batch: Batch) -> WindowSummary:
    """A whole second."""
    summary = WindowSummary(batch, 20, "bytes")
    summary.add(batch)
    return summary


def drawn(batch: Batch, width: int) -> list[list[str]]:
    """The words of each line of the table, its titles first; no line is wider than the terminal."""
    lines = render(summary_of(batch), width, 20, color=False).splitlines()
    assert all(len(line) <= width for line in lines)
    begin = next(place for place, line in enumerate(lines) if line.startswith("lost")) + 1
    return [line.split() for line in lines[begin:] if line]


@pytest.mark.parametrize(
    ("make", "columns", "width", "titles", "words"),
    [
        (
            *(make_queries, QUERY, 120),
            "CLIENT RESOLVER NAME TYPE CODE QRY/s RETRY P50 P99",
            "curl/7 → udp db.shop.svc.cluster.local AAAA NXDOMAIN 12 2",
        ),
        (
            *(make_queries, QUERY, 80),
            "CLIENT NAME TYPE CODE QRY/s RETRY P50 P99",
            "curl/7 db.shop.svc.cluster.local AAAA NXDOMAIN 12 2",
        ),
        (
            *(make_drops, DROP, 120),
            "WHY REASON WHERE SOURCE DESTINATION NETNS DROPS/s",
            "netfilter NETFILTER_DROP FORWARD udp 4026531840 1.2k",
        ),
        (
            *(make_drops, DROP, 80),
            "WHY REASON SOURCE DESTINATION DROPS/s",
            "netfilter NETFILTER_DROP udp 1.2k",
        ),
        (
            *(make_listeners, LISTENER, 80),
            "LISTENER ADDRESS NETNS QUEUE LIMIT FULL ACC/s DROP/s",
            "shop/cart 4026531840 96 128 75% 40 3",
        ),
    ],
)
def test_tables_say_whole_words_at_usual_widths(
    make: Any, columns: dict[str, Any], width: int, titles: str, words: str
) -> None:
    """Reasons, codes and names are not cut at 80 columns."""
    found, row = drawn(make(1, columns=columns), width)
    assert found == titles.split()
    assert [word for word in row if word in words.split()] == words.split()


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        (
            make_queries(1, columns=QUERY),
            "curl/7 -> 10.0.7.7:53 udp db.shop.svc.cluster.local AAAA NXDOMAIN queries=12 failed=0 retries=2",
        ),
        (make_drops(1, columns=DROP), "netfilter NETFILTER_DROP FORWARD udp "),
        (
            make_listeners(1, columns=LISTENER),
            ":8080 netns=4026531840 queue=96 limit=128 accepted=40 overflows=3",
        ),
    ],
)
def test_lines_are_words_without_names_of_columns(batch: Batch, said: str) -> None:
    """One line for each row, behind the second's summary."""
    _, line = plain_lines(summary_of(batch)).splitlines()
    assert said.replace("10.0.7.7", line.split("-> ")[-1].partition(":53")[0]) in line
    assert "{" not in line
