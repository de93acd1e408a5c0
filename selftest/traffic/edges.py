"""Rare shapes of connections that are real all the same."""

import socket
import time
from collections.abc import Iterator

from model.kinds.delta import CloseReason, Role
from selftest.children import Scene
from selftest.network import Network
from selftest.part import Part
from selftest.profile import Profile

QUESTION_BYTES, ANSWER_BYTES = 555, 777


def self_connected(part: Part) -> Iterator[None]:
    """One socket that connects to itself (a simultaneous open), and hears what it says."""
    yield
    for _ in range(part.profile.few):
        sock = part.new_socket()
        sock.bind((part.address, 0))
        connection = part.connect(part.own(sock), sock)
        connection.send(QUESTION_BYTES)
        connection.receive(QUESTION_BYTES)
        connection.close(CloseReason.FIN_SENT)
    yield


def reusing_client(part: Part) -> Iterator[None]:
    """The same addresses and ports again and again; resets leave no TIME_WAIT between them."""
    yield
    port, local = part.receive_from_peer(), 0
    for _ in range(part.profile.few):
        sock = part.new_socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", local))
        local = sock.getsockname()[1]
        connection = part.connect(port, sock)
        connection.send(QUESTION_BYTES)
        connection.receive(ANSWER_BYTES)
        connection.settle()
        part.receive_from_peer()
        connection.reset()
        part.receive_from_peer()
    yield


def reused_server(part: Part) -> Iterator[None]:
    """The other end."""
    listener = part.listen()
    yield
    for _ in range(part.profile.few):
        connection = part.accept(listener)
        connection.receive(QUESTION_BYTES)
        connection.send(ANSWER_BYTES)
        connection.settle()
        part.send_to_peer()
        connection.receive_reset()
        part.send_to_peer()
    yield


def mapped_client(part: Part) -> Iterator[None]:
    """IPv4 to a server that listens on IPv6."""
    yield
    port = part.receive_from_peer()
    for _ in range(part.profile.few):
        connection = part.connect(port)
        connection.send(QUESTION_BYTES)
        connection.receive(ANSWER_BYTES)
        connection.receive_end()
        connection.close(CloseReason.FIN_RECEIVED)
    yield


def dual_stack_server(part: Part) -> Iterator[None]:
    """Sees the addresses of its IPv4 clients as IPv4-mapped ones."""
    listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    part.send_to_peer(part.own(listener))
    yield
    for _ in range(part.profile.few):
        connection = part.accept(listener)
        connection.receive(QUESTION_BYTES)
        connection.send(ANSWER_BYTES)
        connection.close(CloseReason.FIN_SENT)
    yield


def unheard_client(part: Part) -> Iterator[None]:
    """Its bytes are acknowledged although no process ever accepts the connection."""
    yield
    connection = part.connect(part.receive_from_peer())
    connection.send(QUESTION_BYTES)
    connection.settle()
    part.send_to_peer(connection.sock.getsockname()[:2])
    connection.receive_reset()
    yield


def deaf_listener(part: Part) -> Iterator[None]:
    """Listens, accepts nothing and goes: the kernel resets what waits. It owned those sockets to the end."""
    yield
    listener = part.listen()
    client = part.receive_from_peer()
    end = part.record(listener, client, Role.SERVER, time.time_ns())
    end.rx_bytes, end.close_reason = QUESTION_BYTES, CloseReason.RST_SENT
    listener.close()
    end.closed_at_ns = time.time_ns()
    yield


def scenes(profile: Profile, network: Network) -> Iterator[Scene]:
    """Each on the routes on which it can be."""
    for route in network.host + network.inside:
        yield Scene("self", route, self_connected)
    for route in network.host + network.across:
        yield Scene("reuse", route, reusing_client, reused_server)
        yield Scene("unheard", route, unheard_client, deaf_listener)
    for route in (network.host[0], network.across[0]):
        yield Scene("dual", route, mapped_client, dual_stack_server)
