"""What words mean for queries, drops, listeners and flows of UDP: in columns, and in rows that came over NATS."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from model.batch import Batch
from model.filter.filter import BoundFilter, Filter
from model.filter.view import RowsView
from model.filter.words import FilterError
from model.kinds.drop import DROP
from model.kinds.flow import FLOW
from model.kinds.listener import LISTENER
from model.kinds.query import QUERY
from model.kinds.workload import WORKLOAD
from model.public import PublicRow
from tailrace.testing import make_flows
from tailrace.testing.packets import make_drops, make_listeners, make_queries

Row = Mapping[str, Any]
UDP = {"network.transport": [17, 6] * 100, "network.protocol.name": [1, 0, 2, 0] * 50}

CASES: list[tuple[str, Callable[[], Batch], Callable[[Row], bool]]] = [
    ("failed>0", lambda: make_queries(200), lambda row: row.get("queries.failed", 0) > 0),
    ("error:SERVFAIL", lambda: make_queries(200), lambda row: row["dns.response.code"] == "SERVFAIL"),
    ("-error:noerror", lambda: make_queries(200), lambda row: row["dns.response.code"] != "NOERROR"),
    ("name:*.local", lambda: make_queries(200), lambda row: row["dns.question.name"].endswith(".local")),
    ("question.type:AAAA", lambda: make_queries(200), lambda row: row["dns.question.type"] == "AAAA"),
    ("queries>50", lambda: make_queries(200), lambda row: row["queries"] > 50),
    ("transport:udp", lambda: make_queries(200), lambda row: row["network.transport"] == "udp"),
    ("workload:cart", lambda: make_queries(200), lambda row: "cart" in str(row.get("client.entity"))),
    ("transport:udp", lambda: make_drops(200), lambda row: row["network.transport"] == "udp"),
    ("reason:NO_*", lambda: make_drops(200), lambda row: row["drop.reason"] == "NO_SOCKET"),
    ("reason:netfilter", lambda: make_drops(200), lambda row: row["drop.category"] == "netfilter"),
    ("drops>500", lambda: make_drops(200), lambda row: row["drops"] > 500),
    ("hook:FORWARD", lambda: make_drops(200), lambda row: row.get("netfilter.hook") == "FORWARD"),
    ("queue>100", lambda: make_listeners(200), lambda row: row["listener.queue"] > 100),
    ("overflows>0", lambda: make_listeners(200), lambda row: row.get("listener.overflows", 0) > 0),
    ("id:0000000000000007", lambda: make_listeners(200), lambda row: row["listener.id"].endswith("07")),
    (
        "protocol:quic",
        lambda: make_flows(200, columns=UDP),
        lambda row: row.get("network.protocol.name") == "quic",
    ),
    ("transport:udp", lambda: make_flows(200, columns=UDP), lambda row: row["network.transport"] == "udp"),
    (
        "reason:netfilter",
        lambda: make_flows(200, columns={"drop.index": [0, 1] * 100}),
        lambda row: row.get("drop.category") == "netfilter",
    ),
]


@pytest.mark.parametrize(("text", "make", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_words_mean_what_rows_say(
    text: str, make: Callable[[], Batch], wanted: Callable[[Row], bool]
) -> None:
    """Some rows match, and just these."""
    batch = make()
    rows = list(batch.rows())
    expected = [place for place, row in enumerate(rows) if wanted(row)]
    assert 0 < len(expected) < len(rows)
    left = BoundFilter(text, [batch.kind])(batch)
    assert list(left.rows()) == [rows[place] for place in expected]
    view = RowsView(
        batch.kind, [PublicRow(batch.kind.name, "node-a", "boot-1", 0, batch.window, row) for row in rows]
    )
    assert np.flatnonzero(Filter(text).of(batch.kind)(view)).tolist() == expected


def test_failed_counts_queries_of_flows_and_workloads() -> None:
    """Beside connects and requests."""
    batch = make_flows(2, columns={"connection.failed": 0, "requests.failed": 0, "queries.failed": [0, 3]})
    assert len(BoundFilter("failed>0", [FLOW])(batch)) == 1
    Filter("failed>0").of(WORKLOAD)


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("failed>0", DROP, "drops have no 'failed'"),
        ("failed>0", LISTENER, "listeners have no 'failed'"),
        ("rtt>1ms", DROP, "drops have no 'rtt'"),
        ("name:db", DROP, "drops have no 'name'"),
        ("error:SERVFAIL", FLOW, "SERVFAIL is none of its words"),
        ("error:ECONNREFUSED", QUERY, "ECONNREFUSED is none of its words"),
        ("state:established", QUERY, "queries have no 'state'"),
    ],
)
def test_words_that_rows_have_no_use_for_are_refused(text: str, kind: Any, said: str) -> None:
    """With one line that says which rows have no such thing."""
    with pytest.raises(FilterError, match=re.escape(said)):
        Filter(text).of(kind)
