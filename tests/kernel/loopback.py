"""Loopback connections with known ends, and the events that tell of them."""

import contextlib
import errno
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from probes.kernel.layout import enums, structs
from tests.declared import KIND
from tests.kernel.started import Probes
from tests.slowness import SLOWNESS

DEADLINE_SECONDS: Final = 10 * SLOWNESS
ROLE: Final = enums("tcp")["role"]


def until(condition: Callable[[], bool], seconds: float = DEADLINE_SECONDS) -> bool:
    """Looks again and again; False if it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


@dataclass(frozen=True)
class Connection:
    """Both ends of one connection."""

    client: socket.socket
    server: socket.socket

    @property
    def ports(self) -> tuple[int, int]:
        """The client's, the server's."""
        return self.client.getsockname()[1], self.server.getsockname()[1]

    def exchange(self, up: int, down: int) -> None:
        """Moves that many bytes, few enough for the socket's buffer, and waits for them."""
        for sender, receiver, count in ((self.client, self.server, up), (self.server, self.client, down)):
            sender.sendall(b"x" * count)
            assert len(receiver.recv(count, socket.MSG_WAITALL)) == count

    def close(self) -> None:
        """The client's FIN goes first."""
        self.client.close()
        assert self.server.recv(1) == b""
        self.server.close()


@contextlib.contextmanager
def listening(address: str = "127.0.0.1") -> Iterator[socket.socket]:
    """A listener on a port of the kernel's choice."""
    with socket.create_server((address, 0), backlog=128) as listener:
        listener.settimeout(DEADLINE_SECONDS)
        yield listener


@contextlib.contextmanager
def unanswered() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A listener whose queue is full, and a client that tries again a second later, when there may be room."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = listener.getsockname()
        stack.enter_context(socket.create_connection(address, timeout=DEADLINE_SECONDS))
        client = stack.enter_context(socket.socket())
        client.setblocking(False)
        assert client.connect_ex(address) == errno.EINPROGRESS
        yield listener, client


def connect(listener: socket.socket) -> Connection:
    """A new connection; both ends give up after a while."""
    client = socket.create_connection(listener.getsockname(), timeout=DEADLINE_SECONDS)
    server, _ = listener.accept()
    server.settimeout(DEADLINE_SECONDS)
    return Connection(client, server)


class Seen:
    """All events that the probe gave, in order."""

    def __init__(self, probe: Probes) -> None:
        self._probe = probe
        self.events = np.empty(0, structs("tcp")["socket_event"])

    def drain(self) -> np.ndarray:
        """Events until now."""
        self.events = np.concatenate((self.events, self._probe.events()))
        return self.events

    def of(self, port: int) -> np.ndarray:
        """Ends of sockets that have this port on either side."""
        events = self.drain()
        own = (events["socket"]["local_port"] == port) | (events["socket"]["peer_port"] == port)
        ended = np.isin(events["header"]["kind"], (KIND["KIND_CLOSE"], KIND["KIND_FAIL"]))
        ends: np.ndarray = events[own & ended]
        return ends

    def await_ends(self, port: int, count: int) -> np.ndarray:
        """The same once there are so many."""
        assert until(lambda: len(self.of(port)) >= count), f"{len(self.of(port))} of {count} ends"
        return self.of(port)
