"""Whose socket is it? Processes that are gone at once, workers, forks and other users.

The owner of a connecting socket is the process that called connect(). The owner of an accepted socket is the
process that first moved bytes on it; the listener until then.
"""

import os
import socket
import time
from collections.abc import Iterator
from typing import Any

from model.kinds.delta import CloseReason, Role
from selftest.children import Scene
from selftest.network import Network
from selftest.part import ForkedChild, Part
from selftest.profile import Profile
from selftest.traffic import short as traffic_short
from selftest.traffic_socket import TrafficSocket

HASTY_BYTES = 700
QUESTION_BYTES, ANSWER_BYTES = 321, 1_234
WORKERS = 2
NOBODY = 65534


def hasty_parent(part: Part) -> Iterator[None]:
    """Forks children that connect, send and exit without a close."""
    yield
    port = part.receive_from_peer()

    def act(child: Part) -> None:
        connection = child.connect(port)
        connection.send(HASTY_BYTES)
        connection.end.close_reason, connection.end.closed_at_ns = CloseReason.FIN_SENT, time.time_ns()
        connection.sock.detach()  # Python must not close it: the kernel does, at the exit

    for index in range(2 * part.profile.few):
        part.fork(f"hasty-{index}", act).join()
    yield


def patient_server(part: Part) -> Iterator[None]:
    """Reads what the hasty ones left."""
    listener = part.listen()
    yield
    for _ in range(2 * part.profile.few):
        connection = part.accept(listener)
        connection.receive(HASTY_BYTES)
        connection.receive_end()
        connection.close(CloseReason.FIN_RECEIVED)
    yield


def asking_client(part: Part) -> Iterator[None]:
    """Asks, takes the answer, and closes first."""
    yield
    port = part.receive_from_peer()
    for _ in range(WORKERS * part.profile.few):
        connection = part.connect(port)
        connection.send(QUESTION_BYTES)
        connection.receive(ANSWER_BYTES)
        connection.close(CloseReason.FIN_SENT)
    yield


def serve(connection: TrafficSocket) -> None:
    """Answer one question to the end."""
    connection.receive(QUESTION_BYTES)
    connection.send(ANSWER_BYTES)
    connection.receive_end()
    connection.close(CloseReason.FIN_RECEIVED)


def preforked_server(part: Part) -> Iterator[None]:
    """Listens, while its workers accept on the inherited descriptor."""
    listener = part.listen()
    yield

    def act(worker: Part) -> None:
        for _ in range(part.profile.few):
            serve(worker.accept(listener))

    workers = [part.fork(f"worker-{index}", act) for index in range(WORKERS)]
    for worker in workers:
        worker.join()
    yield


def forking_server(part: Part) -> Iterator[None]:
    """Accepts, and leaves each connection to a child of its own."""
    listener = part.listen()
    yield
    for index in range(WORKERS * part.profile.few):
        sock, peer = listener.accept()
        take_over(part, f"served-{index}", sock, peer).join()
    yield


def take_over(part: Part, comm: str, sock: socket.socket, peer: tuple[Any, ...]) -> ForkedChild:
    """A child that serves the accepted ``sock``, which this process closes without having touched it."""
    at = time.time_ns()
    with sock:
        return part.fork(
            comm, lambda child: serve(TrafficSocket(sock, child.record(sock, peer, Role.SERVER, at)))
        )


def scenes(profile: Profile, network: Network) -> Iterator[Scene]:
    """On the host and across; other users only as root."""
    for route in network.host + network.across:
        yield Scene("exit", route, hasty_parent, patient_server)
        yield Scene("prefork", route, asking_client, preforked_server)
        yield Scene("forked", route, asking_client, forking_server)
        if os.geteuid() != 0:
            continue  # only root can become somebody else
        count = 2 * profile.few
        client, server = traffic_short.client(count), traffic_short.server(count, early=False)
        yield Scene("user", route, client, server, client_uid=NOBODY)
        yield Scene("user", route, client, server, server_uid=NOBODY)
