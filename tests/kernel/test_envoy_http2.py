"""Requests of HTTP/2 that Envoys pass on, against the Envoys' own logs: many streams at once, each with its path."""

import contextlib
import http.client
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.beds.envoys import (
    Cluster,
    Envoy,
    Listener,
    Passed,
    Settings,
    certificates,
    envoy,
    free_ports,
    listens,
)
from tests.beds.processes import read_log
from tests.beds.streams_service import waits_ns
from tests.kernel.envoy_rows import SETTLE_SECONDS, attached, ledgers, passed_on, writing
from tests.kernel.http2_traffic import Client
from tests.kernel.loopback import until

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("reading_tls")]

CONNECTIONS = 6
STREAMS = 20
ROUNDS = 3
#: Of HTTP/1, each with a request at a time.
PLAIN_CONNECTIONS = 4


class Run(NamedTuple):
    """What Tailrace wrote, and the Envoys: the first asks the second, which asks the services."""

    rows: Path
    first: Envoy
    second: Envoy


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of a Tailrace that has begun."""
    with writing(tmp_path_factory.mktemp("envoy")) as (path, _):
        yield path


@pytest.fixture(scope="module", params=[False, True], ids=["clear", "mutual-tls"])
def run(
    rows: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Run]:
    """With traffic that is over; between Envoys with TLS, or without."""
    folder = tmp_path_factory.mktemp("streams")
    tls = certificates(folder) if request.param else None
    entry, door, streams, plain = free_ports(4)
    first = Settings(
        [Listener(entry, {"/": "next"})], {"next": Cluster(door, bool(tls), http2=True, streams=3)}
    )
    clusters = {"streams": Cluster(streams, http2=True, streams=2), "plain": Cluster(plain)}
    second = Settings([Listener(door, {"/plain": "plain", "/": "streams"}, bool(tls))], clusters)
    with contextlib.ExitStack() as stack:
        stack.enter_context(
            _service("streams_service", str(streams), str(folder / "streams.log"), port=streams)
        )
        stack.enter_context(
            _service("mesh_service", "plain", str(plain), str(folder / "plain.log"), port=plain)
        )
        behind = stack.enter_context(envoy(folder / "second", second, tls))
        before = stack.enter_context(envoy(folder / "first", first, tls))
        seconds = len(ledgers(rows))
        assert until(lambda: attached(rows, seconds), SETTLE_SECONDS)
        _ask(entry)
        yield Run(rows, before, behind)


@contextlib.contextmanager
def _service(name: str, *arguments: str, port: int) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", f"tests.beds.{name}", *arguments])
    try:
        assert until(lambda: listens(port), 60)
        yield
    finally:
        process.kill()
        process.wait()


def _ask(port: int) -> None:
    """Clients of HTTP/2 with many streams each, and clients of HTTP/1, at the same time."""
    work = [partial(_ask_streams, port, _word(number)) for number in range(CONNECTIONS)]
    work += [partial(_ask_plain, port, _word(CONNECTIONS + number)) for number in range(PLAIN_CONNECTIONS)]
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _ask_streams(port: int, own: str) -> None:
    client = Client(port)
    for round_ in range(ROUNDS):
        for number in range(STREAMS):
            client.ask(_path(own, round_ * STREAMS + number))
        client.wait()
    client.close()


def _ask_plain(port: int, own: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for number in range(STREAMS):
        connection.request("GET", _path(own, number))
        connection.getresponse().read()
    connection.close()


def _path(own: str, number: int) -> str:
    """That of one request and of no other; some for each service, some refused."""
    return f"/{('one', 'plain', 'two', 'refused')[number % 4]}/{own}{_word(number)}"


def _word(number: int) -> str:
    """Letters alone: such paths are not folded."""
    return chr(ord("a") + number // 26) + chr(ord("a") + number % 26)


@pytest.mark.parametrize("which", ["first", "second"])
def test_each_request_is_linked_to_the_one_that_answered_it(run: Run, which: str) -> None:
    """As the Envoy logs it: by the ports of both its connections, method, path and status; all, and no other."""
    proxy: Envoy = getattr(run, which)
    logged = CONNECTIONS * STREAMS * ROUNDS + PLAIN_CONNECTIONS * STREAMS
    until(lambda: passed_on(run.rows, proxy.pid) == proxy.passed(), SETTLE_SECONDS)
    assert proxy.passed().total() == logged
    assert passed_on(run.rows, proxy.pid) == proxy.passed()


def test_the_time_upstream_is_that_of_the_stream_that_answered(run: Run) -> None:
    """Each path's answer waits for a time of its own: another stream of its connection would tell another one."""
    passed = [row for row in read_log(run.rows) if row.get("via.process.pid") == run.second.pid]
    slow = [row for row in passed if not row["http.route"].startswith("/plain")]
    assert slow
    for row in slow:
        assert row["via.upstream_ns"] >= row["requests"] * waits_ns(row["http.route"])
    parts = [sum(row.get(f"via.{part}_ns", 0) for row in slow) for part in ("before", "upstream", "after")]
    assert all(0 <= part < 600e9 for part in parts)


