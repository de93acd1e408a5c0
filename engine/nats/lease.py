"""How long a worker may go on without a word from the server."""

import time
from collections.abc import Callable

#: The share of a lease by which the worker stops before the server gives its place away.
MARGIN = 0.25

#: Seconds that the server has to take a lease back when its holder ends; after that it lapses by itself.
LEAVE_SECONDS = 0.75


def boot_clock() -> float:
    """Seconds since boot, those in suspend included: the server does not stop while this machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """The right to work, until a moment that is surely before the server's end of it.

    The server counts from when it stored a renewal, which was after the worker sent it; the worker counts
    from before it sent it, and a margin less.

    :param seconds: after which the server forgets a lease that was not renewed.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = boot_clock) -> None:
        self.seconds = seconds
        self.clock = clock
        self._until = float("-inf")

    @property
    def left(self) -> float:
        """Seconds until it lapses; not above 0 once it has."""
        return self._until - self.clock()

    @property
    def held(self) -> bool:
        """Whether the worker may work now."""
        return self.left > 0

    def renewed(self, sent_at: float) -> bool:
        """The server stored a renewal that was sent then; one that comes too late changes nothing.

        :returns: whether the lease is held.
        """
        if self._until == float("-inf") or self.held:
            self._until = max(self._until, sent_at + self.seconds * (1 - MARGIN))
        return self.held

    def end(self) -> None:
        """Give it up; the next renewal begins a new one."""
        self._until = float("-inf")
