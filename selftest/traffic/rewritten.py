"""Calls of an address that nobody has: the kernel rewrites each to one of two backends."""

import select
import socket
from collections.abc import Iterator

from selftest.children import Scene
from selftest.network import BACKEND_PORTS, BACKENDS, SERVICE_PORT, Network
from selftest.part import BACKLOG, Part
from selftest.profile import Profile
from selftest.truth import address_bytes

QUESTION_BYTES, ANSWER_BYTES = 1_357, 2_468


def calling_client(part: Part) -> Iterator[None]:
    """The same tuple again at once, within a millisecond of the RST before; each goes to the other backend."""
    yield
    part.receive_from_peer()
    local = 0
    for index in range(4 * part.profile.few):
        sock = part.new_socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", local))
        local = sock.getsockname()[1]
        connection = part.connect(SERVICE_PORT, sock)
        connection.send(QUESTION_BYTES + index)
        connection.receive(ANSWER_BYTES + index)
        connection.settle()
        address, port = part.receive_from_peer()
        connection.end.server_elsewhere = address_bytes(address), port
        connection.reset()
    yield


def backends(part: Part) -> Iterator[None]:
    """Both backends; whoever was called says so beside the connection."""
    listeners = [_listener(part, port) for port in BACKEND_PORTS]
    yield
    part.send_to_peer()
    poll = select.poll()
    by_descriptor = {listener.fileno(): listener for listener in listeners}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    for index in range(4 * part.profile.few):
        connection = part.accept(by_descriptor[poll.poll()[0][0]])
        connection.receive(QUESTION_BYTES + index)
        connection.send(ANSWER_BYTES + index)
        connection.settle()
        connection.end.server_elsewhere = address_bytes(part.address), SERVICE_PORT
        part.send_to_peer(connection.sock.getsockname()[:2])
        connection.receive_reset()
    yield


def _listener(part: Part, port: int) -> socket.socket:
    sock = part.new_socket()
    sock.bind((BACKENDS[part.address], port))
    part.own(sock)
    sock.listen(BACKLOG)
    return sock


def scenes(profile: Profile, network: Network) -> Iterator[Scene]:
    """From the left, which rewrites; none where it cannot."""
    for route in network.services:
        yield Scene("rewrite", route, calling_client, backends)
