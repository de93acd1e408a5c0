"""How long ``tailrace agent`` takes until its first hook is attached, and what takes the time."""

import cProfile
import pstats
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from statistics import median
from typing import Final

from benchmarks.children import alone, finish, holds, running
from benchmarks.figure import Reading
from benchmarks.watchers import program
from benchmarks.web import free_port
from engine.config import Config
from engine.errors import TailraceError
from engine.topology import KernelSource
from probes.capabilities import require

STARTS: Final = 5
SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.002

#: What ``tailrace agent`` imports before it attaches anything.
MODULES: Final = "engine.cli, engine.agent, engine.topology, probes.capabilities"
#: Packages that take less are summed up.
_SMALL_MS: Final = 15
#: Functions of the start, by what they do.
PHASES: Final = {
    "require": "checks",
    "find_headers": "headers",
    "load": "compile and load",
    "_attach": "attach",
    "_adopt": "adopt",
}


def start_seconds() -> float:
    """From before the program is executed until it holds a link; there is no NATS, and it goes on without."""
    attached = holds("bpf_link", "bpf-link")
    begin = time.perf_counter()
    command = [program(), "agent", "--nats", f"nats://127.0.0.1:{free_port()}"]
    quiet = {"TAILRACE_LOG_LEVEL": "error"}
    with running(command, ready=lambda _: True, environment=quiet) as child:
        while not attached(child):
            if child.poll() is not None or time.perf_counter() > begin + SECONDS:
                raise TailraceError("tailrace agent attached nothing", "see `tailrace doctor`")
            time.sleep(_LOOK_SECONDS)
        return time.perf_counter() - begin


def interpreter_seconds() -> float:
    """Of Python itself, from its start to its end."""
    begin = time.perf_counter()
    finish([sys.executable, "-c", "pass"], SECONDS)
    return time.perf_counter() - begin


def import_milliseconds() -> Counter[str]:
    """By package, without what it imports of others, as ``python -X importtime`` measures it."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {MODULES}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SECONDS)
    packages: Counter[str] = Counter()
    for line in done.stderr.splitlines():
        taken, _, name = line.removeprefix("import time:").split("|")
        if taken.strip().isdecimal():
            packages[name.strip().partition(".")[0]] += int(taken) / 1e3  # type: ignore[assignment]
    return packages


def phase_milliseconds(_: str) -> dict[str, float]:
    """What the probe does of its start, in this process."""
    config, profile = Config(), cProfile.Profile()
    source = KernelSource(config)
    try:
        profile.runcall(require, config.tcp)
        profile.runcall(source._probe.start)
    finally:
        source.close()
    taken: dict[str, float] = dict.fromkeys(PHASES.values(), 0.0)
    for (file, _, name), (_, _, _, cumulative, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        if name in PHASES and "/probes/" in file:
            taken[PHASES[name]] += cumulative * 1e3
    return taken
