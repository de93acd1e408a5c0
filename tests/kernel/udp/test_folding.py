"""Sockets with very many peers: few flows, and no byte missing."""

import shutil
import socket
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.kernel.started import Probes
from tests.kernel.udp.datagrams import FOLD, FOUR, HASTY, Flows, Sockets, address, total

pytestmark = pytest.mark.kernel

MILLION: Final = 1 << 20
PEERS: Final = Path(__file__).with_name("peers.c")


def test_peers_fold_where_there_are_very_many(hasty: Probes, made: Sockets) -> None:
    """First the ports of an address are one flow, then all peers: no byte is missing, and others get slots."""
    flows = Flows(hasty)
    server = made.server("0.0.0.0")
    port = server.getsockname()[1]
    sent = 0
    for number in range(120):
        with socket.socket(FOUR, socket.SOCK_DGRAM) as client:
            client.bind((f"127.0.1.{number % 30 + 1}", 0))
            client.sendto(bytes(number), ("127.0.0.1", port))
            sent += number
    theirs = flows.of(server)
    assert total(theirs, "rx_datagrams", "rx_bytes") == (120, sent)
    assert {int(flow["folded"]) for flow in theirs} == set(FOLD.values())
    (everybody,) = (flow for flow in theirs if int(flow["folded"]) == FOLD["FOLD_PEERS"])
    assert (address(everybody["socket"]["peer_address"]), int(everybody["socket"]["peer_port"])) == ("::", 0)
    assert len(theirs) <= 2 * 8 + 1


def test_a_million_peers_are_counted_in_few_flows(hasty: Probes, made: Sockets, tmp_path: Path) -> None:
    """One socket sends from a million addresses: neither end takes more than its share of slots, or misses a byte."""
    assert hasty.datagrams
    if not (gcc := shutil.which("gcc")):
        pytest.skip("gcc is missing: apt-get install gcc")
    subprocess.run([gcc, "-O2", "-o", tmp_path / "peers", PEERS], check=True)
    flows = Flows(hasty)
    for _ in range(3):  # flows of closed sockets give their slots back
        flows.refresh()
    before = hasty.datagrams.tallies()
    server, source = made.server(), made.server()
    port, from_port = server.getsockname()[1], source.getsockname()[1]
    source.close()
    subprocess.run([tmp_path / "peers", str(port), str(from_port), str(MILLION)], check=True)
    theirs, ours = flows.of_ports(port), flows.of_ports(from_port)
    assert total(theirs, "rx_datagrams", "rx_bytes") == (MILLION, 10 * MILLION)
    assert total(ours, "tx_datagrams", "tx_bytes") == (MILLION, 10 * MILLION)
    assert (len(theirs), len(ours)) == (2 * HASTY.peers + 1, 3 * HASTY.peers + 1)
    assert hasty.datagrams.tallies()["no_slot"] == before["no_slot"]
    assert total(theirs, "dropped_datagrams")[0] == int(dropped_at(port)), "most found the buffer full"


def dropped_at(port: int) -> str:
    """Datagrams for which the socket of that port had no room, as the kernel counts them."""
    lines = Path("/proc/net/udp").read_text().splitlines()
    (drops,) = (line.split()[-1] for line in lines if f":{port:04X} " in line[:30])
    return drops
