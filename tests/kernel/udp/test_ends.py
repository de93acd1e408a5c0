"""How flows end, what an end tells, and that slots are used again."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from model.clock import SECOND_NS
from probes.kernel.bpf.syscall import Command, attributes, call
from probes.kernel.namespaces import ChosenNamespaces
from probes.udp.feed import LOOK_EVERY, UdpFeed
from tests.kernel.loopback import until
from tests.kernel.nat_network import ADDRESSES, CLIENT, ROUTER, SERVER, NatNetwork
from tests.kernel.objects import held_by, still_there
from tests.kernel.started import Probes
from tests.kernel.udp.datagrams import (
    END,
    EVIDENCE,
    FOLD,
    FOUR,
    HASTY,
    IDLE,
    ROLE,
    SIX,
    Flows,
    Sockets,
    address,
    total,
)

pytestmark = pytest.mark.kernel

CHURN: Final = 90_000
VIRTUAL: Final = "10.96.0.10"


def places(ends: list[np.void]) -> set[tuple[int, int]]:
    """Slots and generations."""
    return {(int(end["header"]["slot"]), int(end["header"]["generation"])) for end in ends}


def test_a_closed_socket_tells_all_of_its_flow_at_once(flows: Flows, made: Sockets) -> None:
    """One event has counters, tuple and owner; nothing of the flow comes after it."""
    server, client = made.server(), made.make()
    client.sendto(b"x" * 40, server.getsockname())
    port = client.getsockname()[1]
    client.close()
    (end,) = flows.await_ends(1, port)
    assert int(end["end"]) == END["UDP_CLOSED"]
    assert total([end], "tx_datagrams", "tx_bytes") == (1, 40)
    assert int(end["socket"]["peer_port"]) == server.getsockname()[1]
    assert int(end["socket"]["owner"]["tgid"]) == os.getpid()
    flows.refresh()
    assert len(flows.await_ends(1, port)) == 1


def test_a_socket_with_several_flows_ends_all_of_them(flows: Flows, made: Sockets) -> None:
    """Also those beside its last one."""
    servers, client = [made.server() for _ in range(5)], made.make()
    for server in servers:
        client.sendto(b"x", server.getsockname())
    port = client.getsockname()[1]
    assert len(flows.of(client)) == 5
    client.close()
    ends = flows.await_ends(5, port)
    assert {int(end["end"]) for end in ends} == {END["UDP_CLOSED"]}
    assert {int(end["socket"]["peer_port"]) for end in ends} == {one.getsockname()[1] for one in servers}
    assert len(places(ends)) == 5


def test_totals_are_exact_when_very_many_sockets_pass(probe: Probes, flows: Flows, made: Sockets) -> None:
    """Each sends one datagram and is closed: there are far fewer slots, and no datagram is without one."""
    assert probe.datagrams
    before = probe.datagrams.tallies()
    server = made.server()
    to = server.getsockname()
    sent = ended = ended_bytes = 0
    for number in range(CHURN):
        with socket.socket(FOUR, socket.SOCK_DGRAM) as client:
            client.connect(to)
            client.send(b"q" * 40)
        sent += 1
        if number % 2000 == 1999:
            flows.refresh()
    flows.refresh()
    mine = [end for end in flows.ends if int(end["socket"]["peer_port"]) == to[1]]
    ended, ended_bytes = total(mine, "tx_datagrams", "tx_bytes")
    assert (len(mine), ended, ended_bytes) == (CHURN, sent, 40 * sent)
    theirs = flows.of(server)
    assert total(theirs, "rx_datagrams", "rx_bytes") == (CHURN, 40 * CHURN)
    assert sum(int(flow["folded"]) != FOLD["FOLD_NONE"] for flow in theirs) >= 1
    after = probe.datagrams.tallies()
    assert after["no_slot"] == before["no_slot"]
    assert probe.ring_counts()["ring"][1] == 0


def test_flows_end_when_they_rest(hasty: Probes, made: Sockets) -> None:
    """A single exchange ends first, then one without an answer, then any other; the next datagram is a new flow's."""
    flows = Flows(hasty)
    server = made.server()
    exchange, unanswered, both = made.make(), made.make(), made.make()
    for client, times in ((exchange, 1), (both, 4)):
        for _ in range(times):
            client.sendto(b"q", server.getsockname())
            _, peer = server.recvfrom(10)
            server.sendto(b"a", peer)
            client.recv(10)
    unanswered.sendto(b"q", ("127.0.0.1", 9))
    for client, seconds in ((exchange, IDLE.answered), (unanswered, IDLE.unanswered), (both, IDLE.both)):
        (end,) = flows.await_ends(1, client.getsockname()[1])
        assert int(end["end"]) == END["UDP_IDLE"]
        assert int(end["header"]["at_ns"]) - int(end["counters"]["last_ns"]) > seconds * SECOND_NS
    exchange.sendto(b"again", server.getsockname())
    assert total(flows.of(exchange), "tx_bytes") == (6,)
    assert len(flows.of(exchange)) == 2


