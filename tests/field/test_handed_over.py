"""The kind: a connection is not, or no longer, its first owner's: a worker closes it, another process uses it."""

import ctypes
import fcntl
import multiprocessing
import os
import signal
import socket
import struct
import termios
from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing.connection import Connection

import numpy as np
import pytest

from model.kinds.delta import Evidence, Role
from tests.field.services import Sockets, child, connected, listener
from tests.kernel.loopback import DEADLINE_SECONDS, Seen, until
from tests.kernel.started import Probes

pytestmark = pytest.mark.kernel

#: A close with this option resets the connection.
RESET_AT_ONCE = struct.pack("ii", 1, 0)


@pytest.fixture(scope="module")
def probe() -> Iterator[Probes]:
    """One probe for all tests of this file."""
    probe = Probes(1024, 1 << 20)
    probe.start()
    try:
        yield probe
    finally:
        probe.close()


def end_of(seen: Seen, port: int, role: Role) -> np.void:
    """The end of the server's, or the client's, socket on this port."""
    seen.await_ends(port, 2)
    ends = seen.of(port)
    (end,) = ends[ends["socket"]["role"] == role]["socket"]
    assert isinstance(end, np.void)
    return end


def close_plainly(_: socket.socket) -> None:
    """Nothing before the close."""


def reset(connection: socket.socket) -> None:
    """SO_LINGER with a time of 0."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)


def disconnect(connection: socket.socket) -> None:
    """connect(2) with AF_UNSPEC ends a connection without a close."""
    libc_connect(connection.fileno(), struct.pack("H14x", socket.AF_UNSPEC))


def libc_connect(descriptor: int, address: bytes) -> None:
    """Python's connect() takes no AF_UNSPEC."""
    assert ctypes.CDLL(None).connect(descriptor, address, len(address)) == 0


@pytest.mark.parametrize("unread", [0, 100])
@pytest.mark.parametrize("how", [close_plainly, reset, disconnect])
def test_who_closes_an_unread_connection_had_it(
    probe: Probes, how: Callable[[socket.socket], None], unread: int
) -> None:
    """A worker accepts at its master's listener and closes without having read or written, in each way there is."""
    seen = Seen(probe)
    with closing(listener("127.0.0.1", 0)) as listening:

        def work(told: Connection) -> None:
            connection, _ = listening.accept()
            go.acquire()  # a connect() that learns of a reset before it returns fails
            if unread:
                _await_bytes(connection, unread)
            how(connection)
            connection.close()
            told.send("closed")
            signal.pause()

        go = multiprocessing.get_context("fork").Semaphore(0)
        with child(work) as (worker, told), connected(*listening.getsockname()) as client:
            go.release()
            if unread:
                client.sendall(b"x" * unread)
            assert told.poll(DEADLINE_SECONDS)
            client.close()
            end = end_of(seen, listening.getsockname()[1], Role.SERVER)
    assert (end["owner"]["tgid"], end["evidence"]) == (worker, Evidence.ACCEPTED)


def _await_bytes(connection: socket.socket, count: int) -> None:
    """Until so many wait to be read, without a read."""

    def waiting() -> int:
        return int(struct.unpack("i", fcntl.ioctl(connection, termios.FIONREAD, b"\0" * 4))[0])

    assert until(lambda: waiting() >= count)


def test_a_reset_from_the_network_says_nothing_of_the_owner(probe: Probes) -> None:
    """It comes in the middle of whatever process is at work: the listener's stays the owner."""
    seen = Seen(probe)
    with closing(listener("127.0.0.1", 0)) as listening:

        def connect_and_reset(told: Connection) -> None:
            with connected(*listening.getsockname()) as client:
                reset(client)
            told.send("closed")
            signal.pause()

        with child(connect_and_reset) as (_, told):
            server, _ = listening.accept()
            assert told.poll(DEADLINE_SECONDS)
            end = end_of(seen, listening.getsockname()[1], Role.SERVER)
        server.close()
    assert (end["owner"]["tgid"], end["evidence"]) == (os.getpid(), Evidence.LISTENER)


