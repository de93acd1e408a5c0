"""Connections that last: messages over seconds, bulk, half-closed, and with real loss."""

import time
from collections.abc import Iterator

from model.kinds.delta import CloseReason
from selftest.children import Scene
from selftest.linux import drop_received, keep_received
from selftest.network import Network
from selftest.part import Body, Part
from selftest.profile import Profile

DROPPED_SHARE = 0.2
HALF_CLOSED_BYTES = (4_321, 65_432)


def message(connection: int, turn: int) -> tuple[int, int]:
    """Bytes of a question and of its answer."""
    return 100 * (connection + 1) + turn, 1000 + 7 * turn * (connection + 1)


def turns(profile: Profile) -> int:
    """Messages of each long-lived connection."""
    return round(profile.long_seconds / profile.message_interval_seconds)


def long_client(part: Part) -> Iterator[None]:
    """Several connections at once, a question and an answer on each at every turn; closes first."""
    yield
    port = part.receive_from_peer()
    connections = [part.connect(port) for _ in range(part.profile.long)]
    for turn in range(turns(part.profile)):
        for index, connection in enumerate(connections):
            question, answer = message(index, turn)
            connection.send(question)
            connection.receive(answer)
        time.sleep(part.profile.message_interval_seconds)
    part.receive_from_peer()
    for connection in connections:
        connection.read_counters()
        connection.close_counted(CloseReason.FIN_SENT)
    part.send_to_peer()
    yield


def long_server(part: Part) -> Iterator[None]:
    """The other end."""
    listener = part.listen()
    yield
    connections = [part.accept(listener) for _ in range(part.profile.long)]
    for turn in range(turns(part.profile)):
        for index, connection in enumerate(connections):
            question, answer = message(index, turn)
            connection.receive(question)
            connection.send(answer)
    for connection in connections:
        connection.read_counters()
    part.send_to_peer()
    part.receive_from_peer()
    for connection in connections:
        connection.receive_end()
        connection.close_counted(CloseReason.FIN_RECEIVED)
    yield


def bulk_client(count: int) -> Body:
    """Sends ``count`` bytes over one connection and closes it."""

    def body(part: Part) -> Iterator[None]:
        yield
        connection = part.connect(part.receive_from_peer())
        connection.send(count)
        part.receive_from_peer()
        connection.read_counters()
        connection.close_counted(CloseReason.FIN_SENT)
        yield

    return body


def bulk_server(count: int, dropped_share: float = 0.0) -> Body:
    """Receives them; drops a share of the segments, so that the client must send them again."""

    def body(part: Part) -> Iterator[None]:
        listener = part.listen()
        yield
        connection = part.accept(listener)
        if dropped_share:
            drop_received(connection.sock, dropped_share)
        connection.receive(count)
        keep_received(connection.sock)
        connection.read_counters()
        part.send_to_peer()
        connection.receive_end()
        connection.close_counted(CloseReason.FIN_RECEIVED)
        yield

    return body


def half_closed_client(part: Part) -> Iterator[None]:
    """Sends, shuts its direction down, and goes on receiving to the end."""
    yield
    port = part.receive_from_peer()
    question, answer = HALF_CLOSED_BYTES
    for _ in range(part.profile.few):
        connection = part.connect(port)
        connection.send(question)
        connection.sock.shutdown(1)
        part.send_to_peer()
        connection.receive(answer)
        connection.receive_end()
        connection.close(CloseReason.FIN_SENT)
    yield


def half_closed_server(part: Part) -> Iterator[None]:
    """Answers only after the client's direction is shut down, in several pieces."""
    listener = part.listen()
    yield
    question, answer = HALF_CLOSED_BYTES
    for _ in range(part.profile.few):
        connection = part.accept(listener)
        connection.receive(question)
        connection.receive_end()
        part.receive_from_peer()
        for _ in range(4):
            connection.send(answer // 4)
            time.sleep(0.01)
        connection.close(CloseReason.FIN_RECEIVED)
    yield


def scenes(profile: Profile, network: Network) -> Iterator[Scene]:
    """Messages and loss in the background, bulk with the machine for itself."""
    for route in network.host + network.across:
        yield Scene("long", route, long_client, long_server, background=True)
        yield Scene("half", route, half_closed_client, half_closed_server)
    for route in network.across:
        server = bulk_server(profile.lossy_bytes, DROPPED_SHARE)
        yield Scene("lossy", route, bulk_client(profile.lossy_bytes), server, background=True)
    counts = (profile.bulk_bytes, profile.bulk_bytes // 16)
    for route, count in zip(network.host, counts, strict=True):
        yield Scene("bulk", route, bulk_client(count), bulk_server(count))