def test_datagrams_without_a_slot_are_counted(hasty: Probes, made: Sockets) -> None:
    """Each of them, and its payload; what has a slot goes on."""
    assert hasty.datagrams
    flows = Flows(hasty)
    known = made.make()
    server = made.server()
    known.sendto(b"x", server.getsockname())
    before = hasty.datagrams.tallies()
    many = [made.make() for _ in range(80)]
    for one in many:
        one.sendto(b"y" * 10, ("127.0.0.1", 9))
    counted = hasty.datagrams.tallies()
    lost = counted["no_slot"] - before["no_slot"]
    assert lost > 0
    assert counted["no_slot_bytes"] - before["no_slot_bytes"] == 10 * lost
    assert len(flows.of(*many)) + lost == 80
    known.sendto(b"x", server.getsockname())
    assert total(flows.of(known), "tx_datagrams") == (2,)


def test_sockets_of_before_the_start_have_owner_and_role(made: Sockets) -> None:
    """A port that its program chose is a server's, whoever seems to send first; one that begins late is whole."""
    free = made.server()
    port = free.getsockname()[1]
    free.close()
    server, client = made.server(port=port), made.make()
    client.connect(("127.0.0.1", port))
    six, server_of_six = made.make(SIX), made.server("::1")
    six.connect(("::1", 9))
    started = Probes(nat="off", udp=HASTY)
    try:
        started.start()
        flows = Flows(started)
        server.sendto(b"x", client.getsockname())
        six.send(b"x")
        (at_server,), (at_client,), (at_six,) = flows.of(server), flows.of(client), flows.of(six)
        time.sleep(IDLE.both)  # what began before the start has rested for so long, or shown itself
        made.make(SIX).sendto(b"y", server_of_six.getsockname()[:2])
        (late,) = flows.of(server_of_six)
    finally:
        started.close()
    assert (int(late["socket"]["role"]), int(late["socket"]["flags"]) & 1) == (ROLE["ROLE_SERVER"], 0)
    assert int(late["socket"]["evidence"]) == EVIDENCE["EVIDENCE_ADOPTED"]
    assert int(at_server["socket"]["role"]) == ROLE["ROLE_SERVER"]
    assert int(at_client["socket"]["role"]) == ROLE["ROLE_CLIENT"]
    assert int(at_client["socket"]["owner"]["tgid"]) == os.getpid()
    assert int(at_client["socket"]["evidence"]) == EVIDENCE["EVIDENCE_ADOPTED"]
    assert {int(flow["socket"]["flags"]) & 1 for flow in (at_server, at_client, at_six)} == {1}


def exchange(client: socket.socket, server: socket.socket, to: tuple[str, int], times: int) -> None:
    """Questions to an address, answered to whoever they come from."""
    for _ in range(times):
        client.sendto(b"abc", to)
        data, peer = server.recvfrom(100)
        server.sendto(data * 2, peer)
        assert client.recvfrom(100)[1] == to


