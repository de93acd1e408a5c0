"""NAT rewrites by ctnetlink, on the real kernel: known rules, known ports, and what `conntrack -L` lists."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import Config
from probes.conntrack.ctnetlink import Reader
from probes.conntrack.feed import AGAIN_NS, Conntrack
from probes.conntrack.probe import CONNTRACK, TIMED
from probes.conntrack.socket import EVENTS, open_listener
from probes.kernel.bulk_receiver import BulkReceiver
from probes.kernel.headers import find_headers
from probes.kernel.loader import Loaded, load
from probes.kernel.probe import SHARED
from probes.selection import Selection
from probes.sources import source_text
from tests.declared import KIND
from tests.kernel.nat_network import (
    ADDRESSES,
    CLIENT,
    ROUTER,
    SERVER,
    NatNetwork,
    Rewrite,
    nat_network,
)
from tests.kernel.reported_entries import NOWHERE, Reported, rewrite_in

pytestmark = pytest.mark.kernel

HERE, GATE, FAR_GATE, THERE = range(4)


@pytest.fixture(scope="module")
def network() -> Iterator[NatNetwork]:
    with nat_network() as built:
        yield built


@pytest.fixture
def router(network: NatNetwork) -> Iterator[NatNetwork]:
    """The network without rules and entries."""
    clear(network)
    yield network
    clear(network)


def clear(network: NatNetwork) -> None:
    for role in (CLIENT, ROUTER):
        for tool in ("iptables-legacy", "ip6tables-legacy"):
            network.run(role, f"{tool} -t nat -F")
        network.run(role, "nft flush ruleset")
        network.run(role, "conntrack -F", check=False)


class Hand:
    """A monotonic clock that the test puts forward."""

    def __init__(self) -> None:
        self.ahead_ns = 0

    def __call__(self) -> int:
        return time.monotonic_ns() + self.ahead_ns


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def reported(router: NatNetwork, hand: Hand) -> Iterator[Reported]:
    """A source at work on the test's namespaces only."""
    source = Conntrack(patterns=[f"{router.prefix}*"], monotonic=hand)
    source.start()
    reported = Reported(source)
    reported.drain()
    yield reported
    source.close()


def rules(name: str, kind: str, family: int, network: NatNetwork) -> None:
    """Puts the rules of a case into the router."""
    here, gate, far, there = ADDRESSES[family]
    there = f"[{there}]" if family == 6 else there
    tables = "iptables-legacy" if family == 4 else "ip6tables-legacy"
    target = {
        "dnat": [f"PREROUTING -p {kind} -d {gate} --dport 80 -j DNAT --to-destination {there}:8080"],
        "snat": [
            f"POSTROUTING -p {kind} -s {here} -j SNAT --to-source {far if family == 4 else f'[{far}]'}:41000"
        ],
        "masquerade": [f"POSTROUTING -p {kind} -s {here} -j MASQUERADE --to-ports 42000"],
        "redirect": [f"PREROUTING -p {kind} -d {gate} --dport 80 -j REDIRECT --to-ports 8080"],
    }
    target["both"] = target["dnat"] + target["masquerade"]
    for rule in target[name]:
        network.run(ROUTER, f"{tables} -t nat -A {rule}")


