"""What watches a load: nothing, Tailrace, or a tool that is its peer; each as a process of its own."""

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.children import Child, find, holds, running
from benchmarks.peers.headers import bcc_environment

#: From its first hook until a watcher has done with starting: adoption, the first window.
SETTLE_SECONDS: Final = 1.2
#: Figures of tools that need kprobes are taken where the kernel has them.
KPROBES: Final = Path("/sys/kernel/tracing/kprobe_events")

#: Starts a watcher that writes what it sees to a file.
Start = Callable[[Path], AbstractContextManager[Child]]


@dataclass(frozen=True)
class Watcher:
    """One way to watch.

    :param cannot: why it cannot run here; empty if it can.
    """

    name: str
    start: Start
    cannot: Callable[[], str] = lambda: ""


def program() -> str | Path:
    """The ``tailrace`` beside this interpreter, else the one installed."""
    beside = Path(sys.executable).with_name("tailrace")
    return beside if beside.exists() else find("tailrace", "tailrace")


@contextlib.contextmanager
def _tailrace(sink: str, stage: str, http: str = "off", cells: int = 0) -> Iterator[Child]:
    command = [program(), "run", "--stage", stage, "--sink", sink]
    environment = {"TAILRACE_HTTP_ENABLED": http} | ({"TAILRACE_HTTP_CELLS": str(cells)} if cells else {})
    if stage == "queries":
        environment["TAILRACE_DNS_ENABLED"] = "on"
    with running(command, ready=holds("bpf_link", "bpf-link"), environment=environment) as child:
        time.sleep(SETTLE_SECONDS)
        yield child


def tailrace(
    output: Path, stage: str = "deltas", http: str = "off", cells: int = 0
) -> AbstractContextManager[Child]:
    """``tailrace run`` writing every row to a file, as JSON.

    :param http: the key ``http.enabled``: what it costs has figures of its own.
    :param cells: the key ``http.cells``; 0: as it is by default.
    """
    return _tailrace(f"jsonl:{output}", stage, http, cells)


#: bcc's tools look there for tracepoints; mounted where it is not, for the tool alone. The process stays the same.
_WITH_TRACEFS: Final = (
    *("unshare", "--mount", "sh", "-c"),
    """[ -e /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing; exec "$0" "$@" """,
)


@contextlib.contextmanager
def _bcc_tool(name: str, output: Path, *options: str) -> Iterator[Child]:
    command = [*_WITH_TRACEFS, find(name, "bpfcc-tools"), *options]
    with bcc_environment() as environment, output.open("wb") as file:
        ready = holds("[perf_event]")
        with running(command, ready=ready, output=file, environment=environment, end=signal.SIGINT) as child:
            time.sleep(SETTLE_SECONDS)
            yield child


def tcplife(output: Path) -> AbstractContextManager[Child]:
    """bcc's tcplife: a line for each socket that closes."""
    return _bcc_tool("tcplife-bpfcc", output)


def tcptop(output: Path) -> AbstractContextManager[Child]:
    """bcc's tcptop: the top connections each second."""
    return _bcc_tool("tcptop-bpfcc", output, "-C", "1")


def no_kprobes() -> str:
    """Why a tool that hooks kernel functions cannot run."""
    return "" if KPROBES.exists() else "needs kprobes, which this kernel has not"


@contextlib.contextmanager
def polling_ss(output: Path, options: str = "-tin") -> Iterator[Child]:
    """ss each second; polls are divided by a line that says so."""
    loop = f'while :; do echo poll; "{find("ss", "iproute2")}" {options}; sleep 1; done'
    with output.open("wb") as file, running(["sh", "-c", loop], ready=lambda _: True, output=file) as child:
        yield child


TAILRACE: Final = Watcher("tailrace run", tailrace)
TCPLIFE: Final = Watcher("tcplife-bpfcc", tcplife)
SS: Final = Watcher("ss -tin each second", polling_ss)
TCPTOP: Final = Watcher("tcptop-bpfcc", tcptop, no_kprobes)
PEERS: Final = (TCPLIFE, SS, TCPTOP)
