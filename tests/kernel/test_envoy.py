"""Requests that Envoys pass on, against the Envoys' own logs and those of the services behind them."""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.beds.mesh import CLUSTER, SERVICES, Mesh, mesh, unit
from tests.beds.processes import read_log
from tests.kernel.envoy_rows import SETTLE_SECONDS, attached, ledgers, passed_on, writing
from tests.kernel.loopback import until
from tests.kernel.test_map_requests import answer

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("reading_tls")]

#: What each connection asks for.
PATHS = ("/cart/list", "/pay/now", "/pay/refund", "/hello", "/refused", "/cart/list")
CONNECTIONS = 8
ROUNDS = 10


class Run(NamedTuple):
    """A Tailrace that writes rows and serves a map, and a mesh that came after it, asked since a second."""

    rows: Path
    map: str
    mesh: Mesh
    since_s: int


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The rows of a Tailrace that has begun, and where its map is."""
    with writing(tmp_path_factory.mktemp("envoy")) as begun:
        yield begun


@pytest.fixture(scope="module", params=[False, True], ids=["clear", "mutual-tls"])
def run(
    written: tuple[Path, str], request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Run]:
    """With traffic that is over: connections that are kept alive, at once; between Envoys with TLS, or without."""
    with mesh(tmp_path_factory.mktemp("mesh"), secure=request.param) as made:
        rows, address = written
        before = len(ledgers(rows))
        assert until(lambda: attached(rows, before), SETTLE_SECONDS)
        since_s = int(time.time())
        ask(made.entry)
        yield Run(rows, address, made, since_s)


def ask(port: int) -> None:
    """Clients with a connection each, at the same time."""

    def one() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for _ in range(ROUNDS):
            for path in PATHS:
                connection.request("GET", path)
                connection.getresponse().read()
        connection.close()

    threads = [threading.Thread(target=one) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("service", ["shop", "pay"])
def test_each_request_is_linked_to_the_one_that_answered_it(run: Run, service: str) -> None:
    """As the Envoy logs it: by the ports of both its connections, method, path and status; all, and no other."""
    sidecar = run.mesh.envoys[service]
    until(lambda: passed_on(run.rows, sidecar.pid) == sidecar.passed() != Counter(), SETTLE_SECONDS)
    assert passed_on(run.rows, sidecar.pid) == sidecar.passed() != Counter()


def test_a_proxy_without_telemetry_is_seen_as_its_service_logs(run: Run) -> None:
    """All that cart answered came through it."""
    answered = run.mesh.answered("cart")
    proxy = run.mesh.envoys["cart"].pid

    def counted() -> Counter[tuple[str, str, int]]:
        found: Counter[tuple[str, str, int]] = Counter()
        for (_, _, method, path, status), count in passed_on(run.rows, proxy).items():
            found[method, path, status] += count
        return found

    until(lambda: counted() == answered, SETTLE_SECONDS)
    assert counted() == answered


def test_rows_show_where_requests_really_go(run: Run) -> None:
    """What the shop's Envoy was to send to pay goes to cart's; the ways are those of the logs."""
    rows = [row for row in read_log(run.rows) if row["kind"] == "request"]
    through = [row for row in rows if row.get("via.process.pid") == run.mesh.envoys["shop"].pid]
    cart = run.mesh.envoys["cart"].pid
    assert {row["server.process.pid"] for row in through if row["http.route"] == "/pay/now"} == {cart}
    pay = run.mesh.envoys["pay"].pid
    assert {row["server.process.pid"] for row in through if row["http.route"] == "/pay/refund"} == {pay}
    assert {row["server.process.comm"] for row in through if row["http.route"] == "/hello"} == {"shop"}


def test_time_is_split_and_both_hops_are_told(run: Run) -> None:
    """Before, upstream and after are within what the client waited; each hop's round-trip time is there."""
    rows = [row for row in read_log(run.rows) if row["kind"] == "request" and "via.name" in row]
    assert rows
    for row in rows:
        parts = [row.get(f"via.{part}_ns", 0) for part in ("before", "upstream", "after")]
        assert all(0 <= part < 60e9 for part in parts)
        assert row["via.name"] in {unit(service, proxy=True) for service in SERVICES}
        assert row["via.evidence"] == "connection"
        assert row["via.downstream.rtt_ns"] > 0
        assert row["via.upstream.rtt_ns"] > 0


