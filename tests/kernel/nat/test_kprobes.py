"""NAT rewrites by kprobes: what conntrack has, and when it has it no longer."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from probes.conntrack.probe import KPROBES, NAT
from probes.kernel.layout import structs
from probes.kernel.perf_events import has_kprobes
from probes.udp.config import UdpConfig
from tests.declared import KIND
from tests.kernel.loopback import until
from tests.kernel.nat.bed import ADDRESSES, ASKED, PROTOCOLS, SERVING, NatBed, Rewrite, nat_bed, rewrites
from tests.kernel.started import Probes

pytestmark = [pytest.mark.kernel, pytest.mark.skipif(not has_kprobes(), reason="the kernel has no kprobes")]

ROOT = Path(__file__).parents[3]
LIST = Path("/sys/kernel/debug/kprobes/list")
FUNCTIONS = {part.target for part in KPROBES.parts}
#: Holds the same kprobes, with a program that does nothing, until its input ends.
HOLDER = """
from dataclasses import replace
from probes.kernel.headers import find_headers
from probes.kernel.loader import load
from probes.conntrack.probe import KPROBES, NAT
source = "int idle(struct pt_regs *ctx) { return 0; }"
idle = [replace(part, program="idle", others=()) for part in KPROBES.parts]
loaded = load(source, headers=find_headers(), defines={}, maps=[], hooks=idle)
loaded.attach(replace(NAT, alternatives=(replace(idle[0], others=tuple(idle[1:])),), required=True))
print("started", flush=True)
input()
"""


class Watch:
    """The probe's NAT events of one namespace."""

    def __init__(self, probe: Probes, netns: int) -> None:
        self._probe, self._netns = probe, netns
        self.events = np.empty(0, structs("conntrack")["nat_event"])

    def drain(self) -> np.ndarray:
        """All until now."""
        events = self._probe.events()
        kinds = events["header"]["kind"]
        nat = (kinds == KIND["KIND_NAT_NEW"]) | (kinds == KIND["KIND_NAT_DELETED"])
        found = events[nat].copy().view(structs("conntrack")["nat_event"])
        self.events = np.concatenate((self.events, found[found["netns"] == self._netns]))
        return self.events

    def of(self, kind: str) -> list[Rewrite]:
        """Those of one kind, in order."""
        events = self.drain()
        return rewrites(events[events["header"]["kind"] == KIND[kind]])


@pytest.fixture(scope="module")
def bed() -> Iterator[NatBed]:
    """Made first: its rules load conntrack, whose functions are to be probed."""
    with nat_bed() as bed:
        yield bed


@pytest.fixture(scope="module")
def probe(bed: NatBed) -> Iterator[Probes]:
    """With small tables; entries of UDP are told where its flows are followed."""
    probe = Probes(slots=1024, ring_bytes=1 << 18, udp=UdpConfig(enabled="on", slots=1024, peers=64))
    probe.start()
    yield probe
    probe.close()


@pytest.fixture
def watch(probe: Probes, bed: NatBed) -> Watch:
    """From now on."""
    bed.run("conntrack", "-F")
    probe.events()
    return Watch(probe, bed.netns)


def test_all_kprobes_are_attached(probe: Probes) -> None:
    """The feature is served by its kprobes, and the kernel lists every function."""
    taken = {entry.feature: entry for entry in probe.taken}[NAT]
    assert (taken.hook, taken.refused) == (KPROBES, {})
    assert {function for function in FUNCTIONS if function in LIST.read_text()} == FUNCTIONS


def test_each_rewritten_connection_is_reported(bed: NatBed, watch: Watch) -> None:
    """TCP and UDP, IPv4 and IPv6: one event each, with the tuples of `conntrack -L`; others make none."""
    expected = set()
    for address in ADDRESSES:
        for protocol, number in PROTOCOLS.items():
            bed.connect(protocol, address, SERVING)
            port = bed.connect(protocol, address, ASKED)
            expected.add((number, (address, address, port, ASKED), (address, address, SERVING, port)))
    assert until(lambda: len(watch.of("KIND_NAT_NEW")) >= len(expected))
    assert bed.entries() == expected
    assert sorted(watch.of("KIND_NAT_NEW")) == sorted(expected)
    assert watch.of("KIND_NAT_DELETED") == []
    header = watch.events["header"]
    assert set(header["slot"].tolist()) == {0xFFFFFFFF}
    assert (np.diff(header["at_ns"].astype(np.int64)) > 0).all()
    assert watch.events["family"].tolist() == [4, 4, 6, 6]


def test_the_end_of_an_entry_is_reported(bed: NatBed, watch: Watch) -> None:
    """When the table is flushed, each rewritten entry has one end, with the tuples of its beginning."""
    for protocol in PROTOCOLS:
        bed.connect(protocol, ADDRESSES[0], ASKED)
        bed.connect(protocol, ADDRESSES[0], SERVING)
    bed.run("conntrack", "-F")
    assert until(lambda: len(watch.of("KIND_NAT_DELETED")) >= 2)
    assert sorted(watch.of("KIND_NAT_DELETED")) == sorted(watch.of("KIND_NAT_NEW"))
    assert len(watch.of("KIND_NAT_NEW")) == 2


def test_an_entry_of_netlink_is_reported(bed: NatBed, watch: Watch) -> None:
    """What a tool inserts with a rewritten destination is there like any other; one that is refused is not."""
    entry = ["-p", "tcp", "-s", "10.0.0.1", "-d", "10.0.0.2", "--sport", "5", "--dport", "6"]
    insert = ["conntrack", "-I", *entry, "--state", "ESTABLISHED", "-t", "100", "--dst-nat", "10.0.0.3"]
    bed.run(*insert)
    with pytest.raises(subprocess.CalledProcessError):
        bed.run(*insert)
    expected = [(6, ("10.0.0.1", "10.0.0.2", 5, 6), ("10.0.0.3", "10.0.0.1", 6, 5))]
    assert until(lambda: len(watch.of("KIND_NAT_NEW")) >= 1)
    assert watch.of("KIND_NAT_NEW") == expected
    bed.run("conntrack", "-D", "-p", "tcp", "-s", "10.0.0.1")
    assert until(lambda: watch.of("KIND_NAT_DELETED") == expected)


def test_sigkill_leaves_no_kprobe(bed: NatBed, probe: Probes) -> None:
    """Once whoever held them was killed the kernel lists none of its probes: the module's have closed theirs."""
    probe.detach()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"started\n"
        held = LIST.read_text()
        process.send_signal(signal.SIGKILL)
    assert all(function in held for function in FUNCTIONS)
    assert until(lambda: not any(function in LIST.read_text() for function in FUNCTIONS))
