"""Whether the actors of a graph get on with their work: what feeds the watchdog."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


class Place(Protocol):
    """What is known from outside of a place in a graph."""

    @property
    def name(self) -> str: ...

    @property
    def moves(self) -> int:
        """Grows with each item that it takes up or hands on."""

    @property
    def due(self) -> bool:
        """Whether it has something to do, and waits for nobody else."""


@dataclass
class _LastMove:
    moves: int
    since: float


class Progress:
    """Looks at places again and again.

    :param stall_seconds: seconds for which a place that has something to do may do nothing.
    """

    def __init__(self, places: Iterable[Place], stall_seconds: float) -> None:
        self._places = list(places)
        self._stall_seconds = stall_seconds
        self._last = {place.name: _LastMove(-1, 0.0) for place in self._places}

    def stuck(self, now: float) -> str:
        """The name of a place that is stuck; empty if none is.

        :param now: monotonic, in seconds.
        """
        for place in self._places:
            last = self._last[place.name]
            if place.moves != last.moves or not place.due:
                self._last[place.name] = _LastMove(place.moves, now)
            elif now - last.since > self._stall_seconds:
                return place.name
        return ""
