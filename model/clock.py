"""The kernel's monotonic clock mapped to the wall clock: windows are whole wall-clock seconds of the node."""

import time
from collections.abc import Callable

SECOND_NS = 1_000_000_000
#: A wall clock that is off by more than this was set, not adjusted.
STEP_NS = SECOND_NS
#: At most this much correction a second keeps windows whole and in order.
SLEW_NS = 500_000


class Clock:
    """``wall = monotonic + offset_ns``; the offset follows the wall clock slowly, and jumps when it was set."""

    def __init__(
        self,
        wall: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self.offset_ns = wall() - monotonic()
        self.steps = 0

    def now(self) -> int:
        """The wall clock in nanoseconds, as windows are cut."""
        return self._monotonic() + self.offset_ns

    def correct(self) -> None:
        """Moves the offset towards the wall clock; called once a second."""
        off = self._wall() - self.now()
        if abs(off) > STEP_NS:
            self.steps += 1
            self.offset_ns += off
        else:
            self.offset_ns += max(-SLEW_NS, min(SLEW_NS, off))