def test_a_descriptor_that_is_passed_on_is_its_users(probe: Probes) -> None:
    """A process connects, passes the descriptor through a Unix socket and is gone; then another one writes."""
    sockets = Sockets(probe)
    ours, theirs = socket.socketpair()
    with closing(listener("127.0.0.1", 0)) as listening, ours, theirs:

        def connect_and_pass(told: Connection) -> None:
            client = connected(*listening.getsockname())
            socket.send_fds(theirs, [b"x"], [client.fileno()])
            told.send(client.getsockname()[1])

        with child(connect_and_pass) as (opener, told):
            assert told.poll(DEADLINE_SECONDS)
            ports = (told.recv(), listening.getsockname()[1])
            opened = sockets.await_owner(Role.CLIENT, (ports[0], ports[1]), opener)
        _, (descriptor, *_), _, _ = socket.recv_fds(ours, 1, 1)
        with socket.socket(fileno=descriptor) as client:
            client.sendall(b"hello")
            used = sockets.await_owner(Role.CLIENT, ports, os.getpid())
    assert (opened["evidence"], used["evidence"]) == (Evidence.OPENED, Evidence.USED)
    assert used["owner"]["program"] != opened["owner"]["program"]


def test_who_serves_a_connection_that_a_dispatcher_peeked_at_owns_it(probe: Probes) -> None:
    """The dispatcher accepts and looks at the first bytes; a worker inherits the descriptor and reads them."""
    sockets = Sockets(probe)
    with closing(listener("127.0.0.1", 0)) as listening, connected(*listening.getsockname()) as client:
        server, peer = listening.accept()
        ports = (listening.getsockname()[1], peer[1])
        client.sendall(b"GET /")
        assert server.recv(5, socket.MSG_PEEK) == b"GET /"
        sockets.await_owner(Role.SERVER, ports, os.getpid())

        def read_and_wait(told: Connection) -> None:
            told.send(server.recv(5))
            signal.pause()

        with child(read_and_wait) as (worker, told):
            assert told.poll(DEADLINE_SECONDS)
            sockets.await_owner(Role.SERVER, ports, worker)
        server.sendall(b"200")
        assert sockets.await_owner(Role.SERVER, ports, os.getpid())["evidence"] == Evidence.USED
        server.close()


def test_after_an_execution_the_owner_is_the_new_program(probe: Probes) -> None:
    """The process stays; its name, and the number of its program, are the new one's when it writes."""
    sockets = Sockets(probe)
    with closing(listener("127.0.0.1", 0)) as listening:
        ours, theirs = os.pipe()

        def connect_and_execute(told: Connection) -> None:
            client = connected(*listening.getsockname())
            told.send(client.getsockname()[1])
            os.read(ours, 1)
            os.dup2(client.fileno(), 5)
            os.execv("/bin/sh", ["sh", "-c", "echo hello >&5; exec sleep 600"])

        with child(connect_and_execute) as (pid, told):
            assert told.poll(DEADLINE_SECONDS)
            ports = (told.recv(), listening.getsockname()[1])
            before = sockets.await_owner(Role.CLIENT, (ports[0], ports[1]), pid)
            os.write(theirs, b"x")
            server, _ = listening.accept()
            assert server.recv(6, socket.MSG_WAITALL) == b"hello\n"
            assert until(lambda: sockets.look()[int(Role.CLIENT), *ports]["evidence"] == Evidence.USED)
            after = sockets.await_owner(Role.CLIENT, ports, pid)
            server.close()
        os.close(ours)
        os.close(theirs)
    assert after["owner"]["comm"] == b"sh" != before["owner"]["comm"]
    assert after["owner"]["program"] == before["owner"]["program"] + 1
