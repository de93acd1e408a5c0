"""Which connections the HTTP probe looks at: by port, process and namespace, decided in the kernel; and hosts."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from engine.config import Config
from probes.attached import AttachedProbes
from probes.http.config import HttpConfig
from probes.kernel.layout import structs
from probes.registry import PROBES
from probes.selection import Selection
from tests.kernel.http_traffic import word
from tests.kernel.loopback import until

pytestmark = pytest.mark.kernel

_REQUEST = b"GET /%s HTTP/1.1\r\nHost: %s\r\n\r\n"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
_NAMES = ("kernel", "tcp", "http")


def named(name: str, action: "Sequence[tuple[socket.socket, str, str]]") -> None:
    """Asks from a thread of this name; each server answers in the same thread."""

    def run() -> None:
        Path("/proc/thread-self/comm").write_text(name)
        for server, path, host in action:
            client = socket.create_connection(server.getsockname())
            accepted, _ = server.accept()
            client.sendall(_REQUEST % (path.encode(), host.encode()))
            accepted.recv(1000)
            accepted.sendall(_ANSWER)
            client.recv(1000)
            client.close()
            accepted.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


class Counted:
    """What the probe counted since it began: requests by path and host."""

    def __init__(self, probes: AttachedProbes) -> None:
        self._probes = probes
        self._texts = {0: "", 1: "other", 2: "?"}
        self._cells: Counter[tuple[int, int]] = Counter()

    def tallies(self) -> dict[str, int]:
        """The programs' own counts."""
        assert self._probes.requests
        return self._probes.requests.tallies()

    def read(self) -> dict[tuple[str, str], int]:
        """Both ends' together."""
        assert self._probes.requests
        kind = structs("http")["path_event"]
        for event in self._probes.rings["ring"].read().view(kind):
            if event["header"]["kind"] == 21:
                self._texts[int(event["hash"])] = bytes(event["text"]).decode()
        for cell in self._probes.requests.read():
            self._cells[int(cell["path"]), int(cell["host"])] += int(cell["requests"])
        return {(self._texts[path], self._texts[host]): count for (path, host), count in self._cells.items()}


@contextmanager
def attached(http: HttpConfig) -> Iterator[Counted]:
    """The probes of TCP and HTTP alone."""
    probes = AttachedProbes(
        Selection(
            Config(http=http), [probe for probe in PROBES if probe.name in _NAMES or probe == PROBES[0]]
        )
    )
    probes.start()
    try:
        yield Counted(probes)
    finally:
        probes.close()


def test_connections_are_chosen_by_port_process_and_namespace() -> None:
    """One that a rule leaves out has no requests, at either end; hosts are kept apart."""
    with ExitStack() as stack:
        good, bad, other = (stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3))
        ports = [server.getsockname()[1] for server in (good, bad)]
        http = HttpConfig(
            enabled="on",
            host="on",
            ports=ports,
            except_ports=ports[1:],
            processes=["chosen", "some-*"],
            except_processes=["some-bad*"],
            namespaces=["/proc/self/ns/net"],
        )
        counted = stack.enter_context(attached(http))
        named("chosen", [(good, "chosen/one", "one.example:80"), (good, "chosen/one", "two.example")])
        named("some-good", [(good, "some/good", "one.example:80")])
        named("some-bad-one", [(good, "some/bad", "one.example:80")])
        named("unnamed", [(good, "unnamed", "one.example:80")])
        named("chosen", [(bad, "except/port", "one.example:80"), (other, "other/port", "one.example:80")])
        wanted = {
            ("/chosen/one", "one.example:80"): 2,
            ("/chosen/one", "two.example"): 2,
            ("/some/good", "one.example:80"): 2,
        }
        until(lambda: counted.read() == wanted, 5)
        assert counted.read() == wanted


def test_a_namespace_that_is_not_chosen_has_no_requests() -> None:
    """Nothing of this one is counted where another is chosen."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        http = HttpConfig(enabled="on", namespaces=["no-such-namespace"])
        with attached(http) as counted:
            named("anyone", [(server, "left/out", "one.example")])
            assert counted.read() == {}


def test_more_paths_and_cells_than_there_is_room_for_are_counted_together() -> None:
    """Each request is in a cell of its path, in that of all others, or among those without one; none is twice."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with attached(HttpConfig(enabled="on", ports=[port], cells=64, paths=48)) as counted:
            named("many", [(server, f"made/{word(number)}", "") for number in range(200)])
            counts = counted.read()
            tallies = counted.tallies()
    assert tallies["no_cell"] > 0
    assert sum(counts.values()) + tallies["no_cell"] == 400
    assert 0 < len(counts) <= 49
    assert set(counts) - {("other", "")} <= {(f"/made/{word(number)}", "") for number in range(200)}


def test_nothing_is_compiled_for_rules_that_nobody_gave() -> None:
    """The defaults leave all macros at zero."""
    defines = Selection(Config(), PROBES).defines
    rules = ("HTTP_HOSTS", "PORT_RULES", "NAME_RULES", "NETNS_RULES")
    assert [defines[name] for name in rules] == [0, 0, 0, 0]
    assert np.all([defines["REQUEST_CELLS"], defines["PATHS"]])