def test_the_cluster_is_told_where_the_handshake_names_it(run: Run) -> None:
    """By TLS as Istio's Envoys speak it to each other: what was to go to cart, and not what went there by mistake."""
    rows = [row for row in read_log(run.rows) if row.get("via.process.pid") == run.mesh.envoys["shop"].pid]
    told = {
        (row["http.route"], row.get("via.cluster", "")) for row in rows if row["http.route"] != "/pay/refund"
    }
    expected = {("/cart/list", CLUSTER if run.mesh.secure else "")}
    assert told == expected | {(path, "") for path in ("/pay/now", "/hello", "/refused")}


def test_sums_over_hops_are_not_changed(run: Run) -> None:
    """Rows without a proxy count each hop once, as ever."""
    rows = [row for row in read_log(run.rows) if row["kind"] == "request" and "via.name" not in row]
    asked = sum(row["requests"] for row in rows if row["server.port"] == run.mesh.entry)
    assert asked == CONNECTIONS * ROUNDS * len(PATHS)


def test_the_map_shows_where_requests_really_go(run: Run) -> None:
    """Each line has as many as the services behind it logged; what should go to pay's Envoy goes to cart's."""
    answered = {service: run.mesh.answered(service).total() for service in SERVICES}
    shop = unit("shop", proxy=True)
    expected = {
        (unit(service, proxy=True), unit(service), run.mesh.ports[service]): answered[service]
        for service in SERVICES
    }
    for service in ("cart", "pay"):
        expected[shop, unit(service, proxy=True), run.mesh.doors[service]] = answered[service]

    def lines() -> dict[tuple[str, str, int], int]:
        found = answer(run.map, "map", select=shop, direction="down", hops=2)
        keys = {node["id"]: node["key"] for node in found["nodes"]}
        every = {
            (keys[edge["from"]], keys[edge["to"]], edge["port"]): edge["requests"] for edge in found["edges"]
        }
        ours = {*run.mesh.ports.values(), *run.mesh.doors.values()}
        return {line: requests for line, requests in every.items() if line[2] in ours and requests}

    until(lambda: lines() == expected, SETTLE_SECONDS)
    assert lines() == expected


def test_without_proxies_the_map_shows_who_asked_whom(run: Run) -> None:
    """From the client to the services themselves, over one Envoy or two, as these logged it; each hop is told of."""
    expected = {
        (unit(service), run.mesh.ports[service]): run.mesh.answered(service).total() for service in SERVICES
    }
    between = {"shop": ["shop"], "cart": ["shop", "cart"], "pay": ["shop", "pay"]}

    def ways() -> tuple[dict[tuple[str, int], int], dict[str, Any]]:
        since = {"from": str(run.since_s)}  # another mesh had the same names, and other ports
        found = answer(run.map, "edges", proxies="folded", limit=1000, **since)["rows"]
        asked = [row for row in found if row["edge"]["requests"]]  # others tried before anybody listened
        rows = [row for row in asked if row["edge"]["port"] in run.mesh.ports.values()]
        requests = {(row["server"], row["edge"]["port"]): row["edge"]["requests"] for row in rows}
        return requests, {row["server"]: row["edge"]["paths"] for row in rows}

    until(lambda: ways()[0] == expected, SETTLE_SECONDS)
    requests, paths = ways()
    assert requests == expected
    for service in SERVICES:
        (path,) = paths[unit(service)]
        assert path["via"] == [unit(each, proxy=True) for each in between[service]]
        assert all(hop["rtt_ns"]["p50"] > 0 and hop["sent"] > 0 for hop in path["hops"])
        assert path["upstream_ns"] > 0


def test_the_table_of_endpoints_has_what_each_proxy_passed_on(run: Run) -> None:
    """From who asked it to who answered, as services logged it, whether they ever had a connection or not."""
    shop = unit("shop", proxy=True)
    behind = {"shop": unit("shop"), "cart": unit("cart", proxy=True), "pay": unit("pay", proxy=True)}
    expected = {
        (unit(service, proxy=True), unit(service), *what): requests
        for service in ("cart", "pay")
        for what, requests in run.mesh.answered(service).items()
    }
    for service, server in behind.items():
        expected |= {(shop, server, *what): count for what, count in run.mesh.answered(service).items()}

    def passed() -> dict[tuple[str, str, str, str, int], int]:
        found = answer(run.map, "endpoints", q="via:mesh-*", limit=1000)["endpoints"]
        ours = {*run.mesh.ports.values(), *run.mesh.doors.values()}
        counted: Counter[tuple[str, str, str, str, int]] = Counter()
        for row in found:
            if row["port"] in ours:
                key = (row["via"], row["server"], row["method"], row["route"], row["status"])
                counted[key] += row["requests"]
        return dict(counted)

    until(lambda: passed() == expected, SETTLE_SECONDS)
    assert passed() == expected
