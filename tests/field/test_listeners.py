"""The kind: several listeners on one port, by address, by family, by SO_REUSEPORT, or after one another.

A connection that its server has accepted, and has neither read nor written, is the listener's that the kernel chose.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest

from model.kinds.delta import Role
from tests.field.services import Sockets, child, connected, orphaned_listener, service
from tests.kernel.loopback import DEADLINE_SECONDS
from tests.kernel.started import Probes

pytestmark = pytest.mark.kernel


@contextmanager
def probed() -> Iterator[Sockets]:
    """A probe from start to close."""
    probe = Probes(1024, 1 << 20)
    probe.start()
    try:
        yield Sockets(probe)
    finally:
        probe.close()


@pytest.fixture(scope="module")
def sockets() -> Iterator[Sockets]:
    """What one probe tells."""
    with probed() as told:
        yield told


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1", "127.0.0.2", "::1"],
        ["0.0.0.0", "127.0.0.1", "::"],
        ["::1", "::", "127.0.0.1", "0.0.0.0"],
    ],
    ids=["addresses", "wildcard_first", "specific_first"],
)
def test_services_on_one_port_are_told_apart_by_address(sockets: Sockets, addresses: list[str]) -> None:
    """Of several on one port each has the connections to its address, whatever the order in which they began."""
    with ExitStack() as stack:
        services = [stack.enter_context(service(addresses[0], shared=True))]
        port = services[0].port
        services += [stack.enter_context(service(address, port, shared=True)) for address in addresses[1:]]
        expected = {}
        for target in ("127.0.0.1", "127.0.0.2", "127.0.0.3", "::1"):
            with_port = [one for one in services if one.address == target] or [
                one for one in services if one.address == ("::" if ":" in target else "0.0.0.0")
            ]
            if with_port:
                client = stack.enter_context(connected(target, port))
                expected[client.getsockname()[1]] = with_port[0].pid
                assert with_port[0].await_accepted() == client.getsockname()[1]
        assert sockets.owners(port, len(expected)) == expected


def test_a_dual_stack_listener_has_what_no_ipv4_listener_takes(sockets: Sockets) -> None:
    """Connections to the address of an IPv4 listener are its own, all others the dual-stack one's."""
    with service("::", v6_only=False, shared=True) as wide, ExitStack() as stack:
        narrow = stack.enter_context(service("127.0.0.2", wide.port, shared=True))
        expected = {}
        for target, owner in (("127.0.0.1", wide), ("127.0.0.2", narrow), ("::1", wide)):
            client = stack.enter_context(connected(target, wide.port))
            expected[client.getsockname()[1]] = owner.pid
        assert sockets.owners(wide.port, 3) == expected


def test_a_listener_that_is_gone_has_no_more_connections(sockets: Sockets) -> None:
    """When the listener of one address ends, the connections to it are those of who listens on all addresses."""
    with service("0.0.0.0", shared=True) as wide, ExitStack() as stack:
        with service("127.0.0.1", wide.port, shared=True) as narrow:
            first = stack.enter_context(connected("127.0.0.1", wide.port))
            assert narrow.await_accepted() == first.getsockname()[1]
            assert sockets.owners(wide.port, 1) == {first.getsockname()[1]: narrow.pid}
        second = stack.enter_context(connected("127.0.0.1", wide.port))
        assert wide.await_accepted() == second.getsockname()[1]
        assert sockets.owners(wide.port, 2)[second.getsockname()[1]] == wide.pid


def test_each_of_a_reuseport_group_has_its_own_connections(sockets: Sockets) -> None:
    """Six processes share address and port; the kernel spreads 60 connections over them."""
    with ExitStack() as stack:
        services = [stack.enter_context(service("127.0.0.1", shared=True))]
        port = services[0].port
        services += [stack.enter_context(service("127.0.0.1", port, shared=True)) for _ in range(5)]
        clients = [stack.enter_context(connected("127.0.0.1", port)) for _ in range(60)]
        found = sockets.owners(port, len(clients))
        truth: dict[int, int] = {}
        for one in services:
            while len(truth) < len(clients) and one.accepted.poll(0.2):
                truth[one.accepted.recv()] = one.pid
        assert len(set(truth.values())) > 1
        assert found == truth


def test_listeners_of_before_the_start_are_told_apart() -> None:
    """The probe starts when several listen on one port already."""
    with ExitStack() as stack:
        first = stack.enter_context(service("127.0.0.1"))
        second = stack.enter_context(service("127.0.0.2", first.port))
        sockets = stack.enter_context(probed())
        clients = [stack.enter_context(connected(one.address, first.port)) for one in (first, second)]
        peers = [client.getsockname()[1] for client in clients]
        assert sockets.owners(first.port, 2) == dict(zip(peers, (first.pid, second.pid), strict=True))


@pytest.mark.parametrize("memory", [0, 1 << 29], ids=["at_once", "slowly"])
def test_a_process_that_is_gone_is_not_named_when_another_holds_the_listener(
    sockets: Sockets, memory: int
) -> None:
    """Who listened has exited, as daemons do after the fork, or does it at this moment; its child accepts."""
    with child(partial(orphaned_listener, memory=memory)) as (gone, told):
        assert told.poll(DEADLINE_SECONDS)
        heir, port = told.recv()
        assert heir != gone
        try:
            with connected("127.0.0.1", port) as client:
                peer = client.getsockname()[1]
                assert told.recv() == peer
                sockets.await_owner(Role.SERVER, (port, peer), heir)
                with connected("127.0.0.1", port) as later:
                    assert sockets.owners(port, 2)[later.getsockname()[1]] == heir
        finally:
            os.kill(heir, signal.SIGKILL)
