"""Connections that end with a RST, or in silence. Both ends settle first, so that their bytes are certain."""

import errno
import socket
from collections.abc import Iterator

from model.kinds.delta import CloseReason
from selftest.children import Scene
from selftest.errors import TrafficError
from selftest.linux import drop_received
from selftest.network import Network
from selftest.part import Part
from selftest.profile import Profile
from selftest.traffic_socket import TrafficSocket

QUESTION_BYTES, ANSWER_BYTES, LOST_BYTES = 1234, 5678, 500
USER_TIMEOUT_MS = 1000


def ask(part: Part, port: int) -> TrafficSocket:
    """A new connection on which both directions moved bytes and are at rest at both ends."""
    connection = part.connect(port)
    connection.send(QUESTION_BYTES)
    connection.receive(ANSWER_BYTES)
    connection.settle()
    part.send_to_peer()
    part.receive_from_peer()
    return connection


def answer(part: Part, listener: socket.socket) -> TrafficSocket:
    """The other end of `ask`."""
    connection = part.accept(listener)
    connection.receive(QUESTION_BYTES)
    connection.send(ANSWER_BYTES)
    connection.settle()
    part.send_to_peer()
    part.receive_from_peer()
    return connection


def resetting_client(part: Part) -> Iterator[None]:
    """By turns the client resets and is reset."""
    yield
    port = part.receive_from_peer()
    for index in range(2 * part.profile.few):
        connection = ask(part, port)
        connection.receive_reset() if index % 2 else connection.reset()
    yield


def resetting_server(part: Part) -> Iterator[None]:
    """The other end."""
    listener = part.listen()
    yield
    for index in range(2 * part.profile.few):
        connection = answer(part, listener)
        connection.reset() if index % 2 else connection.receive_reset()
    yield


def careless_client(part: Part) -> Iterator[None]:
    """Closes without reading what came, which makes the kernel send a RST."""
    yield
    port = part.receive_from_peer()
    for _ in range(part.profile.few):
        connection = ask(part, port)
        connection.end.rx_bytes += part.receive_from_peer()
        connection.close(CloseReason.RST_SENT)
    yield


def unread_server(part: Part) -> Iterator[None]:
    """Sends what will not be read."""
    listener = part.listen()
    yield
    for _ in range(part.profile.few):
        connection = answer(part, listener)
        connection.send(LOST_BYTES)
        connection.settle()
        part.send_to_peer(LOST_BYTES)
        connection.receive_reset()
    yield


def deserted_client(part: Part) -> Iterator[None]:
    """Sends to a peer that fell silent, until TCP_USER_TIMEOUT; those bytes were never acknowledged."""
    yield
    port = part.receive_from_peer()
    connection = ask(part, port)
    part.receive_from_peer()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    connection.sock.sendall(bytes(LOST_BYTES))
    try:
        connection.sock.recv(1)
    except TimeoutError:
        connection.end.errno = errno.ETIMEDOUT
        connection.close(CloseReason.TIMED_OUT)
    else:
        raise TrafficError("a connection to a silent peer did not time out")
    part.send_to_peer()
    yield


def silent_server(part: Part) -> Iterator[None]:
    """Drops whatever comes, as if the machine were gone, and resets when the client gave up."""
    listener = part.listen()
    yield
    connection = answer(part, listener)
    drop_received(connection.sock, 1)
    part.send_to_peer()
    part.receive_from_peer()
    connection.reset()
    yield


def scenes(profile: Profile, network: Network) -> Iterator[Scene]:
    """Resets on the host and across, silence across."""
    for route in network.host + network.across:
        yield Scene("reset", route, resetting_client, resetting_server)
        yield Scene("unread", route, careless_client, unread_server)
    for route in network.across:
        yield Scene("vanished", route, deserted_client, silent_server, background=True)
