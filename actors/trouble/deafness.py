"""How long nothing has come at all: that is no health."""

from typing import Final

#: What is older than the open tick by fewer ticks is late; else the clock was put back.
LATE_TICKS: Final = 6
#: Ticks without anything after which that is said.
_DEAF_TICKS: Final = 2


class Deafness:
    """Told of all that comes, and of the time.

    :param tick_s: seconds of a tick.
    """

    def __init__(self, tick_s: int) -> None:
        self._tick_s = tick_s
        self._came = True
        self._since = 0.0  # of the monotonic clock
        self._told = 0

    def heard(self) -> None:
        """Something came."""
        self._came = True

    def ticks(self, now: float) -> int:
        """How many were missed, once for each that is missing; 0: that is not to be said.

        :param now: of the monotonic clock, in seconds.
        """
        if self._came:
            self._came, self._since, self._told = False, now, 0
            return 0
        ticks = int((now - self._since) / self._tick_s)
        if ticks < _DEAF_TICKS or ticks <= self._told:
            return 0
        self._told = ticks
        return ticks
