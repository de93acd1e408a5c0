"""How long ``tailrace agent`` takes until its first hook is attached, and what takes the time."""

import cProfile
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.children import alone, finish, holds, running
from benchmarks.figure import Reading
from benchmarks.probes import default_selection
from benchmarks.watchers import program
from benchmarks.web import free_port
from model.errors import TailraceError
from probes.attached import AttachedProbes
from probes.checks.capabilities import require
from probes.kernel.headers import cache_root

STARTS: Final = 5
SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.002

#: What ``tailrace agent`` imports before it attaches anything.
MODULES: Final = (
    "engine.cli, engine.commands.agent, engine.graphs, engine.bus_outlets, engine.nats.node_publisher, "
    "engine.plugins.enrichers, engine.runner, probes.checks.capabilities, probes.kernel_source"
)
OWN: Final = ("engine", "probes", "actors", "enrichers", "model", "sinks", "store", "bpf", "selftest")
#: Packages that are named; the others are summed up.
PACKAGES: Final = 8
#: Functions of the start, by what they do.
PHASES: Final = {
    "require": "checks",
    "find_headers": "headers",
    "load": "compile and load",
    "_attach": "attach",
    "_adopt": "adopt",
}


def start_seconds(cache: str = "") -> float:
    """From before the program is executed until it holds a link; there is no NATS, and it goes on without.

    :param cache: a folder for what is kept, in the place of the usual one.
    """
    attached = holds("bpf_link", "bpf-link")
    begin = time.perf_counter()
    command = [program(), "agent", "--nats", f"nats://127.0.0.1:{free_port()}"]
    quiet = {"TAILRACE_LOG_LEVEL": "error", "TAILRACE_STORE_ENABLED": "off"}
    kept = {"CACHE_DIRECTORY": cache} if cache else {}
    with running(command, ready=lambda _: True, environment=quiet | kept) as child:
        while not attached(child):
            if child.poll() is not None or time.perf_counter() > begin + SECONDS:
                raise TailraceError("tailrace agent attached nothing", "see `tailrace doctor`")
            time.sleep(_LOOK_SECONDS)
        return time.perf_counter() - begin


def compiled_seconds() -> float:
    """A start that finds headers, and no program that is kept."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "headers").symlink_to(cache_root() / "headers")
        return start_seconds(folder)


def interpreter_seconds() -> float:
    """Of Python itself, from its start to its end."""
    begin = time.perf_counter()
    finish([sys.executable, "-c", "pass"], SECONDS)
    return time.perf_counter() - begin


def import_milliseconds() -> dict[str, float]:
    """By package, each without what it imports of others, as ``python -X importtime`` measures it."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {MODULES}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SECONDS)
    packages: defaultdict[str, float] = defaultdict(float)
    for line in done.stderr.splitlines():
        taken, _, name = line.removeprefix("import time:").split("|")
        package = name.strip().partition(".")[0]
        if taken.strip().isdecimal():
            packages["tailrace" if package in OWN else package] += int(taken) / 1e3
    return packages


def phase_milliseconds(_: str) -> dict[str, float]:
    """What the probe does of its start, in this process."""
    selection, profile = default_selection(), cProfile.Profile()
    probe = AttachedProbes(selection)
    try:
        profile.runcall(require, selection)
        profile.runcall(probe.start)
    finally:
        probe.close()
    taken = dict.fromkeys(PHASES.values(), 0.0)
    for entry in profile.getstats():
        code = entry.code
        if not isinstance(code, str) and code.co_name in PHASES and "/probes/" in code.co_filename:
            taken[PHASES[code.co_name]] += entry.totaltime * 1e3
    return taken


def pieces() -> str:
    """The note: milliseconds, each piece measured by itself, in the order of the start."""
    packages, phases = import_milliseconds(), alone(phase_milliseconds, "")
    imports = sum(packages.values())
    large = sorted(packages, key=lambda name: -packages[name])[:PACKAGES]
    shown = [f"{name} {packages[name]:.0f}" for name in large]
    shown.append(f"others {imports - sum(packages[name] for name in large):.0f}")
    steps = "; ".join(f"{name} {taken:.0f}" for name, taken in phases.items())
    interpreter = 1e3 * median(interpreter_seconds() for _ in range(STARTS))
    return f"interpreter {interpreter:.0f}; imports {imports:.0f} ({', '.join(shown)}); {steps} (after the hooks)"


def measure() -> Iterator[Reading]:
    """Milliseconds, in turns with starts that compile; a first start does not count: it may have to make headers."""
    start_seconds()
    turns = [(1e3 * start_seconds(), 1e3 * compiled_seconds()) for _ in range(STARTS)]
    starts, compiled = [[*each] for each in zip(*turns, strict=True)]
    spread = f"median of {STARTS}, {min(starts):,.0f} to {max(starts):,.0f}"
    yield Reading(
        median(starts), "ms", peer="compiling anew", peer_value=median(compiled), note=f"{spread}; {pieces()}"
    )
