"""What workloads ask each other for, beside sums made row by row: tables, filters, changes, series, search."""

from typing import Any

import msgspec
import pytest

from model.errors import UsageError
from store.queries.questions import QUESTIONS, ask, parameters_of
from store.reading import Window
from tests.unit.store.queries.asked import MINUTE, NOW, two_minutes_of_requests
from tests.unit.store.queries.rows_store import RowsStore
from tests.unit.store.segments.made import BEGIN, second
from tests.unit.store.segments.made_requests import requests


@pytest.fixture(scope="module")
def store() -> RowsStore:
    return two_minutes_of_requests()


def data(store: RowsStore, name: str, **said: Any) -> Any:
    """The answer of the second minute, as JSON has it."""
    question = QUESTIONS[name]
    words = {"from": [str(BEGIN + MINUTE)], "to": [str(BEGIN + 2 * MINUTE)]}
    words |= {key: [str(value)] for key, value in said.items()}
    answered = ask(store, question, parameters_of(question, words), NOW)
    return msgspec.json.decode(msgspec.json.encode(answered.data))


def test_a_row_for_each_kind_of_request(store: RowsStore) -> None:
    """With who, where, how many a second, how long, and who saw it."""
    found = data(store, "endpoints")
    assert (found["of"], found["requests"], found["failed"], found["cursor"]) == (3, 660, 240, None)
    rows = {row["status"]: row for row in found["endpoints"] if row["route"] == "/orders/*"}
    assert {status: (row["requests"], row["failed"], row["rate"]) for status, row in rows.items()} == {
        200: (360, 0, 6.0),
        503: (240, 240, 4.0),
    }
    good = rows[200]
    assert (good["client"], good["server"], good["port"]) == ("shop/cart", "db", 80)
    assert (good["method"], good["protocol"], good["grpc_status"], good["host"]) == ("GET", "1.1", None, "")
    assert good["evidence"] == {"both": 1.0, "client": 0.0, "server": 0.0}
    assert (good["status_class"], rows[503]["status_class"]) == ("2xx", "5xx")
    for row, took in ((good, 1_000_000), (rows[503], 100_000_000)):
        assert all(abs(row[end]["p99"] - took) <= 0.25 * took for end in ("client_ns", "server_ns"))
    (home,) = (row for row in found["endpoints"] if row["route"] == "/")
    assert (home["host"], home["method"], home["client_ns"]) == ("shop.example", "POST", None)
    assert (home["request_bytes"], home["response_bytes"]) == (60 * 70, 60 * 7000)
    edges = {row["edge"]["id"] for row in data(store, "edges")["rows"]}
    assert {row["edge"] for row in found["endpoints"]} < edges


def test_fewer_parts_add_rows_up(store: RowsStore) -> None:
    found = data(store, "endpoints", by="server,status_class", sort="failed")["endpoints"]
    assert [(row["server"], row["status_class"], row["requests"], row["failed"]) for row in found] == [
        ("db", "5xx", 240, 240),
        ("db", "2xx", 360, 0),
        ("shop/cart", "2xx", 60, 0),
    ]
    assert {(row["client"], row["edge"], row["port"], row["status"], row["route"]) for row in found} == {
        ("", "", None, None, "")
    }
    (one,) = data(store, "endpoints", by="server", select="db")["endpoints"]
    assert one["requests"] == 600
    assert abs(one["client_ns"]["p50"] - 1_000_000) <= 250_000
    assert abs(one["client_ns"]["p99"] - 100_000_000) <= 25_000_000


def test_pages_and_order(store: RowsStore) -> None:
    first = data(store, "endpoints", limit=2, sort="p99")
    rest = data(store, "endpoints", limit=2, sort="p99", cursor=first["cursor"])
    routes = [(row["route"], row["status"]) for row in first["endpoints"] + rest["endpoints"]]
    assert routes == [("/orders/*", 503), ("/orders/*", 200), ("/", 200)]
    assert rest["cursor"] is None
    with pytest.raises(UsageError, match="no cursor"):
        data(store, "endpoints", cursor=9)


@pytest.mark.parametrize(
    ("said", "requested"),
    [
        ({"q": "status:5xx"}, {503}),
        ({"q": "status:5xx route:/"}, set()),
        ({"q": "-status:503 method:GET"}, {200}),
        ({"q": "host:shop.example"}, {200}),
        ({"q": "route:/orders* port:80 ns:shop"}, {200, 503}),
        ({"q": "requests>1000"}, set()),
        ({"q": "requests.failed>0"}, {200, 503}),
        ({"select": "shop/cart", "direction": "up"}, {200}),
        ({"select": "shop/cart", "direction": "down", "q": "status:400-599"}, {503}),
        ({"edge": "shop/cart>db:80"}, {200, 503}),
    ],
)
def test_a_filter_chooses_endpoints(store: RowsStore, said: dict[str, str], requested: set[int]) -> None:
    found = data(store, "endpoints", **said)
    assert {row["status"] for row in found["endpoints"]} == requested


