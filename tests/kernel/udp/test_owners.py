"""Who owns a socket: who sends, or receives from one that sends nothing, whoever bound it."""

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from probes.registry import PROBES
from probes.udp.probe import READERS, UDP
from tests.kernel.loopback import until
from tests.kernel.started import Probes
from tests.kernel.udp.datagrams import EVIDENCE, FOUR, HASTY, SIX, Flows, Sockets

pytestmark = pytest.mark.kernel


def receive_apart(server: socket.socket, count: int) -> tuple[int, Callable[[], None]]:
    """A process that receives so many datagrams from a socket that was passed on to it; and what ends it."""
    reader, writer = os.pipe()
    if not (child := os.fork()):
        try:
            for _ in range(count):
                server.recv(100)
            os.write(writer, b"x")
        finally:
            os._exit(0)

    os.close(writer)

    def end() -> None:
        assert os.read(reader, 1) == b"x"
        os.waitpid(child, 0)
        os.close(reader)

    return child, end


def owner_is(flows: Flows, server: socket.socket, process: int) -> bool:
    """Whether all flows of the socket are of that process, because it has used it."""
    found = {
        (int(flow["socket"]["owner"]["tgid"]), int(flow["socket"]["evidence"])) for flow in flows.of(server)
    }
    return found == {(process, EVIDENCE["EVIDENCE_USED"])}


def test_who_receives_from_a_socket_that_was_passed_on_owns_it(flows: Flows, made: Sockets) -> None:
    """As with sockets that systemd binds: at first who bound it is named; new flows are of the reader at once."""
    server, client, later = made.server(), made.make(), made.make()
    client.sendto(b"x", server.getsockname())
    (bound,) = flows.of(server)  # from now on receives are looked at
    assert int(bound["socket"]["evidence"]) == EVIDENCE["EVIDENCE_LISTENER"]
    child, end = receive_apart(server, 2)
    assert until(lambda: owner_is(flows, server, child))
    later.sendto(b"y", server.getsockname())
    end()
    assert owner_is(flows, server, child)
    assert len(flows.of(server)) == 2


def test_who_received_is_in_the_end_of_a_closed_socket(flows: Flows, made: Sockets) -> None:
    """It is told with the last event though no second passed between."""
    waiting, server, client = made.server(), made.server(), made.make()
    client.sendto(b"x", waiting.getsockname())
    assert flows.of(waiting)  # receives are looked at
    client.sendto(b"x", server.getsockname())
    port = server.getsockname()[1]
    child, end = receive_apart(server, 1)
    end()
    server.close()
    (last,) = flows.await_ends(1, port)
    assert (int(last["socket"]["owner"]["tgid"]), int(last["socket"]["evidence"])) == (
        child,
        EVIDENCE["EVIDENCE_USED"],
    )


def test_receives_are_looked_at_while_somebody_is_to_be_found(made: Sockets) -> None:
    """Where all sockets send it costs nothing. A socket of before the start is of the first who holds it, until one
    is seen to receive."""
    silent, server, client = made.server(), made.server(), made.make()
    child, end = receive_apart(silent, 2)
    started = Probes(nat="off", udp=HASTY)
    try:
        started.start()
        flows = Flows(started)
        client.sendto(b"x", server.getsockname())
        server.sendto(b"y", client.getsockname())
        flows.refresh()
        assert not is_attached(started)
        client.sendto(b"x", silent.getsockname())
        flows.refresh()
        assert is_attached(started)
        client.sendto(b"x", silent.getsockname())
        end()
        assert until(lambda: owner_is(flows, silent, child))
    finally:
        started.close()


def is_attached(probe: Probes) -> bool:
    """Whether receives are looked at."""
    hooks = {hook for one in probe.loaded.attached for hook in one.links}
    return any(way in hooks for way in READERS.alternatives)


def test_older_kernels_tell_who_asks_for_the_sender(made: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Linux 6.3 by hooks of cgroups, which see calls that ask for it, in both families."""
    calls = replace(READERS, alternatives=READERS.alternatives[1:])
    features = tuple(calls if feature is READERS else feature for feature in UDP.features)
    known = tuple(replace(UDP, features=features) if probe is UDP else probe for probe in PROBES)
    monkeypatch.setattr("tests.kernel.started.PROBES", known)
    monkeypatch.setattr("probes.attached.UDP", known[PROBES.index(UDP)])
    started = Probes(nat="off", udp=HASTY)
    try:
        started.start()
        flows = Flows(started)
        for host in ("127.0.0.1", "::1"):
            server, client = made.server(host), made.make(SIX if ":" in host else FOUR)
            client.sendto(b"x", server.getsockname()[:2])
            (bound,) = flows.of(server)
            assert int(bound["socket"]["evidence"]) == EVIDENCE["EVIDENCE_LISTENER"]
            server.recvfrom(100)
            assert until(partial(owner_is, flows, server, os.getpid()))
    finally:
        started.close()
