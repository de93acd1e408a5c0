"""What the process itself takes of the machine: processor time and memory at 5,000 connections a second."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from benchmarks.figure import Bar, Reading
from benchmarks.procfs import CpuTime, Memory, cpu_time, memory
from benchmarks.rows_file import CLOSED, read_rows
from benchmarks.watchers import TAILRACE, TCPLIFE, Watcher
from benchmarks.web import Paced, web
from model.errors import TailraceError

RATE: Final = 5000
SECONDS: Final = 15
#: Long enough for the last rows to be written.
LAST_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Spent:
    """What a watcher took while the load ran.

    :param cpu: over the whole load and the second after it.
    :param reported: connections that it reported as closed, at the connecting end.
    """

    load: Paced
    cpu: CpuTime
    idle: Memory
    memory: Memory
    reported: int = 0

    def percent(self, seconds: float) -> float:
        """Of one core."""
        return 100 * seconds / self.load.seconds


@cache
def spent(watcher: Watcher) -> Spent:
    """Lets one watcher watch the load: once for all figures."""
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder, web() as site:
        output = Path(folder, "output")
        with watcher.start(output) as child:
            time.sleep(LAST_SECONDS)
            idle, before = memory(child.pid), cpu_time(child.pid)
            load = site.pace(SECONDS, RATE)
            time.sleep(LAST_SECONDS)
            used, after = cpu_time(child.pid) - before, memory(child.pid)
        reported = 0
        if watcher is TAILRACE:
            reported = int(read_rows(output, site.port).clients[:, CLOSED].sum())
    return Spent(load, used, idle, after, reported)


def _peer() -> tuple[Spent | None, str]:
    try:
        return spent(TCPLIFE), ""
    except TailraceError as error:
        return None, str(error)


def measure_cpu() -> Iterator[Reading]:
    """Percent of one core in user space."""
    mine = spent(TAILRACE)
    rate = mine.reported / mine.load.seconds
    peer, reason = _peer()
    note = (
        f"{rate:,.0f} connections/s reported of {mine.load.per_second:,.0f}, {mine.load.failed} failed;"
        f" system {mine.percent(mine.cpu.system):.1f} %; "
    )
    note += f"peer system {peer.percent(peer.cpu.system):.1f} %" if peer else f"peer: {reason}"
    value = peer.percent(peer.cpu.user) if peer else None
    yield Reading(mine.percent(mine.cpu.user), "% of core", Bar(at_most=25), TCPLIFE.name, value, note=note)


def measure_memory() -> Iterator[Reading]:
    """MB resident at most so far, after the load."""
    mine = spent(TAILRACE)
    peer, reason = _peer()
    note = f"now {mine.memory.now:.0f} MB; idle {mine.idle.now:.0f} MB, at most {mine.idle.peak:.0f} MB; "
    note += f"peer now {peer.memory.now:.0f} MB" if peer else f"peer: {reason}"
    value = peer.memory.peak if peer else None
    yield Reading(mine.memory.peak, "MB", Bar(at_most=120), TCPLIFE.name, value, note=note)