@pytest.mark.parametrize("where", [CLIENT, ROUTER])
def test_nat_leaves_one_flow_at_each_end(
    flows: Flows, made: Sockets, network: NatNetwork, where: str
) -> None:
    """In the caller's own namespace, too, where datagrams leave with another address than they come back with."""
    hook, virtual = ("OUTPUT", VIRTUAL) if where == CLIENT else ("PREROUTING", "10.96.0.20")
    target = f"{ADDRESSES[4][3]}"
    network.run(where, f"iptables -t nat -A {hook} -d {virtual} -p udp -j DNAT --to-destination {target}")
    network.run(ROUTER, "iptables -t nat -A POSTROUTING -o to-server -j MASQUERADE")
    server = made.server("0.0.0.0", network.path(SERVER))
    client = made.make(FOUR, network.path(CLIENT))
    exchange(client, server, (virtual, server.getsockname()[1]), 3)
    (ours,), (theirs,) = flows.of(client), flows.of(server)
    assert total([ours], "tx_datagrams", "tx_bytes", "rx_datagrams", "rx_bytes") == (3, 9, 3, 18)
    assert total([theirs], "tx_datagrams", "tx_bytes", "rx_datagrams", "rx_bytes") == (3, 18, 3, 9)
    assert address(ours["socket"]["peer_address"]) == virtual
    assert address(ours["wire_address"]) == (target if where == CLIENT else virtual)
    assert address(theirs["socket"]["peer_address"]) == ADDRESSES[4][2]


def test_another_peer_behind_nat_is_another_flow(flows: Flows, made: Sockets, network: NatNetwork) -> None:
    """The first one ends as moved: its bytes went elsewhere."""
    virtual, rule = "10.96.0.30", "-t nat {} OUTPUT -d 10.96.0.30 -p udp -j DNAT --to-destination {}"
    servers = [
        made.server(at, network.path(role), 5999)
        for at, role in ((ADDRESSES[4][3], SERVER), (ADDRESSES[4][1], ROUTER))
    ]
    client = made.make(FOUR, network.path(CLIENT))
    client.bind(("0.0.0.0", 0))
    for server in servers:
        at = server.getsockname()[0]
        network.run(CLIENT, "iptables " + rule.format("-I", at))
        client.sendto(b"x", (virtual, 5999))
        assert server.recv(10) == b"x"
        network.run(CLIENT, "conntrack -D -p udp", check=False)
    (moved,) = flows.await_ends(1, client.getsockname()[1])
    assert int(moved["end"]) == END["UDP_MOVED"]
    wires = {address(flow["wire_address"]) for flow in flows.of(client)}
    assert wires == {ADDRESSES[4][3], ADDRESSES[4][1]}


def test_hooks_that_somebody_else_detaches_are_noticed(caplog: pytest.LogCaptureFixture) -> None:
    """As agents do that take cgroups for their own: the ledger has it, and a warning says what to do."""
    started = Probes(nat="off", udp=HASTY)
    try:
        started.start()
        feed = UdpFeed(ChosenNamespaces())
        feed.cells = started.datagrams
        feed.notice(np.zeros(0, np.uint32))
        feed.events()
        assert "lost_hooks" not in feed.stage.noted
        links = {hook.target: link for one in started.loaded.attached for hook, link in one.links.items()}
        call(Command.LINK_DETACH, attributes("I", links["inet_egress"]))
        for _ in range(LOOK_EVERY):
            feed.notice(np.zeros(0, np.uint32))
            feed.events()
    finally:
        started.close()
    assert feed.stage.noted["lost_hooks"] == 1
    assert "another program has detached ours at cgroup inet_egress" in caplog.text


HOLDER: Final = """
import sys
from tests.kernel.started import Probes
from tests.kernel.udp.datagrams import HASTY
probe = Probes(nat="off", udp=HASTY)
probe.start()
print("ready", flush=True)
sys.stdin.read()
"""


def test_nothing_is_left_when_the_process_is_killed() -> None:
    """Neither programs nor links at the root of cgroups, nor maps."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert holder.stdout
    assert holder.stdout.readline() == "ready\n"
    objects = held_by(holder.pid)
    assert objects
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert until(lambda: not any(still_there(objects).values()))
