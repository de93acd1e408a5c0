"""Datagrams and bytes of each flow are what the sending and receiving programs count."""

import mmap
import os
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from tests.kernel.loopback import until
from tests.kernel.nat_network import ADDRESSES, CLIENT, SERVER, NatNetwork
from tests.kernel.udp.datagrams import (
    APPLICATION,
    CAST,
    EVIDENCE,
    FOUR,
    HOME,
    ROLE,
    SIX,
    UDP_GRO,
    UDP_SEGMENT,
    Flows,
    Sent,
    Sockets,
    address,
    received,
    total,
)

pytestmark = pytest.mark.kernel

SIZES: Final = [0, 1, 100, 1400, 9000, 60000] * 20
LARGE: Final = [60000, 1400, 1401, 1, 14000] * 20
SEGMENT: Final = 1400


@dataclass(frozen=True)
class Way:
    """How datagrams go.

    :param calls: the server's address as the client calls it.
    """

    calls: str = "127.0.0.1"
    binds: str = "127.0.0.1"
    family: int = FOUR
    connected: bool = True
    joined: bool = False
    sizes: Sequence[int] = tuple(SIZES)
    clients: int = 1
    segment: int = 0
    gathers: bool = False
    corked: bool = False


WAYS: Final = {
    "IPv4, connected": Way(),
    "IPv4, unconnected": Way(connected=False, binds="0.0.0.0"),
    "IPv6, connected": Way("::1", "::1", SIX),
    "IPv6, unconnected": Way("::1", "::", SIX, connected=False),
    "IPv4-mapped": Way("::ffff:127.0.0.1", "127.0.0.1", SIX, connected=False),
    "to a server of both families": Way("127.0.0.1", "::"),
    "between namespaces": Way(ADDRESSES[4][3], ADDRESSES[4][3], joined=True),
    "IPv6 in fragments between namespaces": Way(ADDRESSES[6][3], "::", SIX, connected=False, joined=True),
    "many clients": Way(sizes=(10, 20, 30), clients=40),
    "cut by the kernel": Way(sizes=tuple(LARGE), segment=SEGMENT),
    "cut and put together": Way(sizes=tuple(LARGE), segment=SEGMENT, gathers=True),
    "cut between namespaces": Way(
        ADDRESSES[6][3], "::", SIX, joined=True, sizes=tuple(LARGE), segment=SEGMENT
    ),
    "in pieces (MSG_MORE)": Way(sizes=(1000,) * 50, connected=False, corked=True),
}


