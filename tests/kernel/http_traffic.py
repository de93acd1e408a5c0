"""Known HTTP/1 traffic, byte by byte, and a real nginx that logs what it answered."""

import base64
import contextlib
import socket
import ssl
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.kernel.loopback import until
from tests.slowness import SLOWNESS

#: In every place that must not leave the kernel.
SECRET: Final = "s3cr3t"
FIELDS: Final = (
    f"Host: localhost\r\nAuthorization: Basic {SECRET}\r\nCookie: session={SECRET}\r\nX-Token: {SECRET}\r\n"
)

_NGINX: Final = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  log_format counted '$request_method $uri $status';
  access_log {folder}/access.log counted;
  keepalive_requests 1000000; http2_max_concurrent_streams 256; client_max_body_size 50m;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port} {options};
    location / {{ return 200 "hello\\n"; }}
    location /missing {{ return 404; }}
    location /err {{ return 503; }}
    location /post {{ return 201; }}
    location /file {{ sendfile on; root {folder}/www; }} }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A server, and the file in which it logs each request: method, path, status."""

    port: int
    log: Path

    def answered(self) -> Counter[tuple[str, str, int]]:
        """How often it answered what with which status."""
        lines = (line.split() for line in self.log.read_text().splitlines())
        return Counter((method, path, int(status)) for method, path, status in lines)


@contextlib.contextmanager
def nginx(folder: Path, options: str = "") -> Iterator[Nginx]:
    """One worker with a log of its own, on a port of the loopback.

    :param options: of its socket, such as ``http2``.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "www" / "file").mkdir(parents=True)
    (folder / "www" / "file" / "large").write_bytes(b"x" * 300_000)
    configuration = folder / "nginx.conf"
    configuration.write_text(_NGINX.format(folder=folder, port=port, options=options))
    process = subprocess.Popen(["/usr/sbin/nginx", "-c", configuration, "-e", folder / "error.log"])
    try:
        assert until(lambda: _listens(port), 20 * SLOWNESS)
        yield Nginx(port, folder / "access.log")
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    return False


