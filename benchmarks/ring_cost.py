"""What an event in the ring costs user space: our mapped ring beside bcc's two ways, a callback per event."""

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.children import alone, finish
from benchmarks.figure import Bar, Reading
from benchmarks.native import built
from benchmarks.peers.headers import script_environment
from benchmarks.ring_source import EVENTS, QUIET_SECONDS, RING_BYTES, Cost, defines, source
from engine.commands.process import give_memory_back
from model.errors import TailraceError
from model.probe import Feature, Hook
from probes.kernel.bpf.maps import percpu_lookup
from probes.kernel.headers import find_headers
from probes.kernel.layout import structs
from probes.kernel.loader import load
from probes.kernel.ring import RingReader
from probes.source import DRAIN_SECONDS

BAR: Final = Bar(at_most=0.05, times=20)
_ENTERED: Final = Feature("system calls", "events at will", (Hook("entered", "sys_enter"),))


def call_number(generator: Path) -> int:
    """The system call that the generator makes on this machine."""
    return int(finish([generator, "0"], 10))


def mapped_cost(generator: Path) -> Cost:
    """Our way: the ring mapped, read as one array when the kernel wakes us or a tenth of a second is over."""
    give_memory_back()  # as ``tailrace run`` does: it decides what the copies cost
    loaded = load(
        source(),
        headers=find_headers(),
        defines=defines("mapped", call_number(generator)),
        maps=("ring", "tallies"),
        hooks=_ENTERED.alternatives,
    )
    ring = RingReader(loaded.maps["ring"], RING_BYTES, structs("tcp")["socket_event"])
    try:
        loaded.attach(_ENTERED)
        with subprocess.Popen([generator, str(EVENTS)], stdout=subprocess.DEVNULL) as running:
            events, cpu_seconds = _drain(ring)
            running.wait()
        made, lost = percpu_lookup(loaded.maps["tallies"], 2).tolist()
    finally:
        ring.close()
        loaded.close()
    if events + lost != made:
        raise TailraceError(f"the ring gave {events} events and lost {lost} of {made}")
    return Cost(events, lost, cpu_seconds)


def _drain(ring: RingReader) -> tuple[int, float]:
    """Events read until nothing has come for a while, and the processor time it took.

    Waits for the kernel's wake-ups alone (EPOLLET): the descriptor counts as readable whenever anything waits.
    """
    events, begin, last = 0, time.process_time(), time.monotonic()
    cpu_seconds = 0.0
    with select.epoll() as wakeups:
        wakeups.register(ring.fd, select.EPOLLIN | select.EPOLLET)
        while time.monotonic() - last < QUIET_SECONDS:
            wakeups.poll(DRAIN_SECONDS)
            read = len(ring.peek())
            ring.release()
            if read:
                events, last, cpu_seconds = events + read, time.monotonic(), time.process_time() - begin
    return events, cpu_seconds


def bcc_cost(way: str, generator: Path) -> Cost:
    """A peer's way, in a process of its own.

    :raises TailraceError: if bcc cannot do it here.
    """
    command = [sys.executable, "-m", "benchmarks.peers.ring_poll", way, str(generator)]
    return Cost(**json.loads(finish(command, 120, script_environment()).splitlines()[-1]))


def measure() -> Iterator[Reading]:
    """Microseconds of processor time per event."""
    with built("syscalls") as generator:
        mine = alone(mapped_cost, generator)
        size = structs("tcp")["socket_event"].itemsize
        note = f"{mine.events:,} events of {size} bytes, {mine.lost:,} lost"
        for way in ("perf_buffer_poll", "ring_buffer_poll"):
            try:
                peer = bcc_cost(way, generator)
            except TailraceError as error:
                yield Reading(mine.microseconds, "µs", BAR, f"bcc {way}", note=f"{note}; peer: {error}")
                continue
            whole = f"{note}; peer: {peer.events:,} events, {peer.lost:,} lost"
            yield Reading(mine.microseconds, "µs", BAR, f"bcc {way}", peer.microseconds, note=whole)
