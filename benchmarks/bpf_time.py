"""What our BPF programs cost the traffic, in nanoseconds per run, under nginx with one worker and wrk.

The kernel's own measurement (``kernel.bpf_stats_enabled``) is part of every number here: it reads the clock twice a
run, 20 to 40 ns on most machines. It is not subtracted, neither from ours nor from the peer's. Ours and the peer
watch the same load in turns, each alone, because the second of two programs on one hook finds the caches warm.
"""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

from benchmarks.children import finish
from benchmarks.figure import NO_BAR, Bar, Reading
from benchmarks.kernel_stats import NONE, Runs, counted, runs
from benchmarks.peers.headers import script_environment
from benchmarks.probes import attached_probes, drain
from benchmarks.web import Web, web
from model.errors import TailraceError
from probes.attached import AttachedProbes
from probes.tcp.probe import STATES

TURNS: Final = 2
SECONDS: Final = 3
CONNECTIONS: Final = 32
#: For the sweep: both ends of each are live sockets.
MANY_CONNECTIONS: Final = 1000
#: How often what the probe collects is taken off it.
_DRAIN_SECONDS: Final = 0.1

Load = Callable[[Web], object]


def keep_alive(site: Web) -> object:
    """Requests on connections that stay."""
    return site.wrk(SECONDS, CONNECTIONS, close=False)


def short(site: Web) -> object:
    """One connection per request."""
    return site.wrk(SECONDS, CONNECTIONS, close=True)


def many(site: Web) -> object:
    """Many connections at once."""
    return site.wrk(SECONDS, MANY_CONNECTIONS, close=False)


@contextlib.contextmanager
def _drained(attached: AttachedProbes) -> Iterator[None]:
    """A thread empties the ring meanwhile: a program that finds it full is a cheaper one."""
    done = threading.Event()

    def drain_all() -> None:
        while not done.wait(_DRAIN_SECONDS):
            drain(attached)

    thread = threading.Thread(target=drain_all, name="drain")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def our_runs(programs: Sequence[str], counters: Literal["sweep", "segment"], site: Web, load: Load) -> Runs:
    """Of our programs of one hook, under one turn of the load: the time of all, for each run of the first."""
    with attached_probes(counters) as attached, _drained(attached):
        before = [runs(attached.programs[program]) for program in programs]
        load(site)
        took = [runs(attached.programs[one]) - then for one, then in zip(programs, before, strict=True)]
    return Runs(sum(one.ns for one in took), took[0].count)


def peer_runs(tracepoint: str, load: str, site: Web) -> Runs:
    """Of one of the peer's two programs, under one turn of the same load; the peer counts its own."""
    command = [sys.executable, "-m", "benchmarks.peers.slot_array", tracepoint, load, str(site.port)]
    ns, count = finish(command, 120, script_environment()).split()[-2:]
    return Runs(int(ns), int(count))


def _compared(
    programs: Sequence[str], counters: Literal["sweep", "segment"], load: Load, tracepoint: str
) -> tuple[Runs, Runs]:
    """Ours and the peer's, in turns."""
    ours, peers = NONE, NONE
    with web() as site, counted():
        for _ in range(TURNS):
            ours += our_runs(programs, counters, site, load)
            peers += peer_runs(tracepoint, load.__name__, site)
    return ours, peers


def _reading(ours: Runs, bar: Bar = NO_BAR, peer: str | None = None, peers: Runs = NONE) -> Reading:
    beside = f"; peer: {peers.count:,} runs" if peer else ""
    return Reading(ours.each, "ns", bar, peer, peers.each, note=f"{ours.count:,} runs{beside}")


def measure_segment() -> Iterator[Reading]:
    """Our program on tcp_probe, where counters are read at every segment."""
    ours, peers = _compared(["segment_received"], "segment", keep_alive, "tcp_probe")
    yield _reading(ours, Bar(at_most=200), "slot-array tcp_probe", peers)


def measure_state() -> Iterator[Reading]:
    """Our programs on inet_sock_set_state, all changes counted, also those that they leave at once."""
    programs = [part.program for part in STATES.alternatives[0].parts]
    ours, peers = _compared(programs, "sweep", short, "inet_sock_set_state")
    yield _reading(ours, Bar(at_most=900), "slot-array set_state", peers)


def measure_used() -> Iterator[Reading]:
    """Our program on reads and writes of the application, which looks whether the owner is still unknown."""
    with web() as site, counted():
        yield _reading(our_runs(["used"], "sweep", site, keep_alive))


def measure_sweep() -> Iterator[Reading]:
    """The sweep, per live socket; here ten times a second instead of once, for more of it."""
    with web() as site, counted(), attached_probes("sweep") as attached:
        loading = threading.Thread(target=many, args=(site,), name="load")
        loading.start()
        swept, spent = 0, NONE
        while loading.is_alive():
            drain(attached)
            before = runs(attached.programs["sweep"])
            swept += len(attached.snapshot().slots)
            spent += runs(attached.programs["sweep"]) - before
            loading.join(_DRAIN_SECONDS)
        if not swept:
            raise TailraceError("no socket was live during the load")
        yield Reading(spent.ns / swept, "ns", note=f"{swept:,} sockets in {spent.count:,} runs")
