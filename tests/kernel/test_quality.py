"""Network or application, of connections that are ill in a known way: kernel, store, API."""

import contextlib
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest

from probes.kernel.namespaces import inside
from tests.kernel.loopback import until
from tests.kernel.test_http import SETTLE_SECONDS
from tests.kernel.test_map_requests import address, answer

__all__ = ["address"]
pytestmark = pytest.mark.kernel

#: Connects to a listener that takes none.
CONNECTS: Final = 40
#: Seconds that an answer takes.
SLOW_S: Final = 0.25
#: Bytes that go where packets are dropped.
MUCH: Final = 8_000_000


def quality(address: str, port: int) -> Any:
    """What is said of all that is called on a port."""
    return answer(address, "quality", q=f"port:{port}")


def figure(told: Any, name: str) -> float:
    """One of the figures."""
    return next(float(each["value"]) for each in told["figures"] if each["name"] == name)


def settled(address: str, port: int, verdict: str, when: Callable[[Any], bool] = lambda _: True) -> Any:
    """The answer once it has this verdict."""
    told: list[Any] = []

    def has() -> bool:
        told[:] = [quality(address, port)]
        return bool(told[0]["verdict"] == verdict and when(told[0]))

    assert until(has, SETTLE_SECONDS), told
    return told[0]


def test_a_full_accept_queue(address: str) -> None:
    """The kernel takes one more than the limit, and drops the other SYNs, which is counted for each."""
    with socket.create_server(("127.0.0.1", 0), backlog=3) as listener, contextlib.ExitStack() as stack:
        port = listener.getsockname()[1]
        for _ in range(CONNECTS):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        told = settled(address, port, "backlog", lambda told: figure(told, "overflows") >= CONNECTS - 4)
    assert told["sentence"].startswith("Server's accept queue overflows: ")
    assert figure(told, "attempts") - figure(told, "overflows") == 4


def test_a_reader_that_does_not_read(address: str) -> None:
    """The client has more to send than fits, second after second."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = listener.getsockname()[1]
        client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        stack.enter_context(listener.accept()[0])
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                client.send(b"x" * 65536)
        for _ in range(5):  # enough connects to tell anything
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        told = settled(address, port, "receiver")
    assert "the server left a zero window at the end of" in told["sentence"]
    assert figure(told, "held_up") >= 5
    assert figure(told, "held_up_back") == 0


class _Slow(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        time.sleep(SLOW_S)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def test_a_slow_server(address: str) -> None:
    """A quarter of a second for each answer, over a network that takes microseconds."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]

        def ask() -> None:
            with socket.create_connection(("127.0.0.1", port)) as client:
                for _ in range(4):
                    client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
                    assert b"ok" in _response(client)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        told = settled(address, port, "application")
        server.shutdown()
    assert "server slow: p50 of requests" in told["sentence"]
    assert figure(told, "requests") == 32
    assert figure(told, "request_p50_ns") == pytest.approx(SLOW_S * 1e9, rel=0.3)


def _response(client: socket.socket) -> bytes:
    got = b""
    while not got.endswith(b"ok"):
        got += client.recv(4096)
    return got


@pytest.fixture
def lossy() -> Iterator[Path]:
def lossy() -> Iterator[str]:
    """A namespace whose loopback drops one of fifty packets to any port."""
    name = "tr-lossy"
    commands = (
        f"ip netns add {name}",
        f"ip -n {name} link set lo up mtu 1500",
        f"ip netns exec {name} nft add table ip loss",
        f"ip netns exec {name} nft add chain ip loss in {{ type filter hook input priority 0 ; }}",
        f"ip netns exec {name} nft add rule ip loss in tcp flags & syn == 0 numgen random mod 50 == 0 drop",
    )
    try:
        for command in commands:
            subprocess.run(command.split(), check=True)
        yield Path("/run/netns", name)
        yield f"/run/netns/{name}"
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)


class _Sink(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while self.request.recv(1 << 16):
            pass


def test_a_network_that_loses_packets(address: str, lossy: Path) -> None:
def test_a_network_that_loses_packets(address: str, lossy: str) -> None:
    """The kernel sends them again, and counts that."""
    made: list[Any] = []

    def make() -> None:
        made.append(socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Sink))
        made.append(socket.create_connection(made[0].server_address))

    inside(lossy, make)
    server, client = made
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with server, client:
        client.sendall(bytes(MUCH))
        client.shutdown(socket.SHUT_WR)
        told = settled(address, server.server_address[1], "network")
        server.shutdown()
    assert "of segments retransmitted" in told["sentence"]
    assert 0.005 < figure(told, "retransmitted") / figure(told, "sent") < 0.2