def send(client: socket.socket, way: Way, to: tuple[str, int], sent: Sent) -> None:
    """All of a way's datagrams."""
    if way.connected:
        client.connect(to)
    if way.segment:
        client.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, way.segment)
    for size in way.sizes:
        data = bytes(size)
        if way.corked:
            client.sendto(data[: size // 2], socket.MSG_MORE, to)
            client.sendto(data[size // 2 :], 0, to)
        elif way.connected:
            client.send(data)
        else:
            client.sendto(data, to)
        sent.datagrams += max(1, -(-size // way.segment)) if way.segment else 1
        sent.bytes += size


def reached(flows: Flows, servers: Sequence[socket.socket], datagrams: int) -> bool:
    """Waits until so many have come, with those that found no room."""
    return until(lambda: total(flows.of(*servers), "rx_datagrams")[0] >= datagrams)


@pytest.mark.parametrize("name", WAYS)
def test_both_ends_count_what_the_programs_count(
    flows: Flows, made: Sockets, network: NatNetwork, name: str
) -> None:
    """Datagrams and payload, each flow's ends, who is the client, and who owns it."""
    way = WAYS[name]
    here, there = (network.path(CLIENT), network.path(SERVER)) if way.joined else (HOME, HOME)
    server = made.make(SIX if ":" in way.binds else FOUR, there)
    server.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)
    if way.gathers:
        server.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
    server.bind((way.binds, 0))
    sent = Sent()
    clients = [made.make(way.family, here) for _ in range(way.clients)]
    for client in clients:
        send(client, way, (way.calls, server.getsockname()[1]), sent)
    assert reached(flows, [server], sent.datagrams)
    ours, theirs = flows.of(*clients), flows.of(server)
    assert total(ours, "tx_datagrams", "tx_bytes", "rx_datagrams") == (sent.datagrams, sent.bytes, 0)
    got = received(server)
    lost = total(theirs, "dropped_datagrams", "dropped_bytes")
    seen = total(theirs, "rx_datagrams", "rx_bytes")
    assert seen[1] - lost[1] == got.bytes
    assert seen[0] - lost[0] == (sent.datagrams if way.gathers else got.datagrams)
    assert (len(ours), len(theirs)) == (way.clients, way.clients)
    assert {int(flow["socket"]["role"]) for flow in ours} == {ROLE["ROLE_CLIENT"]}
    assert {int(flow["socket"]["role"]) for flow in theirs} == {ROLE["ROLE_SERVER"]}
    assert {int(flow["socket"]["owner"]["tgid"]) for flow in (*ours, *theirs)} == {os.getpid()}
    assert {int(flow["socket"]["netns"]) for flow in ours} == {here.stat().st_ino}
    assert {int(flow["socket"]["netns"]) for flow in theirs} == {there.stat().st_ino}
    at_client = {
        (address(flow["socket"]["local_address"]), int(flow["socket"]["local_port"])) for flow in ours
    }
    at_server = {
        (address(flow["socket"]["peer_address"]), int(flow["socket"]["peer_port"])) for flow in theirs
    }
    assert at_client == at_server


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_full_buffer_drops_what_the_kernel_counts(flows: Flows, made: Sockets, host: str) -> None:
    """As /proc/net/udp has it; the rest is what the program gets."""
    server = made.make(SIX if ":" in host else FOUR)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 100_000)
    server.bind((host, 0))
    client = made.make(SIX if ":" in host else FOUR)
    for _ in range(1000):
        client.sendto(bytes(1000), server.getsockname()[:2])
    assert reached(flows, [server], 1000)
    (flow,) = flows.of(server)
    got = received(server)
    dropped, dropped_bytes, came = total([flow], "dropped_datagrams", "dropped_bytes", "rx_datagrams")
    assert (came, came - dropped, dropped_bytes) == (1000, got.datagrams, dropped * 1000)
    lines = Path("/proc/net/udp6" if ":" in host else "/proc/net/udp").read_text().splitlines()
    (told,) = (line.split()[-1] for line in lines if f":{server.getsockname()[1]:04X} " in line[:60])
    assert dropped == int(told)


def test_what_is_peeked_at_counts_once(flows: Flows, made: Sockets) -> None:
    """Datagrams are counted as they come, not as they are read."""
    server, client = made.server(), made.make()
    client.sendto(b"x" * 77, server.getsockname())
    server.recv(100, socket.MSG_PEEK)
    server.recv(100)
    assert total(flows.of(server), "rx_datagrams", "rx_bytes") == (1, 77)


def test_threads_of_one_socket_are_counted_together(flows: Flows, made: Sockets) -> None:
    """No count is lost where several processors count at once."""
    server, client = made.server(), made.make()
    client.connect(server.getsockname())

    def work() -> None:
        for _ in range(5000):
            client.send(b"t" * 9)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total(flows.of(client), "tx_datagrams", "tx_bytes") == (20000, 180000)
    assert len(flows.of(client)) == 1


def test_the_first_datagrams_of_a_socket_may_be_sent_at_once(flows: Flows, made: Sockets) -> None:
    """By two processes that have the same sockets, and send on each as soon as the other is there, too."""
    server = made.server()
    clients = [made.make() for _ in range(800)]
    for client in clients:
        client.connect(server.getsockname())
    with mmap.mmap(-1, 16) as shared, memoryview(shared).cast("Q") as at:

        def work(mine: int) -> None:
            for number, client in enumerate(clients, 1):
                at[mine] = number
                while at[1 - mine] < number:
                    pass
                client.send(b"first")

        other = os.fork()
        if not other:
            try:
                work(1)
            finally:
                os._exit(0)
        work(0)
        os.waitpid(other, 0)
    assert total(flows.of(*clients), "tx_datagrams", "tx_bytes") == (1600, 8000)
    assert len(flows.of(*clients)) == 800


def test_the_first_reply_is_timed(flows: Flows, made: Sockets) -> None:
    """From the client's first datagram on; later ones do not change it."""
    server, client = made.server(), made.make()
    for _ in range(2):
        client.sendto(b"question", server.getsockname())
        _, peer = server.recvfrom(100)
        server.sendto(b"answer", peer)
        client.recv(100)
    (flow,) = flows.of(client)
    begin, reply = int(flow["socket"]["started_ns"]), int(flow["counters"]["first_reply_ns"])
    assert 0 < reply - begin < 5_000_000_000
    assert total([flow], "tx_bytes", "rx_bytes", "rx_datagrams") == (16, 12, 2)
    (theirs,) = flows.of(server)
    assert int(theirs["counters"]["first_reply_ns"]) == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("connected", [True, False])
def test_an_error_of_the_network_is_of_its_flow(
    flows: Flows, made: Sockets, host: str, connected: bool
) -> None:
    """A port on which nobody listens answers with ICMP: once for each datagram."""
    family = SIX if ":" in host else FOUR
    closed = made.make(family)
    closed.bind((host, 0))
    to = closed.getsockname()[:2]
    closed.close()
    client = made.make(family)
    if connected:
        client.connect(to)
    else:
        level, option = (socket.IPPROTO_IPV6, 25) if family == SIX else (socket.IPPROTO_IP, 11)
        client.setsockopt(level, option, 1)  # IPV6_RECVERR, IP_RECVERR
    for _ in range(3):
        client.send(b"x") if connected else client.sendto(b"x", to)
        with pytest.raises(ConnectionRefusedError):
            client.recv(100)
        if not connected:
            client.recvmsg(100, 1000, socket.MSG_ERRQUEUE)
    (flow,) = flows.of(client)
    assert total([flow], "errors", "error") == (3, 111)


def test_groups_and_broadcasts_are_named(flows: Flows, made: Sockets, network: NatNetwork) -> None:
    """By the address that they are sent to, at both ends."""
    first, last = ADDRESSES[4][0], ADDRESSES[4][0].rsplit(".", 1)[0] + ".255"
    server = made.server("0.0.0.0", network.path(SERVER))
    group, near = "224.0.0.251", network.path(CLIENT)
    joined = made.server("0.0.0.0", near)
    membership = socket.inet_aton(group) + socket.inet_aton(first)
    joined.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    client = made.make(FOUR, near)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    client.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(first))
    client.sendto(b"group", (group, joined.getsockname()[1]))
    assert joined.recv(100) == b"group"
    client.sendto(b"all", (last, 9))
    client.sendto(b"one", (ADDRESSES[4][3], server.getsockname()[1]))
    assert server.recv(100) == b"one"
    casts = {address(flow["socket"]["peer_address"]): int(flow["cast"]) for flow in flows.of(client)}
    assert casts == {
        group: CAST["CAST_MULTICAST"],
        last: CAST["CAST_BROADCAST"],
        ADDRESSES[4][3]: CAST["CAST_UNICAST"],
    }
    (theirs,) = flows.of(joined)
    assert (int(theirs["cast"]), address(theirs["socket"]["local_address"])) == (
        CAST["CAST_MULTICAST"],
        group,
    )


@pytest.mark.parametrize(
    ("datagram", "application"),
    [
        (bytes([0xC3, 0, 0, 0, 1, 8]) + bytes(1194), "APPLICATION_QUIC"),
        (bytes([0xD3, 0x6B, 0x33, 0x43, 0xCF, 8]) + bytes(1194), "APPLICATION_QUIC"),
        (bytes([0xC3, 0x1A, 0x2A, 0x3A, 0x4A, 8]) + bytes(1194), "APPLICATION_QUIC"),
        (bytes([0x43, 0, 0, 0, 1, 8]) + bytes(1194), "APPLICATION_UNKNOWN"),
        (bytes([0xC3, 0, 0, 0, 1, 21]) + bytes(1194), "APPLICATION_UNKNOWN"),
        (bytes([0xC3, 9, 9, 9, 9, 8]) + bytes(1194), "APPLICATION_UNKNOWN"),
        (b"\x80", "APPLICATION_UNKNOWN"),
    ],
    ids=["version 1", "version 2", "a version that is none", "short", "long id", "no version", "too little"],
)
def test_quic_is_told_by_its_packets(flows: Flows, made: Sockets, datagram: bytes, application: str) -> None:
    """Whatever the port."""
    server, client = made.server(), made.make()
    client.sendto(datagram, server.getsockname())
    found = {int(flow["application"]) for flow in flows.of(server, client)}
    assert found == {APPLICATION[application]}


def test_who_binds_owns_what_comes_until_somebody_sends(flows: Flows, made: Sockets) -> None:
    """The evidence says which of the two it is."""
    server, client = made.server(), made.make()
    client.sendto(b"x", server.getsockname())
    (bound,) = flows.of(server)
    assert int(bound["socket"]["evidence"]) == EVIDENCE["EVIDENCE_LISTENER"]
    reader, writer = os.pipe()
    if not (child := os.fork()):
        server.sendto(b"y", client.getsockname())
        os.write(writer, b"x")
        os._exit(0)
    assert os.read(reader, 1) == b"x"
    os.waitpid(child, 0)
    (sent,) = flows.of(server)
    assert int(sent["socket"]["owner"]["tgid"]) == child
    assert int(sent["socket"]["evidence"]) == EVIDENCE["EVIDENCE_USED"]


def test_what_is_told_is_told_once(flows: Flows, made: Sockets) -> None:
    """A flow that counted nothing since the last second is not told again."""
    server, client = made.server(), made.make()
    client.sendto(b"x", server.getsockname())
    assert len(flows.of(server, client)) == 2
    assert flows._probe.datagrams
    again = flows._probe.datagrams.read()
    ports = np.array([server.getsockname()[1], client.getsockname()[1]])
    assert not np.isin(again["socket"]["local_port"], ports).any()
