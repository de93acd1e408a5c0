"""Each kind of drop: how often, where and why, against the counters of iptables and of the kernel."""

import os
import socket
from typing import Final

import pytest

from probes.kernel.headers import version_numbers
from tests.kernel.drops.bed import (
    CLIENT_ADDRESS,
    SERVER_ADDRESS,
    SETTLE_SECONDS,
    Row,
    Watched,
    datagram,
    inject,
    opened,
    refused,
    send,
    syn,
)
from tests.kernel.loopback import until
from tests.kernel.nat_network import ADDRESSES, CLIENT, ROUTER, SERVER

pytestmark = pytest.mark.kernel

#: Before, rules of nftables drop where those of xtables do.
TELLS_BACKENDS: Final = version_numbers(os.uname().release) >= (6, 7, 0)


@pytest.mark.parametrize(
    ("tool", "role", "chain", "port"),
    [
        ("iptables", SERVER, "INPUT", 2001),
        ("iptables", ROUTER, "FORWARD", 2002),
        ("iptables", CLIENT, "OUTPUT", 2003),
        ("iptables", SERVER, "raw/PREROUTING", 2004),
        ("iptables-legacy", ROUTER, "FORWARD", 2005),
        ("ip6tables", SERVER, "INPUT", 2006),
        ("ip6tables", ROUTER, "FORWARD", 2007),
    ],
)
def test_what_rules_drop_is_what_they_count(
    dropping: Watched, tool: str, role: str, chain: str, port: int
) -> None:
    address = ADDRESSES[6 if tool == "ip6tables" else 4][3]
    with dropping.rules(role, tool, chain, port) as dropped:
        caller, outcome = refused(dropping.network, address, port)
        sender = send(dropping.network, address, port, 5)
        said = {"destination__port": port, "netns__id": dropping.network.inode(role)}
        count = dropping.comes_to(dropped(), **said)
        assert count == dropped()
    assert count >= 6
    assert outcome == "TimeoutError"
    assert dropping.count(source__port=sender, network__transport="udp", **said) == 5
    (tcp, *_) = dropping.drops(source__port=caller, network__transport="tcp", **said)
    hook = chain.rpartition("/")[2]
    assert (tcp["drop.category"], tcp["drop.reason"], tcp["netfilter.hook"]) == (
        "netfilter",
        "NETFILTER_DROP",
        hook,
    )
    backend = "xtables" if tool == "iptables-legacy" else "nftables"
    assert tcp.get("netfilter.backend") == (backend if TELLS_BACKENDS else None)
    assert tcp["network.io.direction"] == ("transmit" if role == CLIENT else "receive")
    assert tcp["tcp.flags"] == 2
    assert tcp["evidence"] == "whole"


@pytest.mark.parametrize("family", [4, 6])
def test_ports_on_which_nobody_listens(dropping: Watched, family: int) -> None:
    address, counter = ADDRESSES[family][3], {4: "UdpNoPorts", 6: "Udp6NoPorts"}[family]
    before = dropping.counters(SERVER, counter)
    caller, _ = refused(dropping.network, address, 2100 + family)
    send(dropping.network, address, 2110 + family, 3)
    datagrams = dropping.counters(SERVER, counter) - before
    assert datagrams == 3
    assert dropping.comes_to(3, destination__port=2110 + family) == datagrams
    assert dropping.comes_to(1, destination__port=2100 + family, source__port=caller) == 1
    rows = [row for port in (2100, 2110) for row in dropping.drops(destination__port=port + family)]
    assert {row["drop.category"] for row in rows} == {"no_socket"}
    assert {row["netns.id"] for row in rows} == {dropping.network.inode(SERVER)}


def test_datagrams_for_which_a_socket_has_no_room(dropping: Watched) -> None:
    before = dropping.counters(SERVER, "UdpRcvbufErrors")
    with opened(dropping.network, SERVER, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4000)
        receiver.bind(("0.0.0.0", 2201))
        send(dropping.network, SERVER_ADDRESS, 2201, 30, 1000)
        lost = dropping.counters(SERVER, "UdpRcvbufErrors") - before
    assert lost > 10
    assert dropping.comes_to(lost, destination__port=2201, drop__category="receive_buffer") == lost


