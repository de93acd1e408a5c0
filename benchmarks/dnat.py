"""The load through DNAT: a client asks a service's address, and a router turns it into one of two backends at random.

Each is a network namespace, and each backend an nginx that logs who asked.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.children import Child, find, running
from benchmarks.web import BODY, Asked, ask
from tests.beds.network import Bed, Place, bed, inside
from tests.beds.rules import rules_of

SERVICE_PORT: Final = 80
PORT: Final = 8080
_KIND: Final = "legacy"
_LOG: Final = "access"

_CONFIGURATION: Final = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 8192; }}
http {{
    log_format who "$msec $remote_port"; access_log {folder}/{log} who buffer=1m flush=500ms;
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    server {{
        listen {address}:{port} backlog=4096;
        location / {{ return 200 "{body}"; }}
    }}
}}
"""


@dataclass(frozen=True)
class Request:
    """A request that a backend logged.

    :param at: wall clock, seconds.
    :param port: of the client.
    :param backend: its address.
    """

    at: float
    port: int
    backend: str


class Service:
    """A service's address and what stands behind it."""

    def __init__(self, ground: Bed, folder: Path) -> None:
        self._bed = ground
        self._folder = folder
        self.address = ground.service(1, "ipv4")

    @property
    def places(self) -> tuple[Place, ...]:
        """Client, router, backends."""
        return self._bed.places

    @contextlib.contextmanager
    def up(self) -> Iterator[None]:
        """Rules and backends, while the block runs; afterwards the logs are whole."""
        rules = rules_of(_KIND, self._bed.router.namespace)
        rules.dnat("prerouting", "ipv4", (self.address, SERVICE_PORT), self._bed.backends("ipv4"), PORT)
        with contextlib.ExitStack() as stack:
            for place in self._backends:
                stack.enter_context(self._nginx(place))
            yield

    @property
    def _backends(self) -> tuple[Place, Place]:
        return self._bed.server1, self._bed.server2

    @contextlib.contextmanager
    def _nginx(self, place: Place) -> Iterator[None]:
        folder = self._folder / place.namespace
        folder.mkdir()
        settings = folder / "nginx.conf"
        names = {"folder": folder, "log": _LOG, "address": place.ipv4, "port": PORT, "body": "x" * BODY}
        settings.write_text(_CONFIGURATION.format_map(names))
        command: list[str | Path] = [*inside(place.namespace), find("nginx", "nginx-light")]
        command += ["-p", folder, "-e", folder / "errors", "-c", settings]
        with running(command, ready=_listens):
            yield

    def ask(self, seconds: int, connections: int) -> Asked:
        """As fast as it goes, one connection per request."""
        url = f"http://{self.address}:{SERVICE_PORT}/"
        return ask(url, seconds, connections, close=True, prefix=inside(self._bed.client.namespace))

    def requests(self) -> list[Request]:
        """What the backends logged, in the order of time."""
        found = [
            Request(float(at), int(port), place.ipv4)
            for place in self._backends
            for at, port in map(str.split, (self._folder / place.namespace / _LOG).open())
        ]
        return sorted(found, key=lambda request: request.at)


def _listens(nginx: Child) -> bool:
    """Whether somebody listens in its namespace, found out without a connection that it would log."""
    return f":{PORT:04X} 00000000:0000 0A" in Path(f"/proc/{nginx.pid}/net/tcp").read_text()


@contextlib.contextmanager
def service() -> Iterator[Service]:
    """Namespaces of a figure's own; nothing is left of them."""
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder, bed() as ground:
        yield Service(ground, Path(folder))
