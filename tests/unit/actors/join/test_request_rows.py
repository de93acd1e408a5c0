"""Request rows: both ends' counts of a connection beside each other, by method, route and status."""

from typing import Any

import numpy as np

from actors.join.joiner import Joiner
from actors.join.routes import Routes
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
    return Joiner(
        "site", "boot", ledger, flows=64, routes=Routes(rules, 100, 50, ledger.stage("join", "rows"))
    )


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


def test_requests_of_one_end_count_where_the_other_does_not_report() -> None:
    """And not where it does, and has not seen the answer yet."""
    alone = said(joiner(), 1, reported(server(), 1, (2, "/a", 503, 4)))
    assert [(row["requests"], row["requests.failed"]) for row in alone] == [(4, 4)]
    join = joiner()
    first = said(
        join, 1, batch_of([client()], 1, node="a"), reported(server(), 1, (1, "/a", 200, 1), node="b")
    )
    second = said(join, 2, reported(client(), 2, (1, "/a", 200, 1), node="a"))
    assert [row["requests"] for row in first + second] == [0, 1]
    assert [row.get("server.requests", 0) for row in first + second] == [1, 0]


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