def expected(name: str, kind: str, family: int, port: int) -> Rewrite:
    """What these rules make of a call from ``port``."""
    here, gate, far, there = ADDRESSES[family]
    called = (there, 8080) if name in ("snat", "masquerade") else (gate, 80)
    answers = (gate, 8080) if name == "redirect" else (there, 8080)
    to = {"snat": (far, 41000), "masquerade": (far, 42000), "both": (far, 42000)}.get(name, (here, port))
    return kind, (here, called[0], port, called[1]), (answers[0], to[0], answers[1], to[1])


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("kind", ["tcp", "udp"])
@pytest.mark.parametrize("name", ["dnat", "snat", "masquerade", "redirect", "both"])
def test_a_rewrite_is_told_as_the_rule_makes_it(
    router: NatNetwork, reported: Reported, name: str, kind: str, family: int
) -> None:
    """One event at its beginning with both tuples, namespace and the time of the look before, and one at its end."""
    rules(name, kind, family, router)
    role, at = (ROUTER, GATE) if name == "redirect" else (SERVER, THERE)
    _, (_, called, _, to), _ = expected(name, kind, family, 0)
    looked = time.monotonic_ns()
    reported.drain()
    before = time.monotonic_ns()
    with router.listen(role, kind, ADDRESSES[family][at], 8080):
        port = router.call(CLIENT, kind, called, to)
    assert reported.until(lambda: len(reported.events) > 0)
    rewrite = expected(name, kind, family, port)
    assert reported.rewrites == {rewrite} == router.rewrites(ROUTER)
    (event,) = reported.events
    assert event["header"]["kind"] == KIND["KIND_NAT_NEW"]
    assert looked <= event["header"]["at_ns"] <= before
    assert (event["header"]["slot"], event["netns"]) == (0xFFFFFFFF, router.inode(ROUTER))
    assert (event["family"], event["zone"]) == (family, 0)
    router.run(ROUTER, "conntrack -F")
    assert reported.until(lambda: len(reported.events) == 2)
    assert rewrite_in(reported.events[1]) == rewrite
    assert reported.events[1]["header"]["kind"] == KIND["KIND_NAT_DELETED"]
    assert before < reported.events[1]["header"]["at_ns"] <= time.monotonic_ns()


def test_nftables_and_zones_are_told(router: NatNetwork, reported: Reported) -> None:
    """Rules of nftables are seen as those of iptables are, and the zone of an entry is in its event."""
    gate, there = ADDRESSES[4][GATE], ADDRESSES[4][THERE]
    for command in (
        "add table ip t",
        "add chain ip t raw { type filter hook prerouting priority raw ; }",
        "add rule ip t raw iifname to-client ct zone set 7",
        "add rule ip t raw iifname to-server ct zone set 7",
        "add chain ip t pre { type nat hook prerouting priority dstnat ; }",
        f"add rule ip t pre ip daddr {gate} udp dport 53 dnat to {there}:5353",
    ):
        router.run(ROUTER, f"nft {command}")
    port = router.call(CLIENT, "udp", gate, 53)
    assert reported.until(lambda: len(reported.events) > 0)
    here = ADDRESSES[4][HERE]
    assert reported.rewrites == {("udp", (here, gate, port, 53), (there, here, 5353, port))}
    assert reported.events["zone"].tolist() == [7]


def test_entries_that_rewrite_nothing_never_reach_us(router: NatNetwork, reported: Reported) -> None:
    """The kernel drops them, and rewritten ones of other protocols too: nothing waits on the socket."""
    rules("masquerade", "udp", 4, router)
    address = ADDRESSES[4][THERE]
    router.run(ROUTER, "iptables-legacy -t nat -A POSTROUTING -p icmp -j MASQUERADE")
    listener, receiver, without = open_listener(1 << 20), BulkReceiver(), open_listener(1 << 20, udp=False)
    with listener, without, router.listen(SERVER, "tcp", address, 8080):
        for _ in range(5):
            router.call(CLIENT, "tcp", address, 8080)
        router.run(CLIENT, f"ping -c 1 -W 1 {address}", check=False)
        port = router.call(CLIENT, "udp", address, 8080)
        waiting = 0
        ours = reported.source._known._inodes  # type: ignore[union-attr]
        while received := receiver.receive(listener.fileno()):
            numbers = received.namespaces.tolist()
            waiting += sum(ours.get(number) == router.inode(ROUTER) for number in numbers)
        while received := receiver.receive(without.fileno()):
            assert router.inode(ROUTER) not in map(ours.get, received.namespaces.tolist())
    assert len(router.run(ROUTER, "conntrack -L").splitlines()) >= 6
    assert waiting == 1
    assert reported.until(lambda: len(reported.events) > 0)
    assert reported.rewrites == {expected("masquerade", "udp", 4, port)}


