"""Processes that listen, accept, and leave what they accepted unread; and who the probe says they are."""

import contextlib
import multiprocessing
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final

import numpy as np

from model.kinds.delta import Role
from tests.kernel.loopback import DEADLINE_SECONDS, until
from tests.kernel.started import Probes

#: Of listeners and clients (Python's socket has it from 3.12 on).
IPPROTO_MPTCP: Final = 262
_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Service:
    """A process that holds all that it accepts."""

    pid: int
    address: str
    port: int
    accepted: Connection

    def await_accepted(self) -> int:
        """The peer's port of the next connection that it has accepted."""
        assert self.accepted.poll(DEADLINE_SECONDS)
        port: int = self.accepted.recv()
        return port


def listener(
    address: str, port: int, *, shared: bool = False, v6_only: bool = True, protocol: int = 0
) -> socket.socket:
    """A listening socket; ``shared``: with SO_REUSEPORT."""
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, proto=protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(v6_only))
    made.bind((address, port))
    made.listen(64)
    return made


def hold_all(listening: socket.socket, told: Connection) -> None:
    """Accepts for ever, reads nothing, and tells the ports of its peers."""
    held = []
    while True:
        connection, peer = listening.accept()
        held.append(connection)
        told.send(peer[1])


@contextlib.contextmanager
def child(work: Callable[[Connection], None]) -> Iterator[tuple[int, Connection]]:
    """A forked process at work, with what it tells; it is ended when the block is left."""
    told, tell = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=work, args=(tell,), daemon=True)
    process.start()
    tell.close()
    assert process.pid
    try:
        yield process.pid, told
    finally:
        process.kill()
        process.join()
        told.close()


@contextlib.contextmanager
def service(address: str, port: int = 0, *, shared: bool = False, v6_only: bool = True) -> Iterator[Service]:
    """A process of its own that listens there."""

    def work(told: Connection) -> None:
        listening = listener(address, port, shared=shared, v6_only=v6_only)
        told.send(listening.getsockname()[1])
        hold_all(listening, told)

    with child(work) as (pid, told):
        assert told.poll(DEADLINE_SECONDS)
        yield Service(pid, address, told.recv(), told)


def connected(address: str, port: int, protocol: int = 0) -> socket.socket:
    """A client's socket."""
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, proto=protocol)
    made.settimeout(DEADLINE_SECONDS)
    made.connect((address, port))
    return made


class Sockets:
    """What snapshots told of open sockets."""

    def __init__(self, probe: Probes) -> None:
        self._probe = probe
        self._told: dict[tuple[int, int, int], np.void] = {}
        self._keys: dict[int, tuple[int, int, int]] = {}
        #: As of the last look, by the same keys.
        self.counters: dict[tuple[int, int, int], np.void] = {}

    def look(self) -> dict[tuple[int, int, int], np.void]:
        """What is known of each by now, by role, own port and peer's port."""
        shot = self._probe.snapshot()
        for slot, row in zip(shot.new_slots.tolist(), shot.descriptions, strict=True):
            key = int(row["role"]), int(row["local_port"]), int(row["peer_port"])
            self._told[key], self._keys[slot] = row, key
        cells = zip(shot.slots.tolist(), shot.cells["counters"], strict=True)
        self.counters = {self._keys[slot]: cell for slot, cell in cells if slot in self._keys}
        return self._told

    def _servers(self, port: int) -> dict[int, int]:
        return {
            peer: int(row["owner"]["tgid"])
            for (role, local, peer), row in self.look().items()
            if role == Role.SERVER and local == port
        }

    def owners(self, port: int, count: int) -> dict[int, int]:
        """Pids that own the server's ends on a port, by the peer's port."""
        assert until(lambda: len(self._servers(port)) >= count)
        return self._servers(port)

    def await_owner(self, role: Role, ports: tuple[int, int], pid: int) -> np.void:
        """What is said of a socket once that process owns it."""
        key = (int(role), *ports)

        def owned() -> bool:
            row = self.look().get(key)
            return row is not None and row["owner"]["tgid"] == pid

        assert until(owned), self._told.get(key)
        return self._told[key]


def orphaned_listener(told: Connection, memory: int = 0) -> None:
    """Listens, leaves the listening socket to a child, and is gone: so many bytes take their time to be freed."""
    listening = listener("127.0.0.1", 0)
    if os.fork():
        held = bytearray(b"x") * memory
        os._exit(len(held) - memory)
    told.send((os.getpid(), listening.getsockname()[1]))
    hold_all(listening, told)
