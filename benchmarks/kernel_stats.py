"""Run time and count of BPF programs, as the kernel measures them while ``kernel.bpf_stats_enabled`` is 1."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from probes.kernel.bpf.programs import program_info

SWITCH: Final = Path("/proc/sys/kernel/bpf_stats_enabled")


@dataclass(frozen=True)
class Runs:
    """Nanoseconds that a program ran, and how often."""

    ns: int
    count: int

    def __sub__(self, other: "Runs") -> "Runs":
        return Runs(self.ns - other.ns, self.count - other.count)

    def __add__(self, other: "Runs") -> "Runs":
        return Runs(self.ns + other.ns, self.count + other.count)

    @property
    def each(self) -> float | None:
        """Nanoseconds per run; None if it did not run."""
        return self.ns / self.count if self.count else None


NONE: Final = Runs(0, 0)


def runs(program: int) -> Runs:
    """Of a program, by its descriptor."""
    info = program_info(program)
    return Runs(info.run_time_ns, info.run_cnt)


@contextlib.contextmanager
def counted() -> Iterator[None]:
    """The kernel counts while the block runs; afterwards the switch stands as it stood.

    :raises OSError: without the right to turn it on.
    """
    before = SWITCH.read_text()
    SWITCH.write_text("1")
    try:
        yield
    finally:
        SWITCH.write_text(before)
