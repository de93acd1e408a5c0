"""Processes as /proc shows them; proc_pid_stat(5), proc_pid_cmdline(5). Everything here blocks: for a thread."""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
#: Of a command line, at most.
COMMAND_BYTES: Final = 1024
#: Bits of a program's number that count executions; its beginning is in steps of what they leave.
_EXECUTIONS: Final = 0xFF
_STEP_NS: Final = _EXECUTIONS + 1
#: Between readings of two clocks, one after the other.
_CLOCKS_NS: Final = 100_000
_TICK_NS: Final = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_DELETED: Final = " (deleted)"


@dataclass(frozen=True)
class ProcessFacts:
    """What is known of a process, and of the program it runs.

    :param executable: its path; empty for the kernel's own.
    :param arguments: each ends with a zero byte.
    :param started_ns: the process; CLOCK_MONOTONIC.
    :param spread_ns: by how much later it may have begun: /proc counts in ticks, also while the machine sleeps.
    :param executions: by the process and its parents, in the low 8 bits; None: the kernel did not tell.
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
    spread_ns: int = 0
    executions: int | None = None

    def runs(self, program: int) -> bool:
        """Whether this is the process, and may be the program, of that number (``struct owner``)."""
        began = program & ~_EXECUTIONS
        same = self.started_ns - _STEP_NS < began <= self.started_ns + self.spread_ns
        return same and self.executions in (None, program & _EXECUTIONS)

    def is_told_by(self, read: "ProcessFacts") -> bool:
        """Whether what /proc has is of the same program: it begins with the arguments that are known."""
        known = (
            self.arguments[:-1] if self.cut else self.arguments
        )  # behind those that were cut there is no zero
        return self.executions is None or read.arguments.startswith(known.rstrip(b"\0"))

    def of_program(self, told: "ProcessFacts") -> "ProcessFacts":
        """The same, with the times and the number that the kernel told."""
        return replace(self, started_ns=told.started_ns, spread_ns=told.spread_ns, executions=told.executions)

    def is_process_of(self, other: "ProcessFacts") -> bool:
        """Whether both may be of one process."""
        return (
            self.started_ns <= other.started_ns + other.spread_ns
            and other.started_ns <= self.started_ns + self.spread_ns
        )


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
    """One process; None if it is gone, or not to be read now: another took its number, or it executes a program."""
    folder = proc / str(pid)
    try:
        ticks, executable = _ticks(folder), _executable(folder)
        uid = _uid((folder / "status").read_bytes())
        with (folder / "cmdline").open("rb") as file:
            arguments = file.read(COMMAND_BYTES + 1)
        if (ticks, executable) != (_ticks(folder), _executable(folder)):
            return None
    except (OSError, ValueError):
        return None
    if (
        executable and not arguments
    ):  # in the midst of executing: the new program's arguments are not there yet
        return None
    slept_ns = _slept_ns()  # some of it perhaps before the process began
    started_ns = ticks * _TICK_NS - slept_ns - _CLOCKS_NS
    spread_ns = _TICK_NS + max(slept_ns, 0) + 2 * _CLOCKS_NS
    return ProcessFacts(pid, uid, executable, arguments, started_ns, spread_ns=spread_ns)


def _ticks(folder: Path) -> int:
    """When it began: field 22, ticks since boot, the time that the machine slept included."""
    stat = (folder / "stat").read_bytes()
    return int(stat[stat.rindex(b")") :].split()[20])


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