def load_timed() -> Loaded:
    """The filter that tells times, without the other probes: UDP is off."""
    headers, few = find_headers(), (SHARED, CONNTRACK)
    defines = {**Selection(Config(), few).defines, "RING_BYTES": 1 << 16, "WAKEUP_EVENTS": 1, "KERNEL_BTF": 1}
    return load(source_text(headers, few), headers=headers, defines=defines, maps=(), hooks=[TIMED])


def test_entries_of_udp_stay_in_the_kernel_where_nobody_wants_them(router: NatNetwork) -> None:
    """Also those that the program tells the time of: only the entry of TCP comes."""
    rules("masquerade", "udp", 4, router)
    rules("masquerade", "tcp", 4, router)
    source = Conntrack(patterns=[f"{router.prefix}*"], udp=False)
    program = load_timed()
    try:
        source.start()
        timed = open_listener(1 << 20, program.programs[TIMED.program])
        reported = Reported(source)
        reported.drain()
        with timed, router.listen(SERVER, "tcp", ADDRESSES[4][THERE], 8080):
            router.call(CLIENT, "udp", ADDRESSES[4][THERE], 8080)
            port = router.call(CLIENT, "tcp", ADDRESSES[4][THERE], 8080)
            received = BulkReceiver().receive(timed.fileno())
            assert received
            entries = Reader().read(received.messages, received.lengths)
        assert reported.until(lambda: len(reported.events) > 0)
    finally:
        source.close()
        program.close()
    assert set(entries.events["protocol"].tolist()) == {socket.IPPROTO_TCP}
    assert reported.rewrites == {expected("masquerade", "tcp", 4, port)}


def make_entries(network: NatNetwork, count: int) -> None:
    """So many rewritten ones, without an answer."""

    def called() -> None:
        for port in range(20000, 20000 + count):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
                caller.bind(("", port))
                caller.sendto(b"x", (ADDRESSES[4][GATE], 80))

    network.within(CLIENT, called)


def test_entries_of_before_the_start_are_told(router: NatNetwork) -> None:
    """Each once, without a time; those that rewrite nothing are not."""
    rules("dnat", "udp", 4, router)
    make_entries(router, 50)
    router.call(CLIENT, "udp", ADDRESSES[4][THERE], 9)
    source = Conntrack(patterns=[f"{router.prefix}*"])
    source.start()
    reported = Reported(source)
    try:
        reported.drain()
        assert len(reported.events) == 50
        assert reported.rewrites == router.rewrites(ROUTER)
        assert set(reported.events["header"]["at_ns"].tolist()) == {0}
        assert source.stage.noted["dumps"] == source.stage.noted["namespaces"] == 3
        assert (source.stage.received, source.stage.balanced) == (50, True)
    finally:
        source.close()


def test_what_the_start_promises_is_dumped_then(router: NatNetwork) -> None:
    """Entries of before are told by the first look; what is made after the start is none of them."""
    rules("dnat", "udp", 4, router)
    make_entries(router, 50)
    before = router.rewrites(ROUTER)
    source = Conntrack(patterns=[f"{router.prefix}*"], listen=False)
    source.start()
    source.begin()
    try:
        make_entries(router, 60)
        reported = Reported(source)
        reported.drain()
        assert (len(reported.events), reported.rewrites) == (50, before)
    finally:
        source.close()


def test_what_was_lost_is_made_up_for(router: NatNetwork) -> None:
    """With room for a few events of hundreds, a dump brings all entries that are there, and ends all others."""
    rules("dnat", "udp", 4, router)
    source = Conntrack(4096, [f"{router.prefix}*"])
    source.start()
    reported = Reported(source)
    try:
        reported.drain()
        make_entries(router, 300)
        reported.drain()
        assert source.stage.noted["overruns"] == 1
        assert reported.until(lambda: not source.behind)
        assert len(reported.rewrites) == 300
        assert reported.rewrites == router.rewrites(ROUTER)
        router.run(ROUTER, "conntrack -D -p udp --orig-port-src 20007")
        router.run(ROUTER, "conntrack -F")
        make_entries(router, 3)
        reported.drain()
        assert reported.until(lambda: not source.behind)
        assert source.stage.noted["overruns"] == 2
        assert len(reported.rewrites) == 3
        assert reported.rewrites == router.rewrites(ROUTER)
        assert source.stage.dropped.total() == 0
    finally:
        source.close()


