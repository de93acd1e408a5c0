"""The TCP probe sees known connections exactly, also where tables are full."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from model.kinds.delta import NO_SLOT, Evidence, Role
from probes.attached import SHARED
from probes.kernel.layout import enums
from probes.tcp.sockets import Snapshot
from selftest.linux import TCP_INFO
from tests.declared import KIND
from tests.kernel.loopback import DEADLINE_SECONDS, Seen, connect, unanswered, until
from tests.kernel.started import Probes

pytestmark = pytest.mark.kernel

FLAGS = enums("tcp")["event_flag"]
Counters = Literal["auto", "sweep", "segment"]


@contextmanager
def started(slots: int = 1024, ring_bytes: int = 1 << 20, counters: Counters = "auto") -> Iterator[Probes]:
    """A probe from start to close."""
    probe = Probes(slots, ring_bytes, counters)
    probe.start()
    try:
        yield probe
    finally:
        probe.close()


@pytest.fixture(scope="module")
def probe() -> Iterator[Probes]:
    """A probe with room for all."""
    with started() as probe:
        yield probe


def mapped(address: str) -> bytes:
    """An IPv4 address as IPv4-mapped IPv6."""
    return b"\0" * 10 + b"\xff\xff" + socket.inet_aton(address)


def bytes_by_role(ends: np.ndarray) -> set[tuple[int, int, int]]:
    """(role, sent, received) of each end."""
    columns = ends["socket"]["role"], ends["counters"]["tx_bytes"], ends["counters"]["rx_bytes"]
    return set(zip(*(column.tolist() for column in columns), strict=True))


def test_both_ends_of_a_connection_are_reported(seen: Seen, listener: socket.socket) -> None:
    """Addresses, ports, owner, bytes and slots of both ends are right."""
    connection = connect(listener)
    client_port, server_port = connection.ports
    connection.exchange(1234, 56789)
    connection.close()
    ends = seen.await_ends(server_port, 2)
    sockets = ends["socket"]
    assert bytes_by_role(ends) == {(Role.CLIENT, 1234, 56789), (Role.SERVER, 56789, 1234)}
    assert set(zip(sockets["local_port"].tolist(), sockets["peer_port"].tolist(), strict=True)) == {
        (client_port, server_port),
        (server_port, client_port),
    }
    assert {address.tobytes() for address in sockets["local_address"]} == {mapped("127.0.0.1")}
    assert set(sockets["owner"]["tgid"].tolist()) == {os.getpid()}
    assert set(sockets["owner"]["comm"].tolist()) == {Path("/proc/self/comm").read_bytes().strip()}
    assert set(sockets["evidence"].tolist()) == {Evidence.OPENED, Evidence.ACCEPTED}
    assert set(sockets["netns"].tolist()) == {Path("/proc/self/ns/net").stat().st_ino}
    assert NO_SLOT not in ends["header"]["slot"]
    assert set(ends["header"]["kind"].tolist()) == {KIND["KIND_CLOSE"]}


def test_a_refused_connect_is_reported(seen: Seen, listener: socket.socket) -> None:
    """A connect to a port where nobody listens fails with its errno and the owner that tried."""
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SECONDS)
    (end,) = seen.await_ends(port, 1)
    assert end["header"]["kind"] == KIND["KIND_FAIL"]
    assert end["header"]["error"] == errno.ECONNREFUSED
    assert end["socket"]["peer_port"] == port
    assert end["socket"]["local_port"] != 0
    assert end["socket"]["owner"]["tgid"] == os.getpid()
    assert (end["counters"]["tx_bytes"], end["counters"]["rx_bytes"]) == (0, 0)


def test_a_connecting_socket_has_its_port(probe: Probes) -> None:
    """Which connection it is going to be is known before the peer answers."""
    with unanswered() as (listener, client):
        shot = probe.snapshot()
        mine = shot.descriptions["peer_port"] == listener.getsockname()[1]
        mine &= shot.descriptions["role"] == Role.CLIENT
        connecting = mine & (shot.descriptions["established_ns"] == 0)
        assert shot.descriptions["local_port"][connecting].tolist() == [client.getsockname()[1]]


def test_the_sweep_reads_what_tcp_info_says(probe: Probes, seen: Seen, listener: socket.socket) -> None:
    """At rest the cells of both ends agree with TCP_INFO, but for the SYN that it counts as a byte sent."""
    connection = connect(listener)
    for _ in range(50):
        connection.exchange(20_000, 3_000)
    first = probe.snapshot()
    ends = (connection.client, connection.server)
    slots = [_slot(first, end) for end in ends]
    counted: list[list[tuple[int, ...]]] = [[], []]

    def agree_at_rest() -> bool:
        before = [_counts(end) for end in ends]
        counted[:] = [before, _counts_of_cells(probe.snapshot(), slots)]
        settled = (before[0][0] - 1, before[1][0]) == (before[1][1], before[0][1])
        return settled and before == [_counts(end) for end in ends]

    assert until(agree_at_rest)
    (client, server), cells = counted
    assert cells == [(client[0] - 1, *client[1:]), server]
    assert server[:2] == (150_000, 1_000_000)
    connection.close()
    finals = seen.await_ends(connection_port(listener), 2)
    assert bytes_by_role(finals) == {(Role.CLIENT, 1_000_000, 150_000), (Role.SERVER, 150_000, 1_000_000)}


def _counts(end: socket.socket) -> tuple[int, ...]:
    """Bytes acknowledged, received, segments out, in, retransmitted segments and bytes of TCP_INFO."""
    info = TCP_INFO.unpack(end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO.size))
    return info[34], info[35], info[36], info[37], info[31], info[49]


def _counts_of_cells(shot: Snapshot, slots: list[int]) -> list[tuple[int, ...]]:
    """The same of the cells in these slots."""
    names = (
        "tx_bytes",
        "rx_bytes",
        "tx_segments",
        "rx_segments",
        "retransmitted_segments",
        "retransmitted_bytes",
    )
    cells = [shot.cells[shot.slots.tolist().index(slot)]["counters"] for slot in slots]
    return [tuple(int(counters[name]) for name in names) for counters in cells]


def _slot(shot: Snapshot, end: socket.socket) -> int:
    descriptions = shot.descriptions
    ports = end.getsockname()[1], end.getpeername()[1]
    own = (descriptions["local_port"] == ports[0]) & (descriptions["peer_port"] == ports[1])
    (slot,) = shot.new_slots[own].tolist()
    return int(slot)


def connection_port(listener: socket.socket) -> int:
    """The port that both ends of its connections have on one side."""
    port: int = listener.getsockname()[1]
    return port


def test_finals_are_right_when_counted_by_segment(listener: socket.socket) -> None:
    """The alternative to the sweep reports the same final counters."""
    with started(counters="segment") as probe:
        seen = Seen(probe)
        connection = connect(listener)
        for _ in range(20):
            connection.exchange(10_000, 700)
        connection.close()
        ends = seen.await_ends(connection_port(listener), 2)
        assert not probe.sockets.swept
    assert bytes_by_role(ends) == {(Role.CLIENT, 200_000, 14_000), (Role.SERVER, 14_000, 200_000)}


def test_owners_are_right_where_the_verifier_takes_no_direct_reads(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way of older kernels, which reads each field of a task by a call, reports the same."""
    monkeypatch.setattr(Probes, "_load", lambda probe, headers: probe._load_with(headers, {"KERNEL_BTF": 1}))
    with started() as probe:
        connection = connect(listener)
        connection.exchange(1000, 2000)
        connection.close()
        ends = Seen(probe).await_ends(connection_port(listener), 2)
    assert bytes_by_role(ends) == {(Role.CLIENT, 1000, 2000), (Role.SERVER, 2000, 1000)}
    assert set(ends["socket"]["owner"]["tgid"].tolist()) == {os.getpid()}
    assert set(ends["socket"]["owner"]["comm"].tolist()) == {Path("/proc/self/comm").read_bytes().strip()}
    assert set(ends["socket"]["evidence"].tolist()) == {Evidence.OPENED, Evidence.ACCEPTED}
    assert 0 not in ends["socket"]["owner"]["cgroup_id"]


