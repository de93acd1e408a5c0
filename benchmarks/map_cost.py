"""What the store and the map add to ``tailrace run`` at 1,000 connections a second."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.children import holds, running
from benchmarks.figure import Bar, Reading
from benchmarks.procfs import cpu_time, memory
from benchmarks.watchers import program
from benchmarks.web import free_port, web

RATE: Final = 1000
#: A log is sealed within.
SECONDS: Final = 70
#: Until it has adopted what was there.
SETTLE_SECONDS: Final = 3.0


def spent(kept: str) -> tuple[float, float, float]:
    """Percent of a core, and MB resident afterwards and at most.

    :param kept: ``on`` or ``off``.
    """
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder, web() as site:
        environment = {
            "TAILRACE_STORE_PATH": f"{folder}/store",
            "TAILRACE_STORE_ENABLED": kept,
            "TAILRACE_WEB_ENABLED": kept,
            "TAILRACE_WEB_LISTEN": f"127.0.0.1:{free_port()}",
        }
        # the sink makes the same rows in both: what is compared is keeping them
        command = [program(), "run", "--stage", "workloads", "--sink", f"jsonl:{Path(folder, 'rows')}"]
        with running(command, ready=holds("bpf_link", "bpf-link"), environment=environment) as child:
            time.sleep(SETTLE_SECONDS)
            before = cpu_time(child.pid)
            load = site.pace(SECONDS, RATE)
            used, after = cpu_time(child.pid) - before, memory(child.pid)
    return 100 * (used.user + used.system) / load.seconds, after.now, after.peak


def measure() -> Iterator[Reading]:
    """Both runs, one after the other."""
    without, with_map = spent("off"), spent("on")
    note = f"{RATE:,} connections/s for {SECONDS} s; "
    percent = f"{without[0]:.1f} % of a core without, {with_map[0]:.1f} % with"
    yield Reading(with_map[0] - without[0], "% of core", Bar(at_most=5), note=note + percent)
    now = f"{without[1]:.0f} MB without, {with_map[1]:.0f} MB with; "
    peak = f"at most {without[2]:.0f} and {with_map[2]:.0f}"
    yield Reading(with_map[1] - without[1], "MB", Bar(at_most=90), note=note + now + peak)
