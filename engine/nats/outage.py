"""While NATS is away: growing pauses between attempts, and a line a minute at most that says how much waits."""

import logging
import time
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)

#: Seconds between the first two attempts, and at most: so long after its return a server may be found.
FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 5.0

#: Seconds between two lines in the log.
LINE_PAUSE: Final = 60.0


class Outage:
    """Of one connection, one outage after the other.

    :param waiting: says what is kept meanwhile; empty for nothing.
    """

    def __init__(
        self, waiting: Callable[[], str] = lambda: "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._waiting = waiting
        self._clock = clock
        self._pause = FIRST_PAUSE
        self._next_line = float("-inf")
        self._logged = False

    def failed(self, what: str) -> float:
        """Note an attempt that failed; returns the seconds to wait before the next."""
        if self._clock() >= self._next_line:
            self._next_line = self._clock() + LINE_PAUSE
            self._logged = True
            log.warning("%s", "; ".join(filter(None, (what, self._waiting()))))
        pause, self._pause = self._pause, min(LONGEST_PAUSE, 2 * self._pause)
        return pause

    def over(self, where: str) -> None:
        """Note that there is a connection."""
        if self._logged:
            log.warning("%s is back", where)
        self._logged, self._pause = False, FIRST_PAUSE
