"""When is a second complete? One question, and its two answers: in one process, and behind a bus. Pure: both are told
the time."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from actors.items import Chunk
from actors.windows.new_containers import NewContainers
from model.kinds.delta import DELTA

#: The share of a window's wait in which other nodes' announcements of its rewrites come; what they make of rows has
#: the rest to get where it belongs.
SETTLE_SHARE: Final = 0.5
#: Windows, beside those of the wait itself, by which the newest messages are ahead of one that waits for no more:
#: what is behind is caught up with.
AHEAD: Final = 2
#: Rows held at most, about 300 bytes each; past it the oldest window is complete at once.
HELD_ROWS: Final = 4_000_000


class Completeness(Protocol):
    """Says of each window when its rows can be joined; ``now`` is in seconds of the monotonic clock."""

    def came(self, chunk: Chunk) -> bool:
        """A message came. Returns whether to ask again now; else the next tick is soon enough."""

    def settled(self, now: float) -> list[int]:
        """Windows of whose connections all that other nodes say of their rewriting may be known."""

    def complete(self, now: float) -> list[int]:
        """Windows that wait for no more, the oldest first; each is named once. At infinity all are complete."""


class LocalCompleteness:
    """In one process: a window is complete with its last message.

    One in which a container is seen for the first time, which somebody may name in a moment, waits for the end of the
    next window, once.
    """

    def __init__(self, new_containers: NewContainers) -> None:
        self._new_containers = new_containers
        self._new = False  # there are some in the window under way
        self._waiting: list[int] = []
        self._complete: list[int] = []

    def came(self, chunk: Chunk) -> bool:
        """Every last message of a window may complete it; what was dropped comes before its deltas."""
        batch = chunk.batch
        if batch.kind is not DELTA:
            return False
        self._new |= self._new_containers.among(batch.tables["entities"], batch.window)
        if not batch.last:
            return False
        self._complete += self._waiting
        self._waiting = []
        (self._waiting if self._new else self._complete).append(batch.window)
        self._new = False
        return True

    def settled(self, now: float) -> list[int]:
        """All: this node's own entries came before its rows."""
        return [*self._complete, *self._waiting]

    def complete(self, now: float) -> list[int]:
        """Those that ended and do not wait."""
        complete, self._complete = self._complete, []
        if math.isinf(now):
            complete, self._waiting = complete + self._waiting, []
        return complete


@dataclass
class _Arrivals:
    """What came of one window.

    :param since: when the first of it came.
    :param partitions: of which something came.
    """

    since: float
    partitions: set[int] = field(default_factory=set)
    rows: int = 0


class DistributedCompleteness:
    """Behind a bus: nobody knows how many nodes there are, so a window waits from its first message on.

    After an outage of the bus nodes come back one after another, each with seconds that it kept: these wait until all
    may be back.

    :param wait_seconds: so long.
    :param all_back_at: when all nodes may have come back from the last outage.
    """

    def __init__(self, wait_seconds: float, all_back_at: Callable[[], float] = lambda: -math.inf) -> None:
        self._wait = wait_seconds
        self._all_back_at = all_back_at
        self._ahead = AHEAD + math.ceil(wait_seconds)
        self._windows: dict[int, _Arrivals] = {}
        self._newest: dict[int, int] = {}  # window, by partition
        self._rows = 0

    def came(self, chunk: Chunk) -> bool:
        """Ticks are often enough."""
        window, partition = chunk.batch.window, chunk.partition
        arrivals = self._windows.setdefault(window, _Arrivals(chunk.at))
        arrivals.partitions.add(partition)
        arrivals.rows += len(chunk)
        self._rows += len(chunk)
        self._newest[partition] = max(self._newest.get(partition, 0), window)
        return self._rows > HELD_ROWS

    def settled(self, now: float) -> list[int]:
        """Those that have waited for their share of the time."""
        return self._waited(now, SETTLE_SHARE * self._wait)

    def complete(self, now: float) -> list[int]:
        """Those that have waited for their time."""
        complete = self._waited(now, self._wait)
        for window in complete:
            self._rows -= self._windows.pop(window).rows
        return complete

    def _waited(self, now: float, seconds: float) -> list[int]:
        back_at = self._all_back_at()
        return [
            number
            for number, arrivals in sorted(self._windows.items())
            if now - max(arrivals.since, back_at) >= seconds
            or (now - back_at >= seconds and self._is_behind(number, arrivals))
            or (self._rows > HELD_ROWS and number == min(self._windows))
        ]

    def _is_behind(self, number: int, arrivals: _Arrivals) -> bool:
        return number < min(self._newest[partition] for partition in arrivals.partitions) - self._ahead