def test_edges_and_workloads_are_found_by_what_was_asked(store: RowsStore) -> None:
    def edges(words: str) -> set[str]:
        return {row["server"] for row in data(store, "edges", q=words)["rows"]}

    assert edges("") == {"db", "shop/cart", "x"}
    assert edges("status:5xx") == {"db"}
    assert edges("status:200") == {"db", "shop/cart"}
    assert edges("method:POST host:shop.*") == {"shop/cart"}
    assert edges("status:5xx host:shop.example") == set()
    nodes = {node["key"] for node in data(store, "map", q="status:5xx")["nodes"]}
    assert nodes == {"shop/cart", "db"}


def test_search_finds_routes_and_hosts(store: RowsStore) -> None:
    found = data(store, "search", q="orders")["found"]
    assert [(each["what"], each["value"], each["key"], each["q"]) for each in found] == [
        ("route", "/orders/*", "db", "route:/orders/*")
    ]
    (host,) = data(store, "search", q="example")["found"]
    assert (host["what"], host["value"]) == ("host", "shop.example")
    failing = data(store, "search", q="status:5xx")["found"]
    assert {(each["what"], each["value"]) for each in failing} == {
        ("workload", "cart"),
        ("workload", "db"),
        ("route", "/orders/*"),
    }
    assert {each["what"] for each in data(store, "search", q="ns:shop")["found"]} == {"workload"}
    values = data(store, "attributes", key="route")["values"]
    assert {value["value"] for value in values} == {"/", "/orders/*"}


def test_edges_have_rate_errors_and_times_of_requests(store: RowsStore) -> None:
    """A server that answers with 5xx fails, and says so; connections alone would be well."""
    rows = {row["server"]: row["edge"] for row in data(store, "edges", sort="requests_failed")["rows"]}
    db, plain = rows["db"], rows["x"]
    assert (db["requests"], db["requests_failed"], db["status"]) == (600, 240, "failing")
    assert db["reasons"] == ["failed 40 % of 600 requests"]
    assert abs(db["request_ns"]["p99"] - 100_000_000) <= 25_000_000
    assert (plain["requests"], plain["requests_failed"], plain["request_ns"]) == (0, 0, None)
    assert next(iter(rows)) == "db"
    nodes = {node["key"]: node for node in data(store, "map")["nodes"]}
    assert (nodes["db"]["status"], nodes["db"]["reasons"]) == ("failing", ["failed 40 % of 600 requests"])
    assert (nodes["db"]["requests"], nodes["db"]["requests_failed"]) == (600, 240)
    assert nodes["db"]["request_ns"] == db["request_ns"]
    assert (nodes["shop/cart"]["requests"], nodes["x"]["requests"], nodes["x"]["request_ns"]) == (60, 0, None)
    assert nodes["shop/cart"]["status"] == "degraded"
    assert nodes["shop/cart"]["reasons"] == ["calls of db:80: failed 40 % of 600 requests"]


def test_two_windows_are_compared(store: RowsStore) -> None:
    """Edge by edge, and kind by kind."""
    rows = {row["server"]: row["edge"]["change"] for row in data(store, "diff")["rows"]}
    assert (rows["db"]["state"], rows["db"]["what"]) == (
        "changed",
        "failed 0 % → 40 % of requests; p99 of requests 1.0ms → 99ms",
    )
    assert (rows["db"]["requests"], rows["db"]["requests_failed"]) == ([600, 600], [0, 240])
    found = data(store, "endpoints", against="-60s")["endpoints"]
    states = {(row["route"], row["status"]): row["change"] for row in found}
    assert {key: change["state"] for key, change in states.items()} == {
        ("/orders/*", 200): "changed",
        ("/orders/*", 503): "new",
        ("/", 200): "new",
    }
    assert states["/orders/*", 200]["requests"] == [600, 360]


def test_series_of_requests(store: RowsStore) -> None:
    """Of all, of an edge, and of what the filter means."""
    window = Window(BEGIN + MINUTE, BEGIN + 2 * MINUTE)
    truth = store.requests.of(window)
    metrics = "requests,requests_failed,request_p99,bytes"
    whole = data(store, "series", metrics=metrics)["columns"]
    assert list(whole) == metrics.split(",")
    assert sum(whole["requests"]) == sum(sums["requests"] for sums in truth.values()) == 660
    assert set(whole["requests_failed"]) == {4}
    bad = data(store, "series", metrics=metrics, q="status:503", step=10)["columns"]
    assert bad["requests"] == bad["requests_failed"] == [40] * 6
    assert all(abs(value - 100_000_000) <= 25_000_000 for value in bad["request_p99"])
    none = data(store, "series", metrics=metrics, edge="shop/cart>x:9000")["columns"]
    assert (set(none["requests"]), set(none["request_p99"])) == ({0}, {None})
    assert set(none["bytes"]) == {5}


