"""Connects that never succeed: refused, timed out, unreachable, given up."""

import errno
import time
from collections.abc import Iterator

from model.kinds.delta import CloseReason
from selftest.children import Scene
from selftest.network import Network
from selftest.part import Body, Part
from selftest.profile import Profile

ANY_PORT = 7777
#: The kernel sends at most 5 ICMP errors in a burst to one address (ip_rt_error_burst), and each connect
#: takes two: the first comes while connect() holds the socket and is only remembered.
UNREACHABLE = 2


def refused_client(part: Part) -> Iterator[None]:
    """Connects to a port where nobody listens, by turns blocking and not."""
    yield
    port = part.receive_from_peer()
    for index in range(part.profile.failed):
        if index % 2:
            part.blocking_refusal(port)
        else:
            part.attempt(port).fail(errno.ECONNREFUSED, CloseReason.RST_RECEIVED)
    yield


def closed_port(part: Part) -> Iterator[None]:
    """Keeps a port bound without listening, so that nobody else takes it."""
    with part.new_socket() as sock:
        sock.bind((part.address, 0))
        part.send_to_peer(part.own(sock))
        yield
        yield


def refused_across(part: Part) -> Iterator[None]:
    """Connects to a closed port of another host, which answers with a RST."""
    yield
    port = part.receive_from_peer()
    for _ in range(part.profile.failed):
        part.attempt(port).fail(errno.ECONNREFUSED, CloseReason.RST_RECEIVED)
    yield


def failing_client(expected: int, reason: CloseReason, count: int) -> Body:
    """Connects, all at once, that end with the errno ``expected`` after seconds."""

    def body(part: Part) -> Iterator[None]:
        yield
        for attempt in [part.attempt(ANY_PORT) for _ in range(count)]:
            attempt.fail(expected, reason)
        yield

    return body


def impatient_client(part: Part) -> Iterator[None]:
    """Connects to where nobody answers and closes some milliseconds later."""
    yield
    for _ in range(part.profile.few):
        attempt = part.attempt(ANY_PORT)
        time.sleep(0.005)
        attempt.give_up()
    yield


def scenes(profile: Profile, network: Network) -> Iterator[Scene]:
    """Those that wait for timers play in the background."""
    for route in network.host + network.inside:
        yield Scene("refused", route, refused_client, closed_port)
    for route in network.across:
        yield Scene("refused", route, refused_across, closed_port)
    for route in network.silent:
        timed_out = failing_client(errno.ETIMEDOUT, CloseReason.TIMED_OUT, profile.slow_failed)
        yield Scene("timeout", route, timed_out, background=True)
        yield Scene("giveup", route, impatient_client)
    for route, expected in zip(network.unreachable, (errno.EHOSTUNREACH, errno.ENETUNREACH), strict=True):
        unreachable = failing_client(expected, CloseReason.ERROR, UNREACHABLE)
        yield Scene("unreach", route, unreachable, background=True)