@pytest.mark.parametrize("protocol", [socket.IPPROTO_TCP, socket.IPPROTO_UDP])
def test_checksums_that_are_wrong(dropping: Watched, protocol: int) -> None:
    port, made = {6: (2301, syn), 17: (2302, datagram)}[protocol]
    with opened(
        dropping.network, SERVER, socket.SOCK_DGRAM if protocol == 17 else socket.SOCK_STREAM
    ) as there:
        there.bind(("0.0.0.0", port))
        if protocol == 6:
            there.listen()
        inject(dropping.network, made(CLIENT_ADDRESS, SERVER_ADDRESS, port, broken=True), protocol)
        assert dropping.comes_to(1, destination__port=port, drop__category="checksum") == 1


def test_ways_that_lead_nowhere(dropping: Watched) -> None:
    network = dropping.network
    refused(network, "10.99.0.1", 2401)
    inject(network, syn(CLIENT_ADDRESS, SERVER_ADDRESS, 2402), 6, ttl=1)
    network.run(ROUTER, "sysctl -qw net.ipv4.conf.all.rp_filter=1")
    inject(network, syn("10.55.0.1", SERVER_ADDRESS, 2403), 6, source="10.55.0.1")
    network.run(ROUTER, "sysctl -qw net.ipv4.conf.all.rp_filter=0")
    assert dropping.comes_to(1, destination__port=2401, drop__category="no_route") == 1
    assert dropping.comes_to(1, destination__port=2402, drop__category="ttl") == 1
    assert dropping.comes_to(1, destination__port=2403, drop__category="reverse_path") == 1


def test_a_neighbour_that_does_not_answer(dropping: Watched) -> None:
    """That of IPv6 is told by the place, also when it is the first drop there."""
    nobody = ADDRESSES[6][0].rsplit(":", 1)[0] + ":77"
    sender = send(dropping.network, nobody, 2502)
    port, _ = refused(dropping.network, "10.77.1.77", 2501, 4.5)
    assert dropping.comes_to(1, destination__port=2501, source__port=port) >= 1
    assert dropping.comes_to(1, destination__port=2502, source__port=sender) == 1
    for port in (2501, 2502):
        rows = dropping.drops(destination__port=port)
        assert {row["drop.category"] for row in rows} == {"neighbour"}


def test_a_rule_behind_dnat_is_told_with_what_the_client_called(dropping: Watched) -> None:
    network, called = dropping.network, "10.77.2.50"
    nat = f"-d {called} -p tcp --dport 80 -j DNAT --to {SERVER_ADDRESS}:2601"
    network.run(ROUTER, f"iptables -w -t nat -A PREROUTING {nat}")
    with dropping.rules(ROUTER, "iptables", "FORWARD", 2601) as dropped:
        port, _ = refused(network, called, 80)
        count = dropping.comes_to(dropped(), destination__port=2601)
        assert count == dropped() >= 1
    network.run(ROUTER, f"iptables -w -t nat -D PREROUTING {nat}")
    (row, *_) = dropping.drops(destination__port=2601, source__port=port)
    assert row["destination.address"] == SERVER_ADDRESS
    assert (row["connection.destination.address"], row["connection.destination.port"]) == (called, 80)
    assert (row["connection.source.address"], row["connection.source.port"]) == (CLIENT_ADDRESS, port)


def test_the_row_of_a_connect_that_failed_says_why(dropping: Watched) -> None:
    """The rule is in another namespace than the client."""
    network = dropping.network
    with dropping.rules(ROUTER, "iptables", "FORWARD", 2701) as dropped:
        port, outcome = refused(network, SERVER_ADDRESS, 2701, 2.5)
        count = dropped()
    assert outcome == "TimeoutError"
    assert count >= 2

    def failed() -> list[Row]:
        return [
            row
            for row in dropping.told("flow")
            if row["client.port"] == port and row["server.port"] == 2701 and row.get("connection.failed")
        ]

    assert until(lambda: bool(failed()), SETTLE_SECONDS)
    (row,) = failed()
    assert row["drop.category"] == "netfilter"
    assert row["drop.message"].startswith(f"dropped by netfilter in namespace {network.inode(ROUTER)} of ")
    assert row["drop.message"].endswith(", hook FORWARD")
    assert dropping.comes_to(count, destination__port=2701, source__port=port) == count
    flows = [each for each in dropping.told("flow") if each["client.port"] == port]
    assert sum(each.get("dropped_segments", 0) for each in flows) == count
    (drop, *_) = dropping.drops(destination__port=2701, source__port=port)
    assert drop["connection.id"] == row["connection.id"]
