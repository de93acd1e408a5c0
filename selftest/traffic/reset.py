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
from selftest.talk import Talk

QUESTION_BYTES, ANSWER_BYTES, LOST_BYTES = 1234, 5678, 500
USER_TIMEOUT_MS = 1000


def ask(part: Part, port: int) -> Talk:
    """A new connection on which both directions moved bytes and are at rest at both ends."""
    talk = part.connect(port)
    talk.send(QUESTION_BYTES)
    talk.receive(ANSWER_BYTES)
    talk.settle()
    part.tell()
    part.hear()
    return talk


def answer(part: Part, listener: socket.socket) -> Talk:
    """The other end of `ask`."""
    talk = part.accept(listener)
    talk.receive(QUESTION_BYTES)
    talk.send(ANSWER_BYTES)
    talk.settle()
    part.tell()
    part.hear()
    return talk


def resetting_client(part: Part) -> Iterator[None]:
    """By turns the client resets and is reset."""
    yield
    port = part.hear()
    for index in range(2 * part.profile.few):
        talk = ask(part, port)
        talk.receive_reset() if index % 2 else talk.reset()
    yield


def resetting_server(part: Part) -> Iterator[None]:
    """The other end."""
    listener = part.listen()
    yield
    for index in range(2 * part.profile.few):
        talk = answer(part, listener)
        talk.reset() if index % 2 else talk.receive_reset()
    yield


def careless_client(part: Part) -> Iterator[None]:
    """Closes without reading what came, which makes the kernel send a RST."""
    yield
    port = part.hear()
    for _ in range(part.profile.few):
        talk = ask(part, port)
        talk.end.rx_bytes += part.hear()
        talk.close(CloseReason.RST_SENT)
    yield


def unread_server(part: Part) -> Iterator[None]:
    """Sends what will not be read."""
    listener = part.listen()
    yield
    for _ in range(part.profile.few):
        talk = answer(part, listener)
        talk.send(LOST_BYTES)
        talk.settle()
        part.tell(LOST_BYTES)
        talk.receive_reset()
    yield


def deserted_client(part: Part) -> Iterator[None]:
    """Sends to a peer that fell silent, until TCP_USER_TIMEOUT; those bytes were never acknowledged."""
    yield
    port = part.hear()
    talk = ask(part, port)
    part.hear()
    talk.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    talk.sock.sendall(bytes(LOST_BYTES))
    try:
        talk.sock.recv(1)
    except TimeoutError:
        talk.end.errno = errno.ETIMEDOUT
        talk.close(CloseReason.TIMED_OUT)
    else:
        raise TrafficError("a connection to a silent peer did not time out")
    part.tell()
    yield


def silent_server(part: Part) -> Iterator[None]:
    """Drops whatever comes, as if the machine were gone, and resets when the client gave up."""
    listener = part.listen()
    yield
    talk = answer(part, listener)
    drop_received(talk.sock, 1)
    part.tell()
    part.hear()
    talk.reset()
    yield


def scenes(profile: Profile, network: Network) -> Iterator[Scene]:
    """Resets on the host and across, silence across."""
    for route in network.host + network.across:
        yield Scene("reset", route, resetting_client, resetting_server)
        yield Scene("unread", route, careless_client, unread_server)
    for route in network.across:
        yield Scene("vanished", route, deserted_client, silent_server, background=True)
