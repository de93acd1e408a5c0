"""Listening sockets as the kernel keeps them, against `ss` and against connects that are counted."""

import contextlib
import re
import socket
import subprocess
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pytest

from tests.kernel.loopback import until
from tests.kernel.started import Probes

pytestmark = pytest.mark.kernel

#: Connects at a time to a listener that accepts nothing.
CONNECTS: Final = 9


@pytest.fixture(scope="module")
def probe() -> Iterator[Probes]:
    """One that was attached while somebody listened already."""
    with socket.create_server(("127.0.0.1", 0), backlog=11):
        made = Probes()
        made.start()
        yield made
        made.close()


class Newest:
    """What the probe said last of each listener, by namespace and port."""

    def __init__(self, probe: Probes) -> None:
        self._probe = probe
        self._known: dict[int, np.void] = {}

    def all(self) -> list[np.void]:
        """Those that listen now."""
        assert self._probe.listeners
        for event in self._probe.listeners.read():
            self._known[int(event["header"]["slot"])] = event["listener"].copy()
        return [state for state in self._known.values() if not state["ended"]]

    def at(self, port: int) -> Any:
        """The one on a port."""
        return next(state for state in self.all() if state["port"] == port)


@pytest.fixture(scope="module")
def newest(probe: Probes) -> Newest:
    """Since the start."""
    return Newest(probe)


def printed() -> list[tuple[int, int, int]]:
    """Port, queue and limit of each listener of this namespace, as `ss` prints them."""
    lines = subprocess.run(["ss", "-ltnH"], capture_output=True, text=True, check=True).stdout.splitlines()
    words = [line.split() for line in lines]
    return sorted((int(word[3].rpartition(":")[2]), int(word[1]), int(word[2])) for word in words)


def printed_drops(port: int) -> int:
    """What the kernel dropped at a listener of this namespace, as `ss` prints it."""
    command = ["ss", "-ltnmH", f"sport = :{port}"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (drops,) = re.findall(r"skmem:\(.*,d(\d+)\)", said)
    return int(drops)


@contextlib.contextmanager
def connecting(port: int, count: int) -> Iterator[None]:
    """So many connects that nobody waits for."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        yield


def test_all_listeners_are_as_ss_prints_them(newest: Newest) -> None:
    """Those of before the start and those since, IPv4 and IPv6, several at one address, with connections waiting."""
    netns = newest.all()[0]["netns"]
    with contextlib.ExitStack() as stack:
        shared = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=3, reuse_port=True))
        port = shared.getsockname()[1]
        stack.enter_context(socket.create_server(("127.0.0.1", port), backlog=4, reuse_port=True))
        six = stack.enter_context(
            socket.create_server(("::", 0), backlog=5, family=socket.AF_INET6, dualstack_ipv6=True)
        )
        stack.enter_context(connecting(six.getsockname()[1], 3))
        for _ in range(300):
            stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=17))

        def seen() -> list[tuple[int, int, int]]:
            mine = [each for each in newest.all() if each["netns"] == netns]
            return sorted((int(e["port"]), int(e["queue"]), int(e["limit"])) for e in mine)

        assert until(lambda: seen() == printed()), set(seen()) ^ set(printed())
        assert newest.at(six.getsockname()[1])["queue"] == 3
        assert newest.at(six.getsockname()[1])["accepted"] == 3


def test_a_full_accept_queue_drops_what_is_counted(newest: Newest) -> None:
    """The kernel takes one connection more than the limit; each SYN beyond is an overflow, also at the end."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2)
    port = listener.getsockname()[1]
    with connecting(port, CONNECTS):
        state = newest.at(port)
        assert (state["queue"], state["limit"], state["accepted"]) == (3, 2, 3)
        assert state["overflows"] == CONNECTS - 3 == printed_drops(port)
        assert state["owner"]["comm"].decode() in ("pytest", "python", "python3")
        for _ in range(3):
            listener.accept()[0].close()
        assert newest.at(port)["queue"] == 0
        with connecting(port, CONNECTS):
            listener.close()
            assert newest_ended(newest, port) >= 2 * (CONNECTS - 3)


def newest_ended(newest: Newest, port: int) -> int:
    """Overflows of a listener at its end."""
    newest.all()
    return max(
        int(state["overflows"])
        for state in newest._known.values()
        if state["port"] == port and state["ended"]
    )


def test_cells_are_used_again(probe: Probes, newest: Newest) -> None:
    """Many more listeners than cells, one after the other: none goes without."""
    assert probe.listeners
    before = probe.listeners.tallies()
    for _ in range(6):
        for _ in range(300):
            socket.create_server(("127.0.0.1", 0)).close()
        newest.all()
    after = probe.listeners.tallies()
    assert after["taken"] - before["taken"] == 1800
    assert after["no_cell"] == 0
