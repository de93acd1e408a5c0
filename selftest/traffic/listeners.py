"""Listeners that are not one socket of TCP alone on their port: MPTCP, and several on one port."""

import os
import socket
import time
from collections.abc import Iterator

from model.kinds.delta import CloseReason, Role
from selftest.children import Scene
from selftest.linux import IPPROTO_MPTCP, has_mptcp, mptcp_token
from selftest.network import Network
from selftest.part import BACKLOG, Part
from selftest.profile import Profile
from selftest.traffic_socket import TrafficSocket

QUESTION_BYTES, ANSWER_BYTES = 2_222, 33_333


def mptcp_client(part: Part) -> Iterator[None]:
    """By turns TCP and MPTCP, to a listener of before the start."""
    port = part.receive_from_peer()
    yield
    for index in range(2 * part.profile.few):
        sock = part.new_socket(protocol=IPPROTO_MPTCP if index % 2 else socket.IPPROTO_TCP)
        connection = part.connect(port, sock)
        connection.send(QUESTION_BYTES)
        connection.receive(ANSWER_BYTES)
        _close(connection, CloseReason.FIN_SENT)
    yield


def mptcp_server(part: Part) -> Iterator[None]:
    """The other end."""
    listener = part.listen(protocol=IPPROTO_MPTCP)
    yield
    for _ in range(2 * part.profile.few):
        connection = part.accept(listener)
        connection.receive(QUESTION_BYTES)
        connection.send(ANSWER_BYTES)
        connection.receive_end()
        _close(connection, CloseReason.FIN_RECEIVED)
    yield


def _close(connection: TrafficSocket, reason: CloseReason) -> None:
    """Whose FIN goes first on a subflow, after both ends of its connection are closed, is up to the kernels."""
    token = connection.end.mptcp_token = mptcp_token(connection.sock)
    connection.close(CloseReason.OPEN if token else reason)


def unread_client(part: Part) -> Iterator[None]:
    """Its connections go to the narrower of two listeners, which never accepts them."""
    yield
    port = part.receive_from_peer()
    connections = [part.connect(port) for _ in range(part.profile.few)]
    part.send_to_peer([connection.sock.getsockname()[:2] for connection in connections])
    for connection in connections:
        connection.receive_reset()
    yield


def narrow_listener(part: Part) -> Iterator[None]:
    """One process listens on the address, a second one, later, on the same port of all addresses."""
    yield
    narrow = part.new_socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    narrow.bind((part.address, 0))
    narrow.listen(BACKLOG)
    port = part.own(narrow)
    until, done = os.pipe()

    def listen_widely(second: Part) -> None:
        os.close(done)
        narrow.close()
        with second.new_socket() as wide:
            wide.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            wide.bind(("::" if ":" in second.address else "0.0.0.0", port))
            wide.listen(BACKLOG)
            second.send_to_peer(port)
            os.read(until, 1)

    child = part.fork("ports-second", listen_widely)
    ends = [part.record(narrow, peer, Role.SERVER, time.time_ns()) for peer in part.receive_from_peer()]
    narrow.close()
    for end in ends:
        end.close_reason, end.closed_at_ns = CloseReason.RST_SENT, time.time_ns()
    os.close(done)
    child.join()
    os.close(until)
    yield


def scenes(profile: Profile, network: Network) -> Iterator[Scene]:
    """On the host and across; MPTCP where the kernel has it."""
    for route in network.host + network.across:
        if has_mptcp():
            yield Scene("mptcp", route, mptcp_client, mptcp_server)
        yield Scene("ports", route, unread_client, narrow_listener)
