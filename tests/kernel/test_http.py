"""Requests of HTTP/1 as the kernel counts them, against the log of a real nginx, at both ends."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest

from tests.beds.processes import read_log
from tests.kernel import http_traffic as traffic
from tests.kernel.http_exchange import exchange_all
from tests.kernel.loopback import until
from tests.slowness import SLOWNESS

pytestmark = pytest.mark.kernel

START_SECONDS = 120 * SLOWNESS
SETTLE_SECONDS = 30 * SLOWNESS

TAILRACE = str(Path(sys.executable).parent / "tailrace")
Counts = Counter[tuple[str, str, int]]


class Recorded(NamedTuple):
    """A recording, the rows that were made meanwhile, and the program that writes both."""

    recording: Path
    rows: Path
    process: "subprocess.Popen[str]"


def folded(counts: Counts) -> Counts:
    """Paths of a log as routes are called; one that is never found teaches none."""
    routes: Counts = Counter()
    for (method, path, status), count in counts.items():
        path_ = re.sub(r"/plain/\d+/", "/plain/*/", re.sub(r"^/reset/.*", "/reset/*", path))
        routes[method, "/*" if status == 404 else path_, status] += count
    return routes


def requests(path: Path, port: int, end: str) -> Counts:
    """What rows say that one end counted, of the connections to a port."""
    counts: Counts = Counter()
    for row in of_port(path, port):
        if row.get(f"{end}.requests"):
            key = (
                row.get("http.request.method", "?"),
                row.get("http.route", ""),
                row["http.response.status_code"],
            )
            counts[key] += row[f"{end}.requests"]
    return counts


def settled(path: Path, port: int, end: str, expected: Counts) -> Counts:
    """The same once it is as expected, or when time is up."""
    until(lambda: requests(path, port, end) == expected, SETTLE_SECONDS)
    return requests(path, port, end)


def of_port(path: Path, port: int) -> list[dict[str, Any]]:
    """Rows of requests to a port."""
    return [row for row in read_log(path) if row["kind"] == "request" and row["server.port"] == port]


def total(path: Path, port: int) -> int:
    """Requests to a port, each counted once."""
    return sum(row["requests"] for row in of_port(path, port))


@contextlib.contextmanager
def recording_into(folder: Path) -> Iterator[Recorded]:
    """All rows of requests, flows and deltas; it has begun."""
    recording, file, settings = (folder / name for name in ("recording.tlr", "rows.jsonl", "tailrace.yaml"))
    settings.write_text(
        'http: {enabled: on, host: "on", children: 1000, learnt: ""}\n'
        "process: {executions: off}\nnat: {source: off}\n"
    )
    command = [TAILRACE, "record", str(recording), "--config", str(settings)]
    command += ["--stage", "requests,flows,deltas", "--sink", f"jsonl:{file}"]
    environment = os.environ | {"TAILRACE_HTTP_ENABLED": "on"}  # tests/vm has it off
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        begun = until(
            lambda: process.poll() is not None or (recording.exists() and recording.stat().st_size > 0),
            START_SECONDS,
        )
        assert begun
        assert process.poll() is None, process.communicate()[1]
        yield Recorded(recording, file, process)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """The rows of this module's requests."""
    with recording_into(tmp_path_factory.mktemp("http")) as begun:
        yield begun


