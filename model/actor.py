"""What an actor is: a pure state machine. ``engine/actor.py`` runs it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any


class Actor(ABC):
    """Takes one item at a time, in order, and gives the items that it makes of it.

    It does no I/O and asks nobody for the time: what it has to know comes as an item. It runs alone: the next item
    waits until the last one that ``handle`` gave has been handed on.
    """

    @abstractmethod
    def handle(self, item: Any) -> Iterable[Any]:
        """What ``item`` gives rise to. An item that it has no use for is passed on."""

    def finish(self) -> Iterable[Any]:
        """What it still holds, when no more items come."""
        return ()
