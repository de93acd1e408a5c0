"""Request rows: both ends' counts of a connection beside each other, by method, route and status."""

from dataclasses import replace
from typing import Any

import numpy as np

from actors.join.joiner import Joiner
from actors.join.routes import RouteLimits, Routes
from model.batch import Batch
from model.histogram import Histograms
from model.kinds.request import REQUEST
from model.ledger import Ledger
from model.message import decode
from model.requests import TYPES, Requests
from tests.nat_events import batch_of
from tests.unit.actors.join.site import client, server

#: Method, route, status, requests; each request took 1000 ns.
Entry = tuple[int, str, int, int]


def counted(*groups: list[Entry]) -> Requests:
    """A table with these groups."""
    entries = [entry for group in groups for entry in group]
    routes = ["", *dict.fromkeys(route for _, route, _, _ in entries if route)]
    values = {
        "method": [entry[0] for entry in entries],
        "route": [routes.index(entry[1]) for entry in entries],
        "status": [entry[2] for entry in entries],
        "requests": [entry[3] for entry in entries],
        "latency_ns": [1000 * entry[3] for entry in entries],
        "histogram": [*range(1, len(entries) + 1)],
    }
    numbers = np.repeat(np.arange(1, len(entries) + 1), values["requests"])
    histograms = Histograms.of(numbers, np.full(len(numbers), 1000), len(entries) + 1)
    columns = {name: np.array(values.get(name, [0] * len(entries)), kind) for name, kind in TYPES.items()}
    return Requests(np.cumsum([0, 0, *map(len, groups)]), columns, routes, histograms)


def joiner(*rules: str) -> Joiner:
    """One that makes rows of requests."""
    ledger = Ledger()
    routes = Routes(rules, RouteLimits(100), ledger.stage("join", "rows"))
    return Joiner("site", "boot", ledger, flows=64, routes=routes)


def reported(row: dict[str, Any], window: int, *entries: Entry, node: str = "n", seq: int = 0) -> Batch:
    """A message with one row and its requests, as it comes over the bus."""
    batch = batch_of([row | {"requests.index": 1}], window, node=node, seq=seq)
    return decode(batch.with_tables(requests=counted([*entries])).encode())


def said(join: Joiner, window: int, *batches: Batch) -> list[dict[str, Any]]:
    """The rows of requests of a window."""
    for batch in batches:
        join.add(batch)
    return [row for batch in join.close(window) if batch.kind is REQUEST for row in batch.rows()]


def test_both_ends_of_a_request_are_one_row() -> None:
    """From two nodes whose messages number their tables apart; each request counts once."""
    (row,) = said(
        joiner(),
        1,
        reported(client(), 1, (1, "/a", 200, 3), node="a"),
        reported(server(), 1, (1, "/a", 200, 2), (1, "/b", 500, 0), node="b"),
    )[:1]
    assert (row["http.request.method"], row["http.route"], row["http.response.status_code"]) == (
        "GET",
        "/a",
        200,
    )
    assert (row["requests"], row["client.requests"], row["server.requests"]) == (3, 3, 2)
    assert (row["client.node"], row["server.node"], row["evidence"]) == ("a", "b", "both")
    assert (row["client.address"], row["server.port"]) == ("10.0.0.5", 8080)
    assert row["http.client.request.duration_ns"]["count"] == 3
    assert row["http.server.request.duration_ns"]["sum"] == 2000


def test_requests_count_once_whichever_end_saw_them() -> None:
    """Who counted first counts as long as the connection lives: the other may see them later, or never."""
    alone = said(joiner(), 1, reported(server(), 1, (2, "/a", 503, 4)))
    assert [(row["requests"], row["requests.failed"]) for row in alone] == [(4, 4)]
    join = joiner()
    first = said(
        join, 1, batch_of([client()], 1, node="a"), reported(server(), 1, (1, "/a", 200, 1), node="b")
    )
    second = said(
        join,
        2,
        reported(client(), 2, (1, "/a", 200, 3), node="a", seq=1),
        reported(server(), 2, (1, "/a", 200, 2), node="b", seq=1),
    )
    third = said(join, 3, reported(client(), 3, (1, "/a", 200, 1), node="a", seq=2))
    rows = first + second + third
    assert [row["requests"] for row in rows] == [1, 2, 0]
    assert [row.get("client.requests", 0) for row in rows] == [0, 3, 1]
    assert [row.get("server.requests", 0) for row in rows] == [1, 2, 0]


