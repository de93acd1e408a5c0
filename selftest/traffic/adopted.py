"""Sockets that are open before Tailrace starts; what moved on them until then must not be counted."""

from collections.abc import Iterator

from model.kinds.delta import CloseReason
from selftest.children import Scene
from selftest.network import Network
from selftest.part import Part
from selftest.profile import Profile

BEFORE_BYTES, DURING_BYTES = (11_111, 22_222), (3_333, 44_444)


def idle(index: int) -> bool:
    """Whether the connection stays still from the start to the end."""
    return index % 3 == 0


def ends_within(index: int) -> bool:
    """Whether the connection is closed during the run, not after it."""
    return index % 3 == 2


def adopted_client(part: Part) -> Iterator[None]:
    """A third idle, a third goes on, a third goes on and is closed; one more is over before the start."""
    port = part.receive_from_peer()
    connections = [part.connect(port) for _ in range(part.profile.adopted)]
    for connection in connections:
        connection.send(BEFORE_BYTES[0])
        connection.receive(BEFORE_BYTES[1])
        connection.adopt()
    with part.new_socket() as over:
        over.connect((part.address, port))
        over.recv(1)
    yield
    for index, connection in enumerate(connections):
        if not idle(index):
            connection.send(DURING_BYTES[0])
            connection.receive(DURING_BYTES[1])
        if ends_within(index):
            connection.close(CloseReason.FIN_SENT)
    yield
    for index, connection in enumerate(connections):
        if not ends_within(index):
            connection.close(CloseReason.FIN_SENT)


def deserted_server(part: Part) -> Iterator[None]:
    """The other end; its listening socket is gone before the start, so that the connections alone tell who called."""
    yield from _serve(part, listening=False)


def adopted_server(part: Part) -> Iterator[None]:
    """The other end, which still listens."""
    yield from _serve(part, listening=True)


def _serve(part: Part, *, listening: bool) -> Iterator[None]:
    listener = part.listen()
    connections = [part.accept(listener) for _ in range(part.profile.adopted)]
    for connection in connections:
        connection.receive(BEFORE_BYTES[0])
        connection.send(BEFORE_BYTES[1])
        connection.adopt()
    listener.accept()[0].close()
    if not listening:
        listener.close()
    yield
    for index, connection in enumerate(connections):
        if not idle(index):
            connection.receive(DURING_BYTES[0])
            connection.send(DURING_BYTES[1])
        if ends_within(index):
            connection.receive_end()
            connection.close(CloseReason.FIN_RECEIVED)
    yield
    for index, connection in enumerate(connections):
        if not ends_within(index):
            connection.receive_end()
            connection.close(CloseReason.FIN_RECEIVED)


def scenes(profile: Profile, network: Network) -> Iterator[Scene]:
    """On every route, and where the listener is gone."""
    for route in network.host + network.inside + network.across:
        yield Scene("adopted", route, adopted_client, adopted_server)
        yield Scene("deserted", route, adopted_client, deserted_server)
