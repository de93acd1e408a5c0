"""Counts by edge and something more of the last ticks, for what a message says beside the cause."""

from collections import Counter, deque
from collections.abc import Iterable, Set
from typing import Final, Generic, Protocol, TypeVar

from actors.trouble.recent import TICKS

#: Kinds of one tick at most; those that count least are left out beyond it.
MOST: Final = 1000


class EdgeKey(Protocol):
    """What is counted together, of one edge."""

    @property
    def edge(self) -> str:
        """As ``edge_text`` writes it."""


Key = TypeVar("Key", bound=EdgeKey)


class CountsByEdge(Generic[Key]):
    """A window of the last ticks.

    :ivar left_out: kinds that were not counted, for want of room.
    """

    def __init__(self, ticks: int = TICKS, most: int = MOST) -> None:
        self._most = most
        self._now: Counter[Key] = Counter()
        self._ticks: deque[dict[str, Counter[Key]]] = deque(maxlen=ticks)  # by edge
        self.left_out = 0

    def add_counted(self, counts: Iterable[tuple[Key, int]]) -> None:
        """What another counted in a tick."""
        for key, count in counts:
            self._now[key] += count

    def end_tick(self) -> list[tuple[Key, int]]:
        """What was counted since the last one, which is a tick."""
        counts = self._now.most_common(self._most)
        self.left_out += len(self._now) - len(counts)
        by_edge: dict[str, Counter[Key]] = {}
        for key, count in counts:
            by_edge.setdefault(key.edge, Counter())[key] = count
        self._ticks.append(by_edge)
        self._now = Counter()
        return counts

    def of(self, edges: Set[str], ticks: int) -> Counter[Key]:
        """What was counted of these edges.

        :param ticks: how many of the last.
        """
        counts: Counter[Key] = Counter()
        for tick in list(self._ticks)[-ticks:]:
            for edge in sorted(tick.keys() & edges):
                counts.update(tick[edge])
        return counts