def test_sockets_without_a_slot_are_described(listener: socket.socket) -> None:
    """With 256 slots and 400 sockets at once the others are known as well: they differ by their slot only.

    The tables have room for 112 sockets of other programs.
    """
    with started(slots=256) as probe:
        ends, tallies = _talk_at_once(probe, Seen(probe), listener, 200, slots=256)
    assert tallies["untracked"] == 0
    assert bytes_by_role(ends) == _clients(200) | _servers(200)
    assert set(ends["socket"]["owner"]["tgid"].tolist()) == {os.getpid()}
    assert 144 <= (ends["header"]["slot"] == NO_SLOT).sum() < 400


def test_sockets_beyond_all_tables_are_reported_at_their_end(listener: socket.socket) -> None:
    """With 8 slots and 60 sockets at once every end has its bytes; those that no table holds are flagged."""
    with started(slots=8) as probe:
        seen = Seen(probe)
        ends, tallies = _talk_at_once(probe, seen, listener, 30, slots=8)
    untracked = (ends["socket"]["flags"] & FLAGS["FLAG_UNTRACKED"]) != 0
    slots = ends["header"]["slot"]
    assert len(ends) == 60
    assert {known[1:] for known in bytes_by_role(ends)} == {
        known[1:] for known in _clients(30) | _servers(30)
    }
    assert bytes_by_role(ends[~untracked]) <= _clients(30) | _servers(30)
    assert set(slots[slots != NO_SLOT].tolist()) <= set(range(8))
    assert 52 <= (slots == NO_SLOT).sum() <= tallies["slotless"]
    assert untracked.sum() >= 44


