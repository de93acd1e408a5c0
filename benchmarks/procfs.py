"""What the kernel says of a process: processor time and memory."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class CpuTime:
    """Seconds of processor time since the process began (proc(5): utime and stime)."""

    user: float
    system: float

    def __sub__(self, other: "CpuTime") -> "CpuTime":
        return CpuTime(self.user - other.user, self.system - other.system)


def cpu_time(pid: int) -> CpuTime:
    """Of all threads of a process.

    :raises OSError: if it is gone.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return CpuTime(int(fields[11]) / _TICKS, int(fields[12]) / _TICKS)


@dataclass(frozen=True)
class Memory:
    """MB resident now, and at most so far (proc(5): VmRSS and VmHWM)."""

    now: float
    peak: float


def memory(pid: int) -> Memory:
    """Of a process.

    :raises OSError: if it is gone.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    values = dict(line.split(":", 1) for line in lines)
    now, peak = (int(values[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return Memory(now, peak)
