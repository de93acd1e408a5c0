"""What counting datagrams of UDP costs: in the kernel, and of a stream of TCP; and whether it is exact.

The kernel measures the programs (``kernel.bpf_stats_enabled``): ours, empty ones at the same hooks, and a count by
the call, in turns under the same load. What measuring costs is in an empty one, too, and so not in the difference.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from benchmarks import stream
from benchmarks.children import finish
from benchmarks.figure import Bar, Reading
from benchmarks.kernel_stats import NONE, Runs, counted, runs
from benchmarks.native import built
from engine.config import Config, DnsSection
from model.errors import TailraceError
from model.probe import Feature, Hook
from probes.attached import AttachedProbes
from probes.drops.config import DropsConfig
from probes.envoy.config import EnvoyConfig
from probes.http.config import HttpConfig
from probes.kernel.event_types import EventTypes
from probes.kernel.headers import find_headers
from probes.kernel.layout import rows_where, structs
from probes.kernel.loader import Loaded, load
from probes.registry import PROBES
from probes.selection import Selection
from probes.udp.config import UdpConfig
from probes.udp.probe import DATAGRAMS

SECONDS: Final = 1
TURNS: Final = 5
ROUNDS: Final = 40
#: Seconds of one turn of a stream, and after a change before it.
SLICE: Final = 0.4
SETTLE: Final = 0.05
#: Ports from this one on get the datagrams.
PORT: Final = 41000
MANY: Final = 64
_SOURCE: Final = Path(__file__).parent / "bpf/datagram_calls.c"
_OURS: Final = ("udp_egress", "udp_ingress")
_EMPTY: Final = Hook(
    "nothing_out", "inet_egress", "cgroup", others=(Hook("nothing_in", "inet_ingress", "cgroup"),)
)
_CALLS: Final = Hook("called", "sock_send_length", others=(Hook("named", "udp4_sendmsg", "cgroup"),))
PEER: Final = "a count by the call"
#: A socket with several flows is found closed by one sweep, and told by the next.
_SWEEPS: Final = 3


@dataclass
class Spent:
    """Runs of programs, by name, turn by turn."""

    turns: dict[str, list[Runs]] = field(default_factory=dict)

    def add(self, programs: Mapping[str, int], before: Mapping[str, Runs]) -> None:
        """One turn."""
        for name, program in programs.items():
            self.turns.setdefault(name, []).append(runs(program) - before[name])

    def each(self, name: str) -> float:
        """Nanoseconds of one run, in the median turn."""
        return median(turn.each or 0.0 for turn in self.turns.get(name, [NONE]))


@contextlib.contextmanager
def _ours() -> Iterator[AttachedProbes]:
    """Our probes without what reads requests."""
    quiet = {"http": HttpConfig(enabled="off"), "envoy": EnvoyConfig(enabled="off")}
    quiet |= {"dns": DnsSection(enabled="off"), "drops": DropsConfig(enabled="off")}
    probes = AttachedProbes(Selection(Config(udp=UdpConfig(enabled="on"), **quiet), PROBES))  # type: ignore[arg-type]
    probes.start()
    try:
        yield probes
    finally:
        probes.close()


@contextlib.contextmanager
def _peers() -> Iterator[Loaded]:
    headers = find_headers()
    hooks = [*_EMPTY.parts, *_CALLS.parts]
    loaded = load(_SOURCE.read_text(), headers=headers, defines={}, maps=(), hooks=hooks)
    if loaded.refused:
        loaded.close()
        raise TailraceError(f"the peer's programs are refused: {loaded.refused}")
    with contextlib.closing(loaded):
        yield loaded


def _send(sender: Path, peers: int) -> int:
    """How many datagrams were sent."""
    return int(finish([sender, str(PORT), str(peers), str(SECONDS)], SECONDS + 30))


def _take_turns(ours: AttachedProbes, peers: Loaded, sender: Path, count: int) -> Spent:
    """Ours are attached all the time, and beside them, in turns, empty programs and the count by the call."""
    spent = Spent()
    for _ in range(TURNS):
        for hook in (_EMPTY, _CALLS):
            programs = {part.program: peers.programs[part.program] for part in hook.parts}
            programs |= {name: ours.programs[name] for name in _OURS}
            taken = peers.attach(Feature(hook.name, "", (hook,)))
            if taken.hook is None:
                raise TailraceError(f"{hook.name} cannot be attached: {taken.refused}")
            before = {name: runs(program) for name, program in programs.items()}
            _send(sender, count)
            spent.add(programs, before)
            peers.detach()
            _empty_ring(ours)
    return spent


def _empty_ring(ours: AttachedProbes) -> None:
    assert ours.datagrams
    ours.datagrams.read()
    next(iter(ours.rings.values())).read()


def measure_cost() -> Iterator[Reading]:
    """Nanoseconds a datagram above an empty program, out and in, with one peer and with many in turn."""
    with built("datagrams") as sender, counted(), _ours() as ours, _peers() as peers:
        for count, bar in ((1, 60), (MANY, 120)):
            spent = _take_turns(ours, peers, sender, count)
            by_call = spent.each("called") + spent.each("named") - spent.each("nothing_out")
            for name, empty in zip(_OURS, ("nothing_out", "nothing_in"), strict=True):
                above = spent.each(name) - spent.each(empty)
                sent = sum(turn.count for turn in spent.turns[name])
                way = "out" if name == _OURS[0] else "in"
                note = f"{way}, peers: {count}; {sent:,} runs, empty {spent.each(empty):.0f} ns"
                peer, value = (PEER, by_call) if way == "out" else (None, None)
                yield Reading(above, "ns", Bar(at_most=bar), peer, value, note=note)


def measure_exact() -> Iterator[Reading]:
    """Percent of datagrams sent at full speed that both ends count: to one peer, then to many in turn."""
    with built("datagrams") as sender, _ours() as ours:
        _empty_ring(ours)
        for count in (1, MANY):
            sent = _send(sender, count)
            out, came, full = _told(ours, count)
            note = f"{sent:,} sent to {count} in {SECONDS} s, {full:,} of them found a full buffer"
            yield Reading(100 * min(out, came) / sent, "%", Bar(at_least=100, at_most=100), note=note)


def _told(ours: AttachedProbes, count: int) -> tuple[int, int, int]:
    """Datagrams sent, come and dropped, as the ends of the load's flows say: its sockets are closed."""
    told: list[np.void] = []
    for _ in range(_SWEEPS):
        assert ours.datagrams
        ours.datagrams.read()
        events = next(iter(ours.rings.values())).read()
        events = rows_where(events, events["header"]["kind"] == EventTypes(PROBES).numbers["KIND_DATAGRAMS"])
        told += list(events.view(structs("udp")["datagram_event"]))
    ports = range(PORT, PORT + count)

    def total(name: str, end: str) -> int:
        return sum(int(one["counters"][name]) for one in told if int(one["socket"][end]) in ports)

    return (
        total("tx_datagrams", "peer_port"),
        total("rx_datagrams", "local_port"),
        total("dropped_datagrams", "local_port"),
    )