def _talk_at_once(
    probe: Probes, seen: Seen, listener: socket.socket, count: int, *, slots: int
) -> tuple[np.ndarray, dict[str, int]]:
    """Opens all, then talks on all, then closes all; their ends and the tallies after it."""
    connections = [connect(listener) for _ in range(count)]
    for number, connection in enumerate(connections):
        connection.exchange(100 + number, 1000 + number)
    assert len(probe.snapshot().slots) <= slots
    for connection in connections:
        connection.close()
    return seen.await_ends(connection_port(listener), 2 * count), probe.tallies()


def _clients(count: int) -> set[tuple[int, int, int]]:
    return {(Role.CLIENT, 100 + number, 1000 + number) for number in range(count)}


def _servers(count: int) -> set[tuple[int, int, int]]:
    return {(Role.SERVER, 1000 + number, 100 + number) for number in range(count)}


def test_a_full_ring_loses_nothing_uncounted(listener: socket.socket) -> None:
    """With a ring for 255 events and a reader that sleeps: made = delivered + lost, to the last event."""
    with started(ring_bytes=1 << 16) as probe:
        for _ in range(300):
            connect(listener).close()
        assert until(lambda: probe.ring_counts()[SHARED][0] >= 600)
        first = len(probe.events())
        for _ in range(20):
            connect(listener).close()
        assert until(lambda: probe.ring_counts()[SHARED][0] >= 640)
        probe.detach()
        delivered = [first]

        def balanced() -> bool:  # a program that ran while it was detached ends a moment later
            delivered.append(len(probe.events()))
            made, lost = probe.ring_counts()[SHARED]
            return made == sum(delivered) + lost

        assert until(balanced), (delivered, probe.ring_counts())
        lost = probe.ring_counts()[SHARED][1]
    assert first == 255
    assert sum(delivered) >= 255 + 40
    assert lost >= 345


def test_slots_are_used_again(probe: Probes, seen: Seen, listener: socket.socket) -> None:
    """Connections one after the other have few slots, each time with a new generation."""
    for _ in range(50):
        connect(listener).close()
    ends = seen.await_ends(connection_port(listener), 100)
    headers = ends["header"]
    pairs = set(zip(headers["slot"].tolist(), headers["generation"].tolist(), strict=True))
    assert len(pairs) == 100
    assert len(set(headers["slot"].tolist())) < 50


def test_open_sockets_of_closed_ones_are_gone(probe: Probes, listener: socket.socket) -> None:
    """A snapshot has the sockets that are open, and no more once they are closed."""
    port = connection_port(listener)
    with ExitStack() as stack:
        connections = [connect(listener) for _ in range(10)]
        for connection in connections:
            stack.callback(connection.close)
        shot = probe.snapshot()
        mine = (shot.descriptions["local_port"] == port) | (shot.descriptions["peer_port"] == port)
        slots = set(shot.new_slots[mine].tolist())
        lives = {life for life in _lives(shot) if life[0] in slots}
    assert len(slots) == len(lives) == 20
    assert not lives & _lives(probe.snapshot())


def _lives(shot: Snapshot) -> set[tuple[int, int]]:
    """(slot, generation) of each open socket: addresses in the kernel are soon used again."""
    return set(zip(shot.slots.tolist(), shot.cells["generation"].tolist(), strict=True))