def test_a_namespace_that_comes_later_is_found(router: NatNetwork, reported: Reported) -> None:
    """When the window is over, with what is in it; and what happens in it then is reported."""
    router.add("late")
    rule = "-p udp -d 127.0.0.1 --dport 53 -j REDIRECT --to-ports 5353"
    router.run("late", f"iptables-legacy -t nat -A OUTPUT {rule}")
    first = router.call("late", "udp", "127.0.0.1", 53)
    reported.drain()
    assert not len(reported.events)
    reported.source.notice(NOWHERE)
    reported.drain()
    second = router.call("late", "udp", "127.0.0.1", 53)
    assert reported.until(lambda: len(reported.events) >= 2)
    assert reported.events["original"]["source_port"].tolist() == [first, second]
    assert set(reported.events["netns"].tolist()) == {router.inode("late")}
    assert (reported.events["header"]["at_ns"] == 0).tolist() == [True, False]
    inode = router.inode("late")
    router.run(CLIENT, f"ip netns del {router.name('late')}")
    assert reported.until(lambda: len(reported.events) == 3)
    assert rewrite_in(reported.events[2])[0] == "all"
    assert reported.events[2]["netns"] == inode


@pytest.mark.parametrize("later", [0, 2])
def test_entries_whose_end_is_not_told_are_dumped_again(router: NatNetwork, hand: Hand, later: int) -> None:
    """Those made while the namespace made no events: a minute later, whether it makes them now or not."""

    def switch(mode: int) -> None:
        router.within(ROUTER, lambda: EVENTS.write_text(str(mode)))

    rules("dnat", "udp", 4, router)
    switch(0)
    source = Conntrack(patterns=[f"{router.prefix}*"], monotonic=hand)
    try:
        make_entries(router, 5)
        switch(later)
        source.start()
        reported = Reported(source)
        reported.drain()
        assert len(reported.rewrites) == 5
        router.run(ROUTER, "conntrack -D -p udp --orig-port-src 20001")
        reported.drain()
        assert len(reported.rewrites) == 5
        hand.ahead_ns += AGAIN_NS
        reported.drain()
        assert len(reported.rewrites) == 4
        assert reported.rewrites == router.rewrites(ROUTER)
        router.run(ROUTER, "conntrack -F")
        hand.ahead_ns += AGAIN_NS
        reported.drain()
        assert reported.rewrites == set()
        dumps = source.stage.noted["dumps"]
        hand.ahead_ns += AGAIN_NS
        reported.drain()
        assert source.stage.noted["dumps"] == dumps + (later == 0)
    finally:
        source.close()
        switch(2)


def test_only_the_namespaces_asked_for_are_told(router: NatNetwork) -> None:
    """Entries of others are neither dumped nor reported."""
    rules("dnat", "udp", 4, router)
    source = Conntrack(patterns=[router.name(CLIENT)])
    source.start()
    reported = Reported(source)
    try:
        reported.drain()
        router.run(
            CLIENT, "iptables-legacy -t nat -A OUTPUT -p udp --dport 53 -j DNAT --to-destination 10.77.1.1:80"
        )
        router.call(CLIENT, "udp", ADDRESSES[4][THERE], 53)
        assert reported.until(lambda: len(reported.events) > 0)
        assert len(router.rewrites(ROUTER)) == 1
        assert set(reported.events["netns"].tolist()) == {router.inode(CLIENT)}
        assert source.stage.noted["namespaces"] == 1
    finally:
        source.close()


def test_nothing_is_left_behind(router: NatNetwork) -> None:
    """All descriptors are closed, and this process is where it was."""
    descriptors = sorted(Path("/proc/self/fd").iterdir())
    here = Path("/proc/thread-self/ns/net").stat().st_ino
    source = Conntrack()
    source.start()
    source.events()
    source.catch_up()
    source.close()
    source.close()
    assert sorted(Path("/proc/self/fd").iterdir()) == descriptors
    assert Path("/proc/thread-self/ns/net").stat().st_ino == here