def test_all_links_are_accounted_for(run: Run) -> None:
    """What the kernel linked is in rows, or it is said why not: nothing."""
    until(lambda: not ledgers(run.rows)[-1]["envoy"]["queued"], SETTLE_SECONDS)
    stage = ledgers(run.rows)[-1]["envoy"]
    assert stage["received"] == stage["delivered"] > 0
    assert not stage["dropped"]


def test_what_an_envoy_answers_by_itself_is_linked_to_nobody(rows: Path, tmp_path: Path) -> None:
    """Where servers reset requests, end connections and refuse at first, and it tries again.

    What is not linked is in the ledger: a request may outlive the connection that answered it by a second.
    """
    entry, streams = free_ports(2)
    settings = Settings(
        [Listener(entry, {"/": "streams"}, retries=1)],
        {"streams": Cluster(streams, http2=True, streams=4)},
        3,
    )
    with (
        _service("streams_service", str(streams), str(tmp_path / "streams.log"), port=streams),
        envoy(tmp_path / "envoy", settings) as proxy,
    ):
        seconds, lost = len(ledgers(rows)), _unknown_sockets(rows)
        assert until(lambda: attached(rows, seconds), SETTLE_SECONDS)
        threads = [threading.Thread(target=_ask_in_vain, args=(entry, _word(n))) for n in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        def missing() -> int:
            return (_by_ports(proxy.passed(answered=True)) - _by_ports(passed_on(rows, proxy.pid))).total()

        until(lambda: missing() == _unknown_sockets(rows) - lost, SETTLE_SECONDS)
        logged, linked = (
            _by_ports(each) for each in (proxy.passed(answered=True), passed_on(rows, proxy.pid))
        )
        assert linked.total() > 0
        assert proxy.passed().total() > logged.total()
        assert not linked - logged
        assert missing() == _unknown_sockets(rows) - lost


def test_a_connection_in_the_place_of_one_that_ended_is_another(rows: Path, tmp_path: Path) -> None:
    """An Envoy closes connections whose clients do not, so that the kernel has their sockets still."""
    entry, streams = free_ports(2)
    cluster = Cluster(streams, http2=True)
    settings = Settings([Listener(entry, {"/": "streams"})], {"streams": cluster}, workers=1)
    with (
        _service("streams_service", str(streams), str(tmp_path / "streams.log"), port=streams),
        envoy(tmp_path / "envoy", settings) as proxy,
        contextlib.ExitStack() as kept,
    ):
        seconds = len(ledgers(rows))
        assert until(lambda: attached(rows, seconds), SETTLE_SECONDS)
        before = _files(proxy.pid)
        for turn in range(3):
            for number in range(CONNECTIONS):
                client = kept.enter_context(socket.create_connection(("127.0.0.1", entry)))
                path = f"/one/{_word(CONNECTIONS * turn + number)}"
                client.sendall(f"GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n".encode())
                while client.recv(4096):
                    pass
            assert until(lambda: _files(proxy.pid) <= before + 1, SETTLE_SECONDS)  # one to the service stays
        until(lambda: _by_ports(passed_on(rows, proxy.pid)).total() == 3 * CONNECTIONS, SETTLE_SECONDS)
        logged = _by_ports(proxy.passed())
        assert logged.total() == 3 * CONNECTIONS
        assert _by_ports(passed_on(rows, proxy.pid)) == logged


def _files(process: int) -> int:
    """How many it has open."""
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def _ask_in_vain(port: int, own: str) -> None:
    kinds = ("one", "again", "reset", "two", "refused", "close")
    for round_ in range(2):
        client = Client(port)
        for number in range(24):
            client.ask(f"/{kinds[number % len(kinds)]}/{own}{_word(24 * round_ + number)}")
        client.wait()
        client.close()


def _by_ports(passed: Passed) -> Counter[tuple[int, int, int]]:
    """Ports of both connections, and status; many paths are one route."""
    found: Counter[tuple[int, int, int]] = Counter()
    for (down, up, _, _, status), count in passed.items():
        found[down, up, status] += count
    return found


def _unknown_sockets(rows: Path) -> int:
    """Of requests that were passed on and have no row."""
    dropped: dict[str, int] = ledgers(rows)[-1].get("links", {}).get("dropped", {})
    return dropped.get("socket_unknown", 0)
