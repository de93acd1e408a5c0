"""What is lost on its way out of a device: queues and sizes, against the counts of `tc`, `nstat` and the receiver."""

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests.kernel.drops.bed import SERVER_ADDRESS, SETTLE_SECONDS, Watched, opened, send
from tests.kernel.nat_network import CLIENT, ROUTER, SERVER
from tests.kernel.udp.datagrams import SO_RCVBUFFORCE, received

pytestmark = pytest.mark.kernel

SENT: Final = 100
#: linux/in.h: what is too large is not cut, whatever is known of the way.
IP_MTU_DISCOVER, IP_PMTUDISC_PROBE = 10, 3


@contextlib.contextmanager
def queueing(network: Watched, role: str, device: str, qdisc: str) -> Iterator[Callable[[], int]]:
    """A queue in front of a device; gives how many packets it has dropped."""
    tc = f"tc -s -j qdisc show dev {device} root"
    network.network.run(role, f"tc qdisc add dev {device} root {qdisc}", check=False)
    if qdisc.split()[0] not in network.network.run(role, f"tc qdisc show dev {device} root"):
        pytest.skip(f"this kernel has no {qdisc.split()[0]}")
    try:
        yield lambda: int(json.loads(network.network.run(role, tc))[0]["drops"])
    finally:
        network.network.run(role, f"tc qdisc del dev {device} root")


@pytest.mark.parametrize(
    ("role", "device", "qdisc"),
    [
        (CLIENT, "eth0", "tbf rate 100kbit burst 2000 limit 3000"),
        (ROUTER, "to-server", "netem loss 40%"),
    ],
    ids=["a full queue of the sender", "a lossy one of the router"],
)
def test_what_a_queue_drops(dropping: Watched, role: str, device: str, qdisc: str) -> None:
    """What was sent, less what came."""
    with opened(dropping.network, SERVER, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20)
        server.bind((SERVER_ADDRESS, 2611))
        server.settimeout(SETTLE_SECONDS)
        with queueing(dropping, role, device, qdisc) as dropped:
            sender = send(dropping.network, SERVER_ADDRESS, 2611, SENT, 500)
            for _ in range(SENT - dropped()):
                server.recv(1000)
            said = {"source__port": sender, "drop__category": "qdisc"}
            count = dropping.comes_to(dropped(), netns__id=dropping.network.inode(role), **said)
            assert count == dropped() > 10
        assert received(server).datagrams == 0
    assert dropping.count(source__port=sender) == count


def test_packets_too_large_for_the_next_hop(dropping: Watched) -> None:
    """They say that they are not to be cut. A smaller size would take the device's IPv6 addresses away."""
    network = dropping.network
    network.run(ROUTER, "ip link set to-server mtu 1280")
    before = dropping.counters(ROUTER, "IpFragFails")
    with opened(network, CLIENT, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
        for _ in range(4):
            sender.sendto(bytes(1300), (SERVER_ADDRESS, 2612))
    failed = dropping.counters(ROUTER, "IpFragFails") - before
    network.run(ROUTER, "ip link set to-server mtu 1500")
    said = {"destination__port": 2612, "drop__category": "mtu", "netns__id": network.inode(ROUTER)}
    assert dropping.comes_to(failed, **said) == failed == 4
