"""One probe for the tests of a file, and namespaces joined by a cable."""

from collections.abc import Iterator

import pytest

from probes.udp.config import UdpConfig
from tests.kernel.nat_network import ADDRESSES, CLIENT, SERVER, NatNetwork, nat_network
from tests.kernel.started import Probes
from tests.kernel.udp.datagrams import HASTY, Flows, Sockets, sockets


@pytest.fixture(scope="package")
def probe() -> Iterator[Probes]:
    """Started once: what the tests tell apart are their ports."""
    started = Probes(ring_bytes=1 << 23, nat="off", udp=UdpConfig(enabled="on", slots=8192, peers=64))
    started.start()
    yield started
    started.close()


@pytest.fixture(scope="package")
def hasty() -> Iterator[Probes]:
    """A probe for which flows rest a second, with few slots."""
    started = Probes(nat="off", udp=HASTY)
    started.start()
    yield started
    started.close()


@pytest.fixture
def flows(probe: Probes) -> Flows:
    """What the probe tells from now on."""
    return Flows(probe)


@pytest.fixture
def made() -> Iterator[Sockets]:
    """Sockets of the test's."""
    with sockets() as ours:
        yield ours


@pytest.fixture(scope="package")
def network() -> Iterator[NatNetwork]:
    """A client, a router, a server that know their neighbours: for others the kernel keeps few datagrams."""
    with nat_network() as built:
        for addresses in ADDRESSES.values():
            with built.listen(SERVER, "udp", addresses[3], 9) as listener:
                built.call(CLIENT, "udp", addresses[3], 9)
                listener.settimeout(10)
                listener.recv(1)
        yield built
