"""What sockets and their owners' policies refuse, against the counters of the kernel and what senders were told."""

import contextlib
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import pytest

from probes.kernel.bpf.links import create_link
from probes.kernel.bpf.programs import load_program
from probes.kernel.filesystems import root_of
from tests.kernel.drops.bed import (
    CLIENT_ADDRESS,
    SERVER_ADDRESS,
    SETTLE_SECONDS,
    Watched,
    inject,
    opened,
    syn,
)
from tests.kernel.loopback import until
from tests.kernel.nat_network import CLIENT, SERVER

pytestmark = pytest.mark.kernel

#: Of BPF: r0 = 0; exit. A packet is refused.
_REFUSE: Final = struct.pack("<BBhi", 0xB7, 0, 0, 0) + struct.pack("<BBhi", 0x95, 0, 0, 0)
_CGROUP_SKB, _EGRESS = 8, 1
#: Of SO_LINGER: a reset is the last that a peer hears.
_AT_ONCE: Final = struct.pack("ii", 1, 0)
#: Sends datagrams, and prints how many were refused.
_SEND: Final = """
import socket
refused = 0
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
    for _ in range(7):
        try:
            out.sendto(b"x", ("{address}", {port}))
        except PermissionError:
            refused += 1
print(refused)
"""


@contextlib.contextmanager
def refusing() -> Iterator[list[str]]:
    """The beginning of commands in a cgroup that lets nothing out."""
    name = f"tailrace-{os.getpid()}"
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(root_of("cgroup2"))
        os.mkdir(name, dir_fd=root)
        stack.callback(os.rmdir, name, dir_fd=root)
        folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=root)
        stack.callback(os.close, folder)
        program = load_program("refuse", _REFUSE, kind=_CGROUP_SKB, attach=_EGRESS)
        stack.callback(os.close, program)
        stack.callback(os.close, create_link(program, folder, _EGRESS))
        join = f'echo $$ >"/proc/{os.getpid()}/fd/{folder}/cgroup.procs"; exec "$@"'
        yield ["sh", "-c", join, "sh"]


def test_what_a_policy_of_a_cgroup_refuses(dropping: Watched) -> None:
    """The sender is told, and so is the reader of rows."""
    script = _SEND.format(address=SERVER_ADDRESS, port=2801)
    namespace = ["ip", "netns", "exec", dropping.network.name(CLIENT)]
    with refusing() as command:
        done = subprocess.run(
            [*command, *namespace, sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
    refused = int(done.stdout)
    assert refused == 7
    said = {"destination__port": 2801, "drop__category": "policy"}
    assert dropping.comes_to(refused, **said) == refused
    assert {row["network.io.direction"] for row in dropping.drops(**said)} == {"transmit"}


def test_segments_for_which_a_connection_has_no_room(dropping: Watched) -> None:
    """Its server does not read, and has a buffer that is smaller than what was offered before."""
    network, counters = dropping.network, ("TcpExtTCPRcvQDrop", "TcpExtTCPZeroWindowDrop")
    with opened(network, SERVER, socket.SOCK_STREAM) as listener:
        listener.bind(("0.0.0.0", 2802))
        listener.listen()
        with opened(network, CLIENT, socket.SOCK_STREAM) as caller:
            caller.connect((SERVER_ADDRESS, 2802))
            there, _ = listener.accept()
            with there:
                before = dropping.counters(SERVER, *counters)
                there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
                caller.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        caller.send(bytes(30_000))
                said = {"destination__port": 2802, "drop__category": "receive_buffer"}
                assert until(lambda: dropping.count(**said) > 0, SETTLE_SECONDS)
            lost = dropping.counters(SERVER, *counters) - before
    assert lost > 0
    assert dropping.comes_to(lost, **said) == lost


def test_handshakes_that_end_at_a_full_accept_queue(dropping: Watched) -> None:
    """Their SYNs came while there was room; the last segments find none, and are tried again."""
    network = dropping.network
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(opened(network, SERVER, socket.SOCK_STREAM))
        callers = stack.enter_context(contextlib.ExitStack())
        listener.bind(("0.0.0.0", 2803))
        listener.listen(1)
        before = dropping.counters(SERVER, "TcpExtListenOverflows")
        with dropping.rules(CLIENT, "iptables", "raw/PREROUTING", 2803, "sport"):
            for _ in range(6):
                caller = callers.enter_context(opened(network, CLIENT, socket.SOCK_STREAM))
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                caller.setblocking(False)
                caller.connect_ex((SERVER_ADDRESS, 2803))
        said = {"destination__port": 2803, "drop__category": "accept_queue"}
        assert until(lambda: dropping.count(**said) >= 4, SETTLE_SECONDS)
        callers.close()
        overflows = dropping.counters(SERVER, "TcpExtListenOverflows") - before
        assert dropping.comes_to(overflows, **said) == overflows


def test_more_handshakes_than_the_backlog_holds(dropping: Watched) -> None:
    """Their SYNs are dropped: the kernel gives a reason to none of them, and counts them at the listener. It drops
    none of a client that it remembers of connections before."""
    network = dropping.network
    network.run(SERVER, "ip tcp_metrics flush all")
    network.run(SERVER, "sysctl -qw net.ipv4.tcp_syncookies=0 net.ipv4.tcp_max_syn_backlog=8")
    try:
        with opened(network, SERVER, socket.SOCK_STREAM) as listener:
            listener.bind(("0.0.0.0", 2804))
            listener.listen(100)
            before = dropping.counters(SERVER, "TcpExtListenDrops")
            with dropping.rules(SERVER, "iptables", "OUTPUT", 2804, "sport"):
                for number in range(30):
                    inject(network, syn(CLIENT_ADDRESS, SERVER_ADDRESS, 2804, caller=6000 + number), 6)
                lost = dropping.counters(SERVER, "TcpExtListenDrops") - before
            assert lost > 10
            assert until(lambda: _overflows(dropping, 2804) >= lost, SETTLE_SECONDS)
            assert _overflows(dropping, 2804) == lost
    finally:
        network.run(SERVER, "sysctl -qw net.ipv4.tcp_syncookies=1 net.ipv4.tcp_max_syn_backlog=512")


def _overflows(dropping: Watched, port: int) -> int:
    """What rows of listeners say so far."""
    rows = [row for row in dropping.told("listener") if row["network.local.port"] == port]
    return sum(row.get("listener.overflows", 0) for row in rows)
