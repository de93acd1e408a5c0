"""Filters of batches and of rows, against what the rows themselves say."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from model.addresses import address_bytes
from model.batch import Batch
from model.filter.filter import BoundFilter, Filter
from model.filter.names import NAMES
from model.filter.targets import targets
from model.filter.view import BatchView, RowsView
from model.filter.words import FilterError
from model.kind import Kind
from model.kinds import kinds
from model.kinds.delta import DELTA
from model.kinds.flow import FLOW
from model.kinds.workload import WORKLOAD
from model.public import PublicRow
from tailrace.testing import make_batch
from tailrace.testing.deltas import WINDOW
from tailrace.testing.requests import make_endpoints, make_requests

Row = Mapping[str, Any]

ENTITIES = [
    {},
    {"k8s.namespace.name": "shop", "k8s.pod.name": "cart-7f", "k8s.workload.name": "cart"},
    {
        "k8s.namespace.name": "shop",
        "cloud.availability_zone": "a",
        "process.executable.name": "prometheus-server",
    },
]


def flows(rows: int = 3000) -> Batch:
    """Flows between pods, some of which failed."""
    batch = make_batch(FLOW, rows)
    numbers = np.random.default_rng(7)
    for side in ("client", "server"):
        batch.columns[f"{side}.entity.index"][:] = numbers.integers(0, len(ENTITIES), rows)
        batch.columns[f"{side}.process.comm"][::5] = b""
    batch.columns["window.late_s"][::4] = 30
    batch.columns["client.address"][::9] = np.array([address_bytes("2001:db8::5")], "V16")
    return batch.with_tables(entities=ENTITIES)


def either(test: Callable[[Row, str], Any]) -> Callable[[Row], bool]:
    """Whether one of the ends passes."""
    return lambda row: any(test(row, side) for side in ("client", "server"))


def attribute(name: str, text: str) -> Callable[[Row], bool]:
    """Whether one of the ends has it."""
    return either(lambda row, side: row.get(f"{side}.entity", {}).get(name) == text)


TRUTHS: list[tuple[str, Callable[[Row], bool]]] = [
    ("", lambda row: True),
    ("failed>0", lambda row: bool(row.get("connection.failed"))),
    ("failed:0", lambda row: not row.get("connection.failed")),
    ("process:curl", either(lambda row, side: row.get(f"{side}.process.comm") == "curl")),
    (
        "process:ngi*,cur*",
        either(lambda row, side: row.get(f"{side}.process.comm", "")[:3] in ("ngi", "cur")),
    ),
    ("process:*g*", either(lambda row, side: "g" in row.get(f"{side}.process.comm", ""))),
    (
        "-process:curl",
        lambda row: "curl" not in (row.get("client.process.comm"), row.get("server.process.comm")),
    ),
    ("process:prometheus-server", attribute("process.executable.name", "prometheus-server")),
    ("client.process.comm:curl", lambda row: row.get("client.process.comm") == "curl"),
    ("server.process:curl", lambda row: row.get("server.process.comm") == "curl"),
    ("ns:shop pod:cart-*", attribute("k8s.pod.name", "cart-7f")),
    ("zone:a", attribute("cloud.availability_zone", "a")),
    ("workload:shop/ca*", attribute("k8s.workload.name", "cart")),
    ("workload:other/cart", lambda row: False),
    ("k8s.pod.name:cart-7f", attribute("k8s.pod.name", "cart-7f")),
    ("client.pod:cart-7f", lambda row: row.get("client.entity", {}).get("k8s.pod.name") == "cart-7f"),
    ("error:ECONNREFUSED", either(lambda row, side: row.get(f"{side}.error.type") == "ECONNREFUSED")),
    ("state:established", either(lambda row, side: row.get(f"{side}.connection.state") == "established")),
    ("evidence:both,nat", lambda row: row["evidence"] in ("both", "nat")),
    ("server.port:1-1000", lambda row: 1 <= row["server.port"] <= 1000),
    (
        "address:2001:db8::/32",
        lambda row: any(":" in row[f"{end}.address"] for end in ("client", "service", "server")),
    ),
    ("client.address:2001:db8::5", lambda row: row["client.address"] == "2001:db8::5"),
    ("tx_bytes>1k", either(lambda row, side: row.get(f"{side}.tx_bytes", 0) > 1000)),
    ("client.rtt>1ms client.rtt<=1s", lambda row: 10**6 < row.get("client.rtt_ns", 0) <= 10**9),
    ("node:db.7", either(lambda row, side: row.get(f"{side}.node") == "db.7")),
    (f"since:{WINDOW}", lambda row: not row.get("window.late_s")),
    (f"until:{WINDOW - 30}", lambda row: row.get("window.late_s") == 30),
]


REQUESTED: list[tuple[str, Callable[[Row], bool]]] = [
    ("status:5xx", lambda row: row["http.response.status_code"] >= 500),
    ("status:404,500-502", lambda row: row["http.response.status_code"] in (404, 500)),
    ("status:0", lambda row: row["http.response.status_code"] == 0),
    ("method:get", lambda row: row.get("http.request.method") == "GET"),
    ("route:/orders/*", lambda row: row.get("http.route") == "/orders/*"),
    ("host:shop.*", lambda row: row.get("http.host") == "shop.test"),
    ("grpc:14", lambda row: row.get("rpc.grpc.status_code") == 14),
    ("grpc:unavailable", lambda row: row.get("rpc.grpc.status_code") == 14),
    ("grpc:0-16", lambda row: "rpc.grpc.status_code" in row),
    ("protocol:2", lambda row: row["network.protocol.version"] == "2"),
    ("via:mesh/*", lambda row: row.get("via.name") == "mesh/gateway"),
    ("failed>0", lambda row: row.get("requests.failed", 0) > 0),
    ("requests>500", lambda row: row["requests"] > 500),
]


@pytest.mark.parametrize("made", [make_requests, make_endpoints])
@pytest.mark.parametrize(("text", "truth"), REQUESTED, ids=[text for text, _ in REQUESTED])
def test_requests_are_found_by_what_they_asked_for(
    made: Callable[[int], Batch], text: str, truth: Callable[[Row], bool]
) -> None:
    """And by how they ended, of connections and of workloads."""
    batch = made(400)
    expected = [truth(row) for row in batch.rows()]
    wanted = Filter(text).of(batch.kind)
    assert wanted(BatchView(batch)).tolist() == expected
    assert wanted(RowsView(batch.kind, shown(batch))).tolist() == expected
    assert any(expected)
    assert not all(expected)


def shown(batch: Batch) -> list[PublicRow]:
    """The rows as a reader of a public subject has them."""
    head = {"kind", "node", "boot", "seq", "window"}
    fields = [{name: value for name, value in row.items() if name not in head} for row in batch.rows()]
    return [PublicRow(batch.kind.name, batch.node, batch.boot, 0, batch.window, row) for row in fields]


@pytest.mark.parametrize(("text", "truth"), TRUTHS, ids=[text or "all" for text, _ in TRUTHS])
def test_a_filter_says_what_the_rows_say(text: str, truth: Callable[[Row], bool]) -> None:
    """Of columns and of rows; neither all nor no rows match, where that is not the meaning."""
    batch = flows()
    wanted = Filter(text).of(FLOW)
    expected = [truth(row) for row in batch.rows()]
    assert wanted(BatchView(batch)).tolist() == expected
    assert wanted(RowsView(FLOW, shown(batch))).tolist() == expected
    assert any(expected) == ("other" not in text)
    assert all(expected) == (not text)


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.plural)
def test_columns_and_rows_are_of_one_mind(kind: Kind) -> None:
    """Every short name that a kind has gives the same mask for a batch as for the rows that are read of it."""
    batch, rows = make_batch(kind, 500), None
    rows = shown(batch)
    for name in NAMES:
        if targets(kind, name):
            for operator, value in ((":", NAMES[name].example), (">", "0"), ("<", "1ms"), ("<", "5")):
                try:
                    wanted = Filter(f"{name}{operator}{value}").of(kind)
                except FilterError:
                    continue
                assert wanted(BatchView(batch)).tolist() == wanted(RowsView(kind, rows)).tolist(), (
                    name,
                    operator,
                )


def test_words_with_one_key_are_alternatives_and_others_add_up() -> None:
    """Comparisons always add up, and an excluded word takes away."""
    batch = flows()
    rows = list(batch.rows())

    def count(text: str) -> int:
        return int(Filter(text).of(FLOW)(BatchView(batch)).sum())

    evidence = [row["evidence"] for row in rows]
    assert (
        count("evidence:both evidence:nat")
        == count("evidence:both,nat")
        == evidence.count("both") + evidence.count("nat")
    )
    assert count("server.port>100 server.port<2000") == sum(100 < row["server.port"] < 2000 for row in rows)
    assert count("evidence:both -evidence:both") == 0
    assert count("failed>0") + count("-failed>0") == len(rows)


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (FLOW, "ns:a prot:80", "flows have no 'prot' at ns:a »prot:80«: did you mean port?"),
        (WORKLOAD, "pid:7", "workloads have no 'pid' at »pid:7«"),
        (FLOW, "rtt>20", "20 is no time: write 20ms, 1.5s or 10m at »rtt>20«"),
        (FLOW, "error:ENOWHERE", "ENOWHERE is none of its words"),
        (FLOW, "state:open", "open is none of its words: established, "),
        (FLOW, "pod>3", "it is no number: write : in place of >"),
        (FLOW, "address:10.0.0.0/33", "10.0.0.0/33 is no address or network"),
        (FLOW, "port:http", "http is no number"),
        (DELTA, "since:soon", "soon is no time"),
        (DELTA, "since>10m", "since takes one time"),
    ],
)
def test_what_means_nothing_is_refused(kind: Kind, text: str, said: str) -> None:
    """One line that points at the word, and exit code 2."""
    with pytest.raises(FilterError) as caught:
        Filter(text).of(kind)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_every_short_name_means_something() -> None:
    """For one of the kinds, and its example is a value of it."""
    for name, declared in NAMES.items():
        taking = [kind for kind in kinds() if targets(kind, name)]
        assert taking, name
        for kind in taking[:1]:
            Filter(f"{name}:{declared.example}").of(kind)


def test_a_batch_keeps_what_it_says_as_a_whole() -> None:
    """Rows go, chunk and tables stay; other kinds are not touched."""
    batch, other = flows(), make_batch(DELTA, 5)
    wanted = BoundFilter("failed>0", [FLOW])
    left = wanted(batch)
    assert 0 < len(left) < len(batch)
    assert (left.chunk, left.tables) == (batch.chunk, batch.tables)
    assert wanted(other) is other
    assert len(BoundFilter("port:70000", [FLOW])(batch)) == 0
