"""The peers of the ring: bcc's ``perf_buffer_poll`` and ``ring_buffer_poll``, with a callback that counts.

Run as ``python -m benchmarks.peers.ring_poll WAY GENERATOR``; prints one JSON object: events, lost, cpu_seconds.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bcc import BPF

from benchmarks.ring_cost import call_number
from benchmarks.ring_source import EVENTS, QUIET_SECONDS, RING_BYTES, Cost, defines, source
from probes.kernel.bpf.maps import percpu_lookup

_PAGE = 4096
_POLL_MS = 100


class Counting:
    """The callback: the least that one can do."""

    def __init__(self) -> None:
        self.events = 0
        self.lost = 0

    def ring(self, context: object, data: object, size: int) -> None:
        """An event of the ring buffer."""
        self.events += 1

    def perf(self, cpu: int, data: object, size: int) -> None:
        """An event of the perf buffer."""
        self.events += 1

    def perf_lost(self, count: int) -> None:
        """Events that the perf buffer had no room for."""
        self.lost += count


def poller(module: Any, way: str, counting: Counting) -> Callable[[int], object]:
    """Opens the buffer; the function that polls it."""
    if way == "perf_buffer_poll":
        pages = RING_BYTES // _PAGE
        module["ring"].open_perf_buffer(counting.perf, page_cnt=pages, lost_cb=counting.perf_lost)
        poll: Callable[[int], object] = module.perf_buffer_poll
    else:
        module["ring"].open_ring_buffer(counting.ring)
        poll = module.ring_buffer_poll
    return poll


def drain(poll: Callable[[int], object], counting: Counting) -> float:
    """Polls until nothing has come for a while; the processor time it took."""
    begin, last, cpu_seconds = time.process_time(), time.monotonic(), 0.0
    while time.monotonic() - last < QUIET_SECONDS:
        before = counting.events
        poll(_POLL_MS)
        if counting.events != before:
            last, cpu_seconds = time.monotonic(), time.process_time() - begin
    return cpu_seconds


def main() -> None:
    """Measures one way."""
    way, generator = sys.argv[1], Path(sys.argv[2])
    flags = ["-w", *(f"-D{name}={value}" for name, value in defines(way, call_number(generator)).items())]
    module = BPF(text=source(), cflags=flags)
    counting = Counting()
    poll = poller(module, way, counting)
    module.attach_raw_tracepoint(tp="sys_enter", fn_name="entered")
    with subprocess.Popen([generator, str(EVENTS)], stdout=subprocess.DEVNULL) as running:
        cpu_seconds = drain(poll, counting)
        running.wait()
    lost = int(percpu_lookup(module["tallies"].map_fd, 2)[1])
    print(json.dumps(Cost(counting.events, max(lost, counting.lost), cpu_seconds).as_dict()))


if __name__ == "__main__":
    main()