def test_both_ends_count_what_the_server_logs(recorded: Recorded, tmp_path: Path) -> None:
    """For each method, route and status; paths of their own prove that no connection gets another's request."""
    with traffic.nginx(tmp_path / "nginx") as server:
        for part in (traffic.keep_alive, traffic.split_heads, traffic.bodies, traffic.one_each):
            part(server.port)
        expected = folded(server.answered())
    for end in ("client", "server"):
        assert settled(recorded.rows, server.port, end, expected) == expected


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_requests_are_followed_wherever_reads_and_writes_cut_them(recorded: Recorded, seed: int) -> None:
    """Pipelined or not; bodies by length, in chunks, to the end; vectors; interim answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        expected = exchange_all(server, seed, 12)
    for end in ("client", "server"):
        assert settled(recorded.rows, port, end, expected) == expected


EMPTY = b"HTTP/1.1 %d Reason\r\nContent-Length: 0\r\n\r\n"
ASKS = b"GET /unusual/%s HTTP/1.1\r\n\r\n"
UNUSUAL: dict[str, tuple[list[tuple[str, bytes]], Counts]] = {
    "an answer without a request": (
        [("client", ASKS % b"one"), ("server", EMPTY % 200), ("server", EMPTY % 408)],
        Counter({("GET", "/unusual/one", 200): 1, ("?", "", 408): 1}),
    ),
    "requests without an answer": (
        [("client", 3 * ASKS % ((b"two",) * 3))],
        Counter({("GET", "/unusual/two", 0): 3}),
    ),
    "a body that was refused": (
        [
            (
                "client",
                b"POST /unusual/three HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n",
            ),
            ("server", EMPTY % 417),
            ("client", ASKS % b"four"),
            ("server", EMPTY % 200),
        ],
        Counter({("POST", "/unusual/three", 417): 1, ("GET", "/unusual/four", 200): 1}),
    ),
    "a tunnel": (
        [
            ("client", b"CONNECT a.example:443 HTTP/1.1\r\n\r\n"),
            ("server", EMPTY % 200),
            ("client", ASKS % b"five"),
        ],
        Counter({("CONNECT", "", 200): 1}),
    ),
    "many in one write": (
        [("client", 32 * ASKS % ((b"six",) * 32)), ("server", 32 * EMPTY % ((200,) * 32))],
        Counter({("GET", "/unusual/six", 200): 32}),
    ),
    "records of TLS": (
        [("client", b"\x16\x03\x01\x02\x00" + bytes(512)), ("client", ASKS % b"seven")],
        Counter(),
    ),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_exchanges_are_counted_as_they_were(recorded: Recorded, name: str) -> None:
    """Whatever else was on the connection before."""
    pieces, expected = UNUSUAL[name]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        traffic.moves(server, *pieces)
    for end in ("client", "server"):
        assert settled(recorded.rows, port, end, expected) == expected


class _Answers(BaseHTTPRequestHandler):
    """Answers any path; counts what it answered."""

    protocol_version = "HTTP/1.1"
    answered: ClassVar[Counts] = Counter()

    def do_GET(self) -> None:
        """404 below /missing, else 200."""
        status = 404 if self.path.startswith("/missing") else 200
        self.answered["GET", self.path.partition("?")[0], status] += 1
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def test_a_server_in_python_is_seen_as_it_counts(recorded: Recorded) -> None:
    """With the standard library's client, which opens a connection for each request."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port: int = server.server_address[1]
    for path in ["/users?name=" + traffic.SECRET] * 20 + ["/users/list"] * 5 + ["/missing"] * 3:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20).read()
        except urllib.error.HTTPError as error:
            error.close()
    server.shutdown()
    server.server_close()
    expected = folded(_Answers.answered)
    for end in ("client", "server"):
        assert settled(recorded.rows, port, end, expected) == expected


def test_rows_say_who_asked_whom_and_how_long_it_took(recorded: Recorded, tmp_path: Path) -> None:
    """Each request once in ``requests``, with both ends' processes, and as many latencies as answers."""
    with traffic.nginx(tmp_path / "nginx") as server:
        traffic.one_each(server.port, 20)
        assert until(lambda: total(recorded.rows, server.port) == 25, SETTLE_SECONDS)
    for row in of_port(recorded.rows, server.port):
        assert row["evidence"] == "both"
        assert row["server.process.comm"] == "nginx"
        assert row["client.process.pid"] == os.getpid()
        for end in ("client", "server"):
            duration = row[f"http.{end}.request.duration_ns"]
            assert duration["count"] == row[f"{end}.requests"]
            assert 0 < duration["sum"] < 20e9


def test_requests_without_an_answer_have_status_0(recorded: Recorded) -> None:
    """Both ends say so, and they are failed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        traffic.given_up(server, 10)
    wanted = Counter({("PUT", "/given/up", 0): 10})
    for end in ("client", "server"):
        assert settled(recorded.rows, port, end, wanted) == wanted
    assert sum(row["requests.failed"] for row in of_port(recorded.rows, port)) == 10


def test_connections_that_are_no_http_have_no_requests(recorded: Recorded) -> None:
    """Nor have those that go on with another protocol, beyond the request that asked for it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        traffic.exchange(server, b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n")
        asks = b"GET /upgraded HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
        traffic.exchange(server, asks, b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    wanted = Counter({("GET", "/upgraded", 101): 1})
    for end in ("client", "server"):
        assert settled(recorded.rows, port, end, wanted) == wanted


def test_nothing_secret_leaves_the_kernel(recorded: Recorded) -> None:
    """Of all that was asked before: not in the recording, the rows, nor in what the program said; losses are none."""
    recorded.process.send_signal(signal.SIGTERM)
    _, said = recorded.process.communicate(timeout=SETTLE_SECONDS)
    assert recorded.process.returncode == 0, said
    for text in (recorded.recording.read_bytes(), recorded.rows.read_bytes(), said.encode()):
        assert traffic.SECRET.encode() not in text
    ledger = [row for row in read_log(recorded.rows) if row["kind"] == "ledger"][-1]["stages"]
    assert ledger["http"]["dropped"] == {}
    assert ledger["requests"]["dropped"] == {}
    counted = ledger["http"]["delivered"] + ledger["http2"]["delivered"]
    assert counted == ledger["requests"]["received"] > 0
