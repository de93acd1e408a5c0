"""The BPF program that fills a ring for the measurement, and how large the ring and the load are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from probes.kernel.bpf.maps import possible_cpus
from probes.kernel.layout import shared_record
from probes.kernel.layout import source as header

#: As the product's default.
RING_BYTES: Final = 8 << 20
EVENTS: Final = 1_500_000
#: How long a reader waits for more before it takes the load to have ended.
QUIET_SECONDS: Final = 0.5

WAYS: Final = {"mapped": 0, "ring_buffer_poll": 1, "perf_buffer_poll": 2}


@dataclass(frozen=True)
class Cost:
    """What a reader spent: seconds of processor time, user and system, on so many events."""

    events: int
    lost: int
    cpu_seconds: float

    @property
    def microseconds(self) -> float:
        """Per event."""
        return self.cpu_seconds / max(1, self.events) * 1e6

    def as_dict(self) -> dict[str, Any]:
        """For the way from a child process."""
        return {"events": self.events, "lost": self.lost, "cpu_seconds": self.cpu_seconds}


def source() -> str:
    """The text of the program."""
    return f"{header('tcp')}\n{Path(__file__).with_name('bpf').joinpath('ring_events.c').read_text()}"


def defines(way: str, call: int) -> dict[str, int]:
    """What its text leaves open: the way out, and the number of the system call that the generator makes."""
    wakeup = RING_BYTES // shared_record().itemsize // 8 // possible_cpus()
    return {
        "WAY": WAYS[way],
        "GENERATOR_CALL": call,
        "RING_BYTES": RING_BYTES,
        "WAKEUP_EVENTS": max(1, wakeup),
    }
