"""Datagrams of UDP: of known sizes, each answered, so that none is lost."""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from model.kinds.delta import CloseReason, Role
from model.transport import Transport
from selftest.children import Scene
from selftest.errors import TrafficError
from selftest.network import Network
from selftest.part import LINK_SECONDS, Part
from selftest.profile import Profile
from selftest.truth import End

#: Questions, and answers in the opposite order: empty, whole, and in fragments on a route.
SIZES: Final = (0, 1, 100, 1400, 20_000)
MOST_BYTES: Final = 65_535


@dataclass
class DatagramSocket:
    """A connected socket and the record of its flow."""

    sock: socket.socket
    end: End

    def send(self, size: int) -> None:
        """One datagram."""
        self.sock.send(bytes(size))
        self.end.tx_bytes += size
        self.end.tx_datagrams += 1

    def receive(self) -> None:
        """The next one.

        :raises TrafficError: if none comes.
        """
        try:
            self.count(len(self.sock.recv(MOST_BYTES)))
        except TimeoutError as error:
            raise TrafficError(f"{self.end.comm}: a datagram was lost") from error

    def count(self, size: int) -> None:
        """One that was received."""
        self.end.rx_bytes += size
        self.end.rx_datagrams += 1

    def close(self) -> None:
        """The end of the flow."""
        self.sock.close()
        self.end.close_reason = CloseReason.RELEASED
        self.end.closed_at_ns = time.time_ns()


def new_socket(part: Part) -> socket.socket:
    """A socket of UDP of the route's family."""
    sock = socket.socket(socket.AF_INET6 if ":" in part.address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(LINK_SECONDS)
    return sock


def recorded(part: Part, sock: socket.socket, peer: tuple[str, int], role: Role) -> DatagramSocket:
    """Its flow with ``peer``, which begins now."""
    end = part.record(sock, peer, role, time.time_ns())
    end.transport = Transport.UDP
    return DatagramSocket(sock, end)


def asking_client(part: Part) -> Iterator[None]:
    """One socket after the other."""
    yield
    for _ in range(part.profile.few):
        sock = new_socket(part)
        sock.connect((part.address, part.receive_from_peer()))
        asked = recorded(part, sock, sock.getpeername()[:2], Role.CLIENT)
        for size in SIZES:
            asked.send(size)
            asked.receive()
        asked.close()
    yield


def answering_server(part: Part) -> Iterator[None]:
    """A socket for each, which knows who asks from the first datagram on."""
    yield
    for _ in range(part.profile.few):
        sock = new_socket(part)
        sock.bind((part.address, 0))
        part.send_to_peer(part.own(sock))
        first, peer = sock.recvfrom(MOST_BYTES)
        sock.connect(peer)
        answered = recorded(part, sock, peer[:2], Role.SERVER)
        answered.count(len(first))
        for number, size in enumerate(reversed(SIZES)):
            if number:
                answered.receive()
            answered.send(size)
        answered.close()
    yield


def scenes(profile: Profile, network: Network) -> Iterator[Scene]:
    """On every route."""
    for route in network.host + network.inside + network.across:
        yield Scene("udp", route, asking_client, answering_server)