class Client:
    """A connection on which heads and bodies are written as they are given.

    :param tls: in which they are, if any.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20 * SLOWNESS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self._socket = tls.wrap_socket(self._socket)
        self._socket.settimeout(20 * SLOWNESS)

    def write(self, *pieces: str | bytes) -> None:
        """Each piece by a call of its own; the other end has read it before the next."""
        for place, piece in enumerate(pieces):
            if place:
                time.sleep(0.01)
            self._socket.sendall(piece.encode() if isinstance(piece, str) else piece)

    def answer(self) -> bytes:
        """The next answer with its body; interim ones are read over."""
        data = b""
        while b"\r\n\r\n" not in data or data.startswith(b"HTTP/1.1 1"):
            more = self._socket.recv(65536)
            assert more, "the connection ended before its answer"
            data += more
            if data.startswith(b"HTTP/1.1 1") and b"\r\n\r\n" in data:
                data = data.split(b"\r\n\r\n", 1)[1]
        return data

    def ask(self, method: str, path: str, *, fields: str = "", body: bytes = b"") -> None:
        """One request, head and body in one piece, and its answer."""
        self.write(f"{method} {path} HTTP/1.1\r\n{fields}{FIELDS}\r\n".encode() + body)
        self.answer()

    def read_to_end(self) -> None:
        """Until the other end closes."""
        while self._socket.recv(1 << 20):
            pass

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()


def keep_alive(port: int) -> None:
    """Many requests on one connection: ids, tokens and queries, statuses, methods, absolute form."""
    client = Client(port)
    for number in range(100):
        client.ask("GET", f"/plain/{number}/item?token={SECRET}{number}")
        client.ask("GET", f"/reset/{SECRET}-{number}abc")
    for path in ("/missing", "/err"):
        for _ in range(20):
            client.ask("GET", path)
    for method in ("HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"):
        for _ in range(5):
            client.ask(method, f"/method/{method.lower()}")
    for _ in range(10):
        client.ask("GET", "http://localhost/absolute?" + SECRET)
    client.close()


def split_heads(port: int) -> None:
    """Heads in pieces: within the method, within the path, between the lines."""
    client = Client(port)
    for _ in range(5):
        client.write("GET ", f"/split/method HTTP/1.1\r\n{FIELDS}\r\n")
        client.answer()
        client.write("GET /split/pa", f"th HTTP/1.1\r\n{FIELDS}\r\n")
        client.answer()
        client.write("GET /split/lines HTTP/1.1\r\n", f"{FIELDS}\r\n")
        client.answer()
    client.close()


def bodies(port: int) -> None:
    """Bodies that look like requests: in a piece of their own, with the head, chunked, after an interim answer."""
    fake = b"GET /fake/request HTTP/1.1\r\n\r\n" * 500
    client = Client(port)
    for _ in range(5):
        client.write(f"POST /post/apart HTTP/1.1\r\nContent-Length: {len(fake)}\r\n{FIELDS}\r\n", fake)
        client.answer()
        client.ask("POST", "/post/joined", fields=f"Content-Length: {len(fake)}\r\n", body=fake)
        head = f"POST /post/chunked HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{FIELDS}\r\n"
        client.write(head, f"{len(fake):x}\r\n".encode() + fake + b"\r\n0\r\n\r\n")
        client.answer()
        expects = (
            f"POST /post/continued HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 6\r\n{FIELDS}\r\n"
        )
        client.write(expects, SECRET)
        client.answer()
    client.close()


def one_each(port: int, count: int = 50) -> None:
    """Connections with one request, each with a path of its own; files by sendfile."""
    for number in range(count):
        client = Client(port)
        client.write(f"GET /own/{word(number)} HTTP/1.1\r\nConnection: close\r\n{FIELDS}\r\n")
        client.read_to_end()
        client.close()
    for _ in range(5):
        client = Client(port)
        client.write(f"GET /file/large HTTP/1.1\r\nConnection: close\r\n{FIELDS}\r\n")
        client.read_to_end()
        client.close()


def word(number: int) -> str:
    """A word without digits for each number."""
    return "".join(chr(ord("a") + int(digit)) for digit in f"{number:04}")


def given_up(server: socket.socket, count: int = 10) -> None:
    """Clients that leave before the answer, of a server that has none."""
    for _ in range(count):
        client = Client(server.getsockname()[1])
        client.write(f"PUT /given/up HTTP/1.1\r\nContent-Length: 100\r\n{FIELDS}\r\n")
        accepted, _ = server.accept()
        accepted.recv(65536)
        client.close()
        accepted.close()


def exchange(server: socket.socket, first: bytes, answer: bytes) -> None:
    """One connection that asks, is answered, and then has frames in which heads stand."""
    client = socket.create_connection(server.getsockname())
    accepted, _ = server.accept()
    client.sendall(first)
    accepted.recv(65536)
    accepted.sendall(answer)
    client.recv(65536)
    for _ in range(20):
        client.sendall(b"frame GET /fake HTTP/1.1")
        accepted.recv(65536)
        accepted.sendall(b"frame HTTP/1.1 200 OK")
        client.recv(65536)
    client.close()
    accepted.close()


def secrets(port: int, public: str, tls: ssl.SSLContext | None = None) -> None:
    """Requests with a secret wherever one can be, and a public word in each path; bodies, heads in pieces."""
    basic = base64.b64encode(f"user:{SECRET}".encode()).decode()
    fields = f"Host: localhost\r\nAuthorization: Basic {basic}\r\nCookie: session={SECRET}\r\nX-Token: {SECRET}\r\n"
    client = Client(port, tls)

    def ask(start: str, more: str = "", *pieces: bytes) -> None:
        client.write(f"{start} HTTP/1.1\r\n{more}{fields}\r\n", *pieces)
        client.answer()

    for place in (f"/{public}?token={SECRET}", f"/{public}/{SECRET}", f"/{public}/{SECRET}/item"):
        for method in ("GET", "DELETE"):
            ask(f"{method} {place}")
    body = f"password={SECRET}&".encode() * 100
    ask(f"POST /post/{public}", f"Content-Length: {len(body)}\r\n", body)
    chunk = f"{len(body):x};{SECRET}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    ask(f"POST /post/{public}?{SECRET}", "Transfer-Encoding: chunked\r\n", chunk)
    for cut in (9, 25, 60, 150):
        text = f"GET /{public}/split/{SECRET}?token={SECRET} HTTP/1.1\r\n{fields}\r\n"
        client.write(text[:cut], text[cut:])
        client.answer()
    client.write(f"GET /{public}/{SECRET}"[:24])  # and never the rest
    client.close()


def moves(server: socket.socket, *pieces: tuple[str, bytes]) -> None:
    """One connection on which the ``client`` or the ``server`` writes each piece, and the other end reads it."""
    client = socket.create_connection(server.getsockname(), timeout=20)
    accepted, _ = server.accept()
    ends = {"client": (client, accepted), "server": (accepted, client)}
    for writer, piece in pieces:
        sender, receiver = ends[writer]
        sender.sendall(piece)
        left = len(piece)
        while left:
            left -= len(receiver.recv(left))
    client.close()
    accepted.close()