def test_where_requests_fail(store: RowsStore) -> None:
    """By what tells callers and servers apart; an attribute with one value tells nothing."""
    found = data(store, "where", of="requests", by="port,version")
    assert (found["of"], found["failed"], found["attempts"]) == ("requests", 240, 660)
    (port,) = (each["values"] for each in found["by"] if each["attribute"] == "server.port")
    assert [(value["value"], value["failed"], value["attempts"]) for value in port] == [
        ("80", 240, 600),
        ("8080", 0, 60),
        ("9000", 0, 0),
    ]
    (status,) = (each["values"] for each in found["by"] if each["attribute"] == "status")
    assert [(value["value"], value["failed"], value["attempts"]) for value in status] == [("503", 240, 660)]
    assert data(store, "where")["failed"] == 0


@pytest.fixture(scope="module")
def proxied() -> RowsStore:
    """Each second two requests to a proxy that it passes on; its client asks the server without it once, too."""
    to = {"client": 3, "server": 1, "port": 8080, "status": 503, "requests": 2, "requests.failed": 2}
    to |= {"method": 1, "route": 2, "ns": 16_000_000}
    behind = {**to, "client": 1, "server": 2, "port": 80, "ns": 1_000_000}
    alone = {**behind, "client": 3, "requests": 1, "requests.failed": 0, "status": 200}
    passed = {**to, "server": 2, "port": 80, "via": 1}
    kept = ("client", "server", "port", "requests", "requests.failed")
    edges = [{"network.transport": 6, **{name: row[name] for name in kept}} for row in (to, behind, alone)]
    return RowsStore(
        [second(BEGIN + at, edges, at) for at in range(2 * MINUTE)],
        requests=[requests(BEGIN + at, [to, behind, alone, passed], at) for at in range(2 * MINUTE)],
    )


def test_what_a_proxy_passed_on_is_shown_and_counted_once(proxied: RowsStore) -> None:
    """It has a row from who asked to who answered, and is in no sum, unless it is asked for."""
    found = data(proxied, "endpoints")
    assert (found["of"], found["requests"], found["failed"]) == (4, 300, 240)
    (through,) = (row for row in found["endpoints"] if row["via"])
    assert (through["client"], through["server"], through["requests"]) == ("x", "db", 120)
    assert (through["via"], through["cluster"]) == ("shop/envoy", "orders")
    rows = data(proxied, "endpoints", by="server,route")["endpoints"]
    assert {row["server"]: row["requests"] for row in rows} == {"db": 180, "shop/cart": 120}
    for words, requested in (("via:shop/envoy", 120), ("-via:shop/envoy", 300)):
        found = data(proxied, "endpoints", by="route", q=words)
        assert (found["requests"], found["endpoints"][0]["requests"]) == (requested, requested)


def test_lines_and_series_are_without_what_a_proxy_passed_on(proxied: RowsStore) -> None:
    """Times of a line are those of its own requests; of all, each request of a connection counts once."""
    rows = {(row["client"], row["server"]): row["edge"] for row in data(proxied, "edges")["rows"]}
    took = {ends: (edge["requests"], edge["request_ns"]["p99"]) for ends, edge in rows.items()}
    for ends, requested, expected in (
        (("x", "shop/cart"), 120, 16_000_000),
        (("shop/cart", "db"), 120, 1_000_000),
        (("x", "db"), 60, 1_000_000),
    ):
        assert took[ends][0] == requested
        assert abs(took[ends][1] - expected) <= 0.25 * expected
    for said, each in (({}, 5), ({"edge": "x>db:80"}, 1), ({"q": "via:shop/envoy", "edge": "x>db:80"}, 2)):
        columns = data(proxied, "series", metrics="requests", step=1, **said)["columns"]
        assert set(columns["requests"]) == {each}


def test_the_route_that_fails_is_the_cause(store: RowsStore) -> None:
    (cause,) = data(store, "where", of="requests", against="-60s")["causes"]
    assert (cause["bad"], cause["total"], cause["explains"]) == (240, 600, 1.0)
    names = [cause["where"], *cause["also_known_as"]]
    assert any("route" in name for name in names), names
    assert abs(cause["began"] - (BEGIN + MINUTE)) <= 3