def test_another_connection_of_the_same_place_decides_anew() -> None:
    """The client of the first counts; of the next only the server sees anything."""
    join = joiner()
    said(join, 1, reported(client(connection__closed=1), 1, (1, "/a", 200, 1), node="a"))
    for window in range(2, 9):
        said(join, window)
    (row,) = said(join, 9, reported(server(), 9, (1, "/a", 200, 5), node="b"))
    assert row["requests"] == 5


def test_flows_have_the_sums_of_their_requests() -> None:
    """As the end that counts saw them, also where nobody wants rows of requests."""
    join = Joiner("site", "boot", Ledger(), 64)
    join.add(reported(client(), 1, (1, "/a", 200, 3), (2, "/a", 500, 1), (1, "/b", 0, 2), node="a"))
    join.add(reported(server(), 1, (1, "/a", 200, 9), node="b"))
    (batch,) = join.close(1)
    (row,) = batch.rows()
    assert (row["requests"], row["requests.failed"], row["requests.duration_ns"]) == (6, 3, 6000)


def test_calls_of_grpc_are_told_by_their_code() -> None:
    """Those that are the server's fault failed; OK is said, too; other requests have no code."""
    batch = reported(
        client(), 1, (2, "/shop.Cart/Add", 200, 4), (2, "/shop.Cart/Add", 200, 2), (1, "/", 200, 1)
    )
    table = batch.tables["requests"]
    table.columns["protocol"] = np.array([3, 3, 1], "<u1")
    table.columns["grpc_status"] = np.array([0, 14, 255], "<u1")
    table.columns["request_bytes"] = np.array([400, 200, 50], "<u8")
    rows = said(joiner(), 1, batch)
    names = ("network.protocol.version", "rpc.system", "rpc.grpc.status_code", "requests.failed")
    found = {tuple(row.get(name) for name in (*names, "http.request.bytes")) for row in rows}
    assert found == {("2", "grpc", 0, None, 400), ("2", "grpc", 14, 2, 200), ("1.1", None, None, None, 50)}


def test_hosts_are_apart() -> None:
    """Of one connection, as a proxy has; names from two nodes are the same name."""
    batches = []
    for node, row in (("a", client()), ("b", server())):
        batch = reported(row, 1, (1, "/", 200, 2), (1, "/", 200, 1), node=node)
        table = batch.tables["requests"]
        table.columns["host"] = np.array([1, 2], "<u4")
        batches.append(batch.with_tables(requests=replace(table, hosts=["", "shop.test", "blog.test"])))
    rows = said(joiner(), 1, *batches)
    found = {row["http.host"]: (row["requests"], row["server.requests"]) for row in rows}
    assert found == {"shop.test": (2, 2), "blog.test": (1, 1)}


def test_paths_of_one_route_are_one_row() -> None:
    """Statuses and methods stay apart; no answer is a failure."""
    rows = said(
        joiner("/users/{id}"),
        1,
        reported(
            client(),
            1,
            (1, "/users/anna", 200, 1),
            (1, "/users/bert", 200, 2),
            (1, "/users/carl", 0, 1),
            (4, "/users/anna", 200, 1),
        ),
    )
    found = {
        (row["http.request.method"], row["http.route"], row["http.response.status_code"]): (
            row["requests"],
            row.get("requests.failed", 0),
        )
        for row in rows
    }
    assert found == {
        ("GET", "/users/{id}", 200): (3, 0),
        ("GET", "/users/{id}", 0): (1, 1),
        ("DELETE", "/users/{id}", 200): (1, 0),
    }


def test_no_rows_of_requests_without_requests() -> None:
    """Nor where nobody wants them."""
    assert said(joiner(), 1, batch_of([client(), server()], 1)) == []
    assert said(Joiner("site", "boot", Ledger(), 64), 1, reported(client(), 1, (1, "/a", 200, 1))) == []


def test_a_batch_of_requests_is_a_message() -> None:
    """What a reader gets has the same rows."""
    join = joiner()
    join.add(reported(client(), 1, (1, "/a", 200, 1)))
    (batch,) = [batch for batch in join.close(1) if batch.kind is REQUEST]
    assert [*decode(batch.encode()).rows()] == [*batch.rows()]
