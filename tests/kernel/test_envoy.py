"""Requests that Envoys pass on, against the Envoys' own logs and those of the services behind them."""

import http.client
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.beds.envoys import Passed
from tests.beds.mesh import Mesh, mesh
from tests.kernel.loopback import until

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("reading_tls")]

START_SECONDS = 120
SETTLE_SECONDS = 30
#: Processes are looked at once a second, and again two seconds later.
SECONDS_TO_FIND = 4
TAILRACE = str(Path(sys.executable).parent / "tailrace")
#: What each connection asks for.
PATHS = ("/cart/list", "/pay/now", "/pay/refund", "/hello", "/refused", "/cart/list")
CONNECTIONS = 8
ROUNDS = 10


class Run(NamedTuple):
    """A Tailrace that writes rows, and a mesh that came after it."""

    rows: Path
    mesh: Mesh


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The rows of a Tailrace that has begun."""
    folder = tmp_path_factory.mktemp("envoy")
    rows, settings = folder / "rows.jsonl", folder / "tailrace.yaml"
    settings.write_text("http: {enabled: on, children: 1000}\nenvoy: {enabled: on}\nnat: {source: off}\n")
    command = [TAILRACE, "record", str(folder / "recording.tlr"), "--config", str(settings)]
    command += ["--stage", "requests,flows,endpoints", "--sink", f"jsonl:{rows}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        begun = until(lambda: process.poll() is not None or bool(parsed(rows)), START_SECONDS)
        assert begun
        assert process.poll() is None, process.communicate()[1]
        yield rows
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module", params=[False, True], ids=["clear", "mutual-tls"])
def run(
    written: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Run]:
    """With traffic that is over: connections that are kept alive, at once; between Envoys with TLS, or without."""
    with mesh(tmp_path_factory.mktemp("mesh"), secure=request.param) as made:
        before = len(ledgers(written))
        assert until(lambda: attached(written, before), SETTLE_SECONDS)
        ask(made.entry)
        yield Run(written, made)


def ledgers(rows: Path) -> list[dict[str, Any]]:
    """The stages of each second."""
    return [row["stages"] for row in parsed(rows) if row["kind"] == "ledger"]


def attached(rows: Path, before: int) -> bool:
    """Whether probes are in the Envoys' file, for this and for TLS, some seconds behind the first so many."""
    stages = ledgers(rows)
    if len(stages) < before + SECONDS_TO_FIND:
        return False
    noted = [stages[-1].get(name, {}).get("noted", {}) for name in ("envoy", "tls")]
    return all(one.get("attached", 0) > one.get("left", 0) for one in noted)


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


def parsed(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file that is being written."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def passed_on(rows: Path, proxy: int) -> Passed:
    """What rows say that one proxy passed on: ports of both connections, method, route, status."""
    all_rows = parsed(rows)
    flows = {row["connection.id"]: row["client.port"] for row in all_rows if row["kind"] == "flow"}
    found: Passed = Counter()
    for row in all_rows:
        if row["kind"] == "request" and row.get("via.process.pid") == proxy:
            key = (row["client.port"], flows[row["via.connection.id"]], row["http.request.method"])
            found[*key, row["http.route"], row["http.response.status_code"]] += row["requests"]
    return found


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
    rows = [row for row in parsed(run.rows) if row["kind"] == "request"]
    through = [row for row in rows if row.get("via.process.pid") == run.mesh.envoys["shop"].pid]
    cart = run.mesh.envoys["cart"].pid
    assert {row["server.process.pid"] for row in through if row["http.route"] == "/pay/now"} == {cart}
    pay = run.mesh.envoys["pay"].pid
    assert {row["server.process.pid"] for row in through if row["http.route"] == "/pay/refund"} == {pay}
    assert {row["server.process.comm"] for row in through if row["http.route"] == "/hello"} == {"shop"}


def test_time_is_split_and_both_hops_are_told(run: Run) -> None:
    """Before, upstream and after are within what the client waited; each hop's round-trip time is there."""
    rows = [row for row in parsed(run.rows) if row["kind"] == "request" and "via.name" in row]
    assert rows
    for row in rows:
        parts = [row.get(f"via.{part}_ns", 0) for part in ("before", "upstream", "after")]
        assert all(0 <= part < 60e9 for part in parts)
        assert row["via.name"] == "envoy"
        assert row["via.evidence"] == "connection"
        assert row["via.downstream.rtt_ns"] > 0
        assert row["via.upstream.rtt_ns"] > 0


def test_sums_over_hops_are_not_changed(run: Run) -> None:
    """Rows without a proxy count each hop once, as ever."""
    rows = [row for row in parsed(run.rows) if row["kind"] == "request" and "via.name" not in row]
    asked = sum(row["requests"] for row in rows if row["server.port"] == run.mesh.entry)
    assert asked == CONNECTIONS * ROUNDS * len(PATHS)
