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
    port = part.hear()
    talks = [part.connect(port) for _ in range(part.profile.adopted)]
    for talk in talks:
        talk.send(BEFORE_BYTES[0])
        talk.receive(BEFORE_BYTES[1])
        talk.adopt()
    with part.new_socket() as over:
        over.connect((part.address, port))
        over.recv(1)
    yield
    for index, talk in enumerate(talks):
        if not idle(index):
            talk.send(DURING_BYTES[0])
            talk.receive(DURING_BYTES[1])
        if ends_within(index):
            talk.close(CloseReason.FIN_SENT)
    yield
    for index, talk in enumerate(talks):
        if not ends_within(index):
            talk.close(CloseReason.FIN_SENT)


def adopted_server(part: Part) -> Iterator[None]:
    """The other end."""
    listener = part.listen()
    talks = [part.accept(listener) for _ in range(part.profile.adopted)]
    for talk in talks:
        talk.receive(BEFORE_BYTES[0])
        talk.send(BEFORE_BYTES[1])
        talk.adopt()
    listener.accept()[0].close()
    yield
    for index, talk in enumerate(talks):
        if not idle(index):
            talk.receive(DURING_BYTES[0])
            talk.send(DURING_BYTES[1])
        if ends_within(index):
            talk.receive_end()
            talk.close(CloseReason.FIN_RECEIVED)
    yield
    for index, talk in enumerate(talks):
        if not ends_within(index):
            talk.receive_end()
            talk.close(CloseReason.FIN_RECEIVED)


def scenes(profile: Profile, network: Network) -> Iterator[Scene]:
    """On every route."""
    for route in network.host + network.inside + network.across:
        yield Scene("adopted", route, adopted_client, adopted_server)
