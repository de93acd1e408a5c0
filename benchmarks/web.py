"""The web load: one nginx worker on loopback with an answer of known size, asked by wrk or at a fixed rate."""

import contextlib
import re
import socket
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.children import find, finish, running
from benchmarks.native import built
from benchmarks.procfs import cpu_time
from model.errors import TailraceError

#: Bytes of the body of every answer.
BODY: Final = 100

_CONFIGURATION: Final = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 8192; }}
http {{
    access_log off; keepalive_requests 1000000000;
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    server {{
        listen 127.0.0.1:{port} {tls};
        location = /status {{ stub_status; }}
        location / {{ return 200 "{body}"; }}
    }}
}}
"""


@dataclass(frozen=True)
class Served:
    """What nginx counted since its start (stub_status), less the questions for it."""

    accepted: int
    handled: int
    requests: int

    def __sub__(self, other: "Served") -> "Served":
        return Served(
            self.accepted - other.accepted, self.handled - other.handled, self.requests - other.requests
        )


@dataclass(frozen=True)
class Asked:
    """What wrk reports: answers that came whole, and sockets that failed."""

    requests: int
    seconds: float
    errors: int

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


@dataclass(frozen=True)
class Paced:
    """What the paced generator reports; one request per connection."""

    connections: int
    failed: int
    sent: int
    received: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Connections a second."""
        return self.connections / self.seconds


def ask(url: str, seconds: int, connections: int, *, close: bool, prefix: Sequence[str | Path] = ()) -> Asked:
    """Lets wrk ask as fast as it goes.

    :param prefix: the beginning of a command line that runs somewhere else, as in a network namespace.
    """
    header = ["-H", "Connection: close"] if close else []
    command = [*prefix, find("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", *header, url]
    text = finish(command, seconds + 30)
    found = re.search(r"(\d+) requests in ([\d.]+)(m?s)", text)
    if not found:
        raise TailraceError("wrk printed no result", text)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    failed = sum(int(count) for count in errors.groups()) if errors else 0
    return Asked(int(found[1]), float(found[2]) / (1000 if found[3] == "ms" else 1), failed)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


class Web:
    """An nginx that runs."""

    def __init__(self, port: int, pid: int = 0, scheme: str = "http") -> None:
        self.port = port
        self.scheme = scheme
        self._pid = pid
        self._questions = 0

    @property
    def request(self) -> bytes:
        """What wrk sends when it opens a connection for each request."""
        return f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nConnection: close\r\n\r\n".encode()

    @property
    def worker(self) -> int:
        """The process that answers."""
        return int(Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split()[0])

    def worker_seconds(self) -> float:
        """Processor time of the worker so far."""
        workers = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split()
        times = [cpu_time(int(worker)) for worker in workers]
        return sum(each.user + each.system for each in times)

    def answer_bytes(self) -> int:
        """The size of the answer to ``request``, from asking once."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(self.request)
            received = sum(len(part) for part in iter(lambda: connection.recv(65536), b""))
        self._questions += 1
        return received

    def served(self) -> Served:
        """nginx's own count of what others asked."""
        self._questions += 1
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status", timeout=10) as answer:
            counts = [int(word) for word in answer.read().decode().splitlines()[2].split()]
        accepted, handled, requests = (count - self._questions for count in counts)
        return Served(accepted, handled, requests)

    def wrk(self, seconds: int, connections: int, *, close: bool) -> Asked:
        """Ask as fast as it goes; ``close``: one connection per request."""
        return ask(f"{self.scheme}://127.0.0.1:{self.port}/", seconds, connections, close=close)

    def pace(self, seconds: int, rate: int, threads: int = 4) -> Paced:
        """Ask at a fixed rate, one connection per request."""
        with built("pace") as program:
            numbers = (self.port, seconds, rate, threads)
            printed = finish([program, *map(str, numbers), self.request.decode()], seconds + 60)
        made, failed, sent, received, lasted = printed.split()
        return Paced(int(made), int(failed), int(sent), int(received), float(lasted))


@contextlib.contextmanager
def web(*, tls: bool = False) -> Iterator[Web]:
    """nginx with one worker, while the block runs.

    :param tls: all of its connections are encrypted.
    :raises TailraceError: if it is not installed or does not start.
    """
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder:
        port = free_port()
        settings = Path(folder, "nginx.conf")
        options = _certified(Path(folder)) if tls else "backlog=4096"
        settings.write_text(_CONFIGURATION.format(folder=folder, port=port, body="x" * BODY, tls=options))
        command = [find("nginx", "nginx-light"), "-p", folder, "-e", f"{folder}/errors", "-c", str(settings)]
        with running(command, ready=lambda _: _listens(port)) as master:
            yield Web(port, master.pid, "https" if tls else "http")


def _certified(folder: Path) -> str:
    """Options of a listener that has a certificate of its own."""
    files = ["-keyout", str(folder / "key"), "-out", str(folder / "certificate")]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost"]
    finish([find("openssl", "openssl"), "req", "-x509", *kind, *files], 30)
    return f"ssl backlog=4096; ssl_certificate {folder}/certificate; ssl_certificate_key {folder}/key"


def _listens(port: int) -> bool:
    """Whether somebody listens there, found out without a connection that nginx would count."""
    listening = f"0100007F:{port:04X} 00000000:0000 0A"
    return listening in Path("/proc/net/tcp").read_text()
