"""Processes as /proc shows them; proc_pid_stat(5), proc_pid_cmdline(5). Everything here blocks: for a thread."""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
#: Of a command line, at most.
COMMAND_BYTES: Final = 1024
_TICK_NS: Final = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_DELETED: Final = " (deleted)"


@dataclass(frozen=True)
class ProcessFacts:
    """What is known of a process, and of the program it runs.

    :param executable: its path; empty for the kernel's own.
    :param arguments: each ends with a zero byte.
    :param started_ns: the process; CLOCK_MONOTONIC.
    :param named: whether the path is whole: it begins at the root and was not cut.
    :param cut: whether there are more arguments.
    """

    pid: int
    uid: int
    executable: str
    arguments: bytes
    started_ns: int
    named: bool = True
    cut: bool = False


@dataclass(frozen=True)
class Census:
    """Who was there at ``at_ns`` (CLOCK_MONOTONIC).

    :param live: all pids.
    :param read: those that were to be read.
    """

    at_ns: int
    live: frozenset[int]
    read: list[ProcessFacts]


def take_census(known: frozenset[int], unsure: Iterable[int], limit: int, proc: Path = PROC) -> Census:
    """Lists all processes; reads those that are not ``known``, and those of which not all is sure.

    :param limit: of processes read.
    :raises OSError: if /proc cannot be listed.
    """
    at_ns = time.monotonic_ns()
    names = os.listdir(proc)  # noqa: PTH208 - names are all that is needed
    live = frozenset(int(name) for name in names if name.isdecimal())
    wanted = [*sorted(live - known), *(pid for pid in unsure if pid in live)]
    return Census(at_ns, live, list(_read(wanted[:limit], proc)))


def _read(pids: Iterable[int], proc: Path) -> Iterator[ProcessFacts]:
    for pid in pids:
        facts = read_process(pid, proc)
        if facts:
            yield facts


def read_process(pid: int, proc: Path = PROC) -> ProcessFacts | None:
    """One process; None if it is gone, or not to be read now."""
    folder = proc / str(pid)
    try:
        started = _started((folder / "stat").read_bytes())
        uid = _uid((folder / "status").read_bytes())
        with (folder / "cmdline").open("rb") as file:
            arguments = file.read(COMMAND_BYTES + 1)
    except (OSError, ValueError):
        return None
    executable = _executable(folder)
    if (
        executable and not arguments
    ):  # in the midst of executing: the new program's arguments are not there yet
        return None
    return ProcessFacts(pid, uid, executable, arguments, started)


def _started(stat: bytes) -> int:
    """Field 22, ticks since boot, as CLOCK_MONOTONIC, which does not count the time that the machine slept."""
    ticks = int(stat[stat.rindex(b")") :].split()[20])
    return ticks * _TICK_NS - _slept_ns()


def _slept_ns() -> int:
    """How far the clocks are apart, from the closest of some readings: this thread may be stopped between two."""
    readings = []
    for _ in range(3):
        before = time.monotonic_ns()
        boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        readings.append((time.monotonic_ns() - before, boot - before))
    return min(readings)[1]


def _uid(status: bytes) -> int:
    """The effective one. The owner of the folder would be root for processes that may not be dumped."""
    line = status[status.index(b"\nUid:") :].split(maxsplit=3)
    return int(line[2])


def _executable(folder: Path) -> str:
    try:
        return os.readlink(folder / "exe").removesuffix(_DELETED)  # noqa: PTH115 - no Path is needed
    except OSError:  # the kernel's own have none; others need a right that we may not have
        return ""
