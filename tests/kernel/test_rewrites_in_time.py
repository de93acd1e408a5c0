"""Rewrites on their way to the node's actor: none comes after the row of its connection."""

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest

from model.ledger import Ledger
from probes.conntrack.feed import Conntrack
from probes.kernel.frames import EventFrame, Frame, SnapshotFrame, decode
from probes.kernel.layout import structs
from probes.source import Source
from tests.declared import EVENT_TYPES, KIND
from tests.kernel.nat_network import ADDRESSES, CLIENT, ROUTER, SERVER, NatNetwork, nat_network
from tests.kernel.started import Probes

pytestmark = pytest.mark.kernel

SECONDS = 2.5


@pytest.fixture
def network() -> Iterator[NatNetwork]:
    with nat_network() as built:
        _, gate, _, there = ADDRESSES[4]
        rule = f"-p tcp -d {gate} --dport 80 -j DNAT --to-destination {there}:8080"
        built.run(ROUTER, f"iptables-legacy -t nat -A PREROUTING {rule}")
        yield built


@pytest.fixture
def probe() -> Iterator[Probes]:
    started = Probes(slots=4096, ring_bytes=1 << 20)
    started.start()
    yield started
    started.close()


@pytest.fixture
def conntrack(network: NatNetwork) -> Iterator[Conntrack]:
    started = Conntrack(patterns=[f"{network.prefix}*"])
    started.start()
    yield started
    started.close()


def talk(network: NatNetwork) -> set[int]:
    """Connections over all of the time, every other one closed at once; their ports."""
    ports: set[int] = set()
    kept: list[socket.socket] = []
    with network.listen(SERVER, "tcp", ADDRESSES[4][3], 8080) as listener:

        def called() -> None:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                caller = socket.create_connection((ADDRESSES[4][1], 80), timeout=10)
                ports.add(caller.getsockname()[1])
                accepted, _ = listener.accept()
                kept.append(accepted)
                if len(ports) % 2:
                    caller.close()
                else:
                    kept.append(caller)
                time.sleep(0.01)

        network.within(CLIENT, called)
    for one in kept:
        one.close()
    return ports


async def test_every_rewrite_comes_before_its_connection(
    network: NatNetwork, probe: Probes, conntrack: Conntrack
) -> None:
    """Before the snapshot that has the socket for the first time, or before its end; the ledger tells of all."""
    frames: list[Frame] = []

    async def send(data: bytes) -> None:
        frames.append(decode(data))

    source = Source(probe, send, EVENT_TYPES, feeds={"conntrack": conntrack})
    running = asyncio.create_task(source.run())
    ports = await asyncio.to_thread(talk, network)
    source.stop()
    await running
    rewritten: set[int] = set()
    seen: set[int] = set()
    for frame in frames:
        if isinstance(frame, SnapshotFrame):
            sockets = frame.descriptions
        else:
            assert isinstance(frame, EventFrame)
            rewritten |= new_in(frame)
            ends = frame.events["header"]["kind"] <= KIND["KIND_FAIL"]
            sockets = frame.events["socket"][ends]
        mine = sockets[sockets["netns"] == network.inode(CLIENT)]
        seen |= set(mine["local_port"].tolist()) & ports
        assert seen <= rewritten, seen - rewritten
    assert (
        len(ports - seen) <= probe.tallies()["stale"]
    )  # ends that the kernel told no program of are counted
    assert len(ports) > 20
    ledger = Ledger()
    ledger.take(
        "conntrack", [frame for frame in frames if isinstance(frame, SnapshotFrame)][-1].feeds["conntrack"]
    )
    assert ledger.stages["conntrack"].received >= len(ports)
    assert (ledger.stages["conntrack"].balanced, ledger.lost) == (True, 0)


def new_in(frame: EventFrame) -> set[int]:
    """Ports from which rewritten connections come."""
    new = frame.events[frame.events["header"]["kind"] == KIND["KIND_NAT_NEW"]]
    return set(new.view(structs("conntrack")["nat_event"])["original"]["source_port"].tolist())
