"""Queries of DNS on edges: how many, how many failed, and what that makes of who asks and who answers."""

import pytest

from tests.unit.store.queries.fleets import data
from tests.unit.store.queries.rows_store import RowsStore
from tests.unit.store.segments.made import BEGIN, second

MINUTE = 60
AT = str(BEGIN + MINUTE)


def _rows() -> list[dict[str, int]]:
    """Of one edge 12 % of the queries fail, of one 1 %, of one none; a receive buffer of the last drops a tenth."""
    sums = {
        "network.transport": 17,
        "datagrams": 200,
        "evidence.both": 1,
        "connections.active": 1,
        "port": 53,
    }
    return [
        {"client": 1, "server": 2, **sums, "queries": 100, "queries.failed": 12},
        {"client": 3, "server": 2, **sums, "queries": 100, "queries.failed": 1},
        {"client": 2, "server": 3, **sums, "queries": 100},
        {"client": 1, "server": 3, **sums, "port": 5000, "datagrams.dropped": 20},
    ]


@pytest.fixture(scope="module")
def store() -> RowsStore:
    return RowsStore([second(BEGIN + at, _rows(), at) for at in range(MINUTE)])


def test_edges_are_judged_by_their_queries(store: RowsStore) -> None:
    """As by requests; full receive buffers as by drops."""
    rows = data(store, "edges", at=AT, window="60s")["rows"]
    found = {(row["client"], row["server"], row["edge"]["port"]): row["edge"] for row in rows}
    bad, some, well, full = (
        found[key]
        for key in (("shop/cart", "db", 53), ("x", "db", 53), ("db", "x", 53), ("shop/cart", "x", 5000))
    )
    assert (bad["queries"], bad["queries_failed"], bad["status"]) == (6000, 720, "failing")
    assert bad["reasons"] == ["failed 12 % of 6.0k queries of DNS"]
    assert (some["queries_failed"], some["status"]) == (60, "degraded")
    assert (well["queries"], well["queries_failed"], well["status"], well["reasons"]) == (6000, 0, "ok", [])
    assert (full["queries"], full["datagrams_dropped"], full["status"]) == (0, 1200, "degraded")


def test_who_answers_fails_and_who_asks_says_whose_answers_fail(store: RowsStore) -> None:
    """A resolver is judged by all that it is asked."""
    nodes = {node["key"]: node for node in data(store, "map", at=AT, window="60s")["nodes"]}
    assert (nodes["db"]["status"], nodes["db"]["reasons"][0]) == (
        "failing",
        "failed 6 % of 12k queries of DNS",
    )
    assert nodes["shop/cart"]["reasons"] == ["calls of db:53: failed 12 % of 6000 queries of DNS"]


def test_the_verdict_of_a_resolver_that_fails_is_the_application(store: RowsStore) -> None:
    """Queries tell as requests do, with their share; those of a line that is well say nothing."""
    edges = {
        (row["client"], row["server"], row["edge"]["port"]): row["edge"]["id"]
        for row in data(store, "edges", at=AT, window="60s")["rows"]
    }
    bad, well = (
        data(store, "quality", at=AT, window="60s", edge=edges[key])
        for key in (("shop/cart", "db", 53), ("db", "x", 53))
    )
    assert bad["verdict"] == "application"
    assert "12.0 % of queries of DNS failed" in bad["sentence"]
    figures = {each["name"]: each["value"] for each in bad["figures"]}
    assert (figures["queries"], figures["unresolved"]) == (6000, 720)
    assert well["verdict"] == "well"