def measure_tcp() -> Iterator[Reading]:
    """The share of a stream of TCP over loopback that is left while its packets pass the programs.

    They are on and off in turns within one stream; each turn is compared with what was just before and just after it.
    """
    hook, shares = DATAGRAMS.alternatives[0], []
    with _ours() as ours, stream.flowing(int(4 * ROUNDS * (SLICE + SETTLE)) + 60) as received:
        ours.loaded.set_aside(hook)
        before = _rate(received)
        for _ in range(ROUNDS):
            ours.loaded.resume(hook)
            watched = _rate(received)
            ours.loaded.set_aside(hook)
            after = _rate(received)
            shares.append(2 * watched / (before + after))
            before = after
    low, middle, high = np.quantile(shares, (0.25, 0.5, 0.75)).tolist()
    note = f"{ROUNDS} turns of {SLICE} s, half of them {low:.3f}..{high:.3f}, {before:.3g} Gbit/s without"
    yield Reading(middle, "share", Bar(at_least=0.98), "without its hooks", 1.0, "more", note)


def _rate(received: Callable[[], int]) -> float:
    """Gbit/s from a moment after now on."""
    time.sleep(SETTLE)
    begin, bytes_before = time.monotonic(), received()
    time.sleep(SLICE)
    return (received() - bytes_before) * 8e-9 / (time.monotonic() - begin)
