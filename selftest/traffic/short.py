"""Connections that are over before any timer ticks."""

from collections.abc import Iterator

from model.kinds.delta import CloseReason
from selftest.children import Scene
from selftest.network import Network
from selftest.part import Body, Part
from selftest.profile import Profile

LARGEST_BYTES = 3000


def sizes(index: int) -> tuple[int, int]:
    """Bytes that the client sends and the server answers in connection ``index``; the first moves none."""
    return index * 37 % (LARGEST_BYTES + 1), index * 101 % (LARGEST_BYTES + 1)


def client(count: int) -> Body:
    """One connection after the other; the server closes the even ones first, the client the odd ones."""

    def body(part: Part) -> Iterator[None]:
        yield
        port = part.receive_from_peer()
        for index in range(count):
            sent, answered = sizes(index)
            connection = part.connect(port)
            connection.send(sent)
            connection.receive(answered)
            if index % 2:
                connection.close(CloseReason.FIN_SENT)
            else:
                connection.receive_end()
                connection.close(CloseReason.FIN_RECEIVED)
        yield

    return body


def server(count: int, *, early: bool) -> Body:
    """The other end, which listens before the start if ``early``."""

    def body(part: Part) -> Iterator[None]:
        listener = part.listen() if early else None
        yield
        listener = listener or part.listen()
        for index in range(count):
            sent, answered = sizes(index)
            connection = part.accept(listener)
            connection.receive(sent)
            connection.send(answered)
            if index % 2:
                connection.receive_end()
                connection.close(CloseReason.FIN_RECEIVED)
            else:
                connection.close(CloseReason.FIN_SENT)
        yield

    return body


def scenes(profile: Profile, network: Network) -> Iterator[Scene]:
    """Half of them on the loopback of the host, a quarter inside a namespace, a quarter across two."""
    places = ((network.host, 4, True), (network.inside, 8, False), (network.across, 8, False))
    for routes, share, early in places:
        for route in routes:
            count = profile.short // share
            yield Scene("short", route, client(count), server(count, early=early))
