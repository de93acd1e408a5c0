"""Which places of a graph count as stuck."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from engine.actor import ActorPlace, Failure
from engine.graph import Graph
from engine.service.progress import Progress
from model.actor import Actor
from model.ledger import Ledger


@dataclass
class Watched:
    """A place as seen from outside."""

    name: str = "joiner"
    moves: int = 0
    due: bool = True


class Nothing(Actor):
    """Makes nothing of what it is given."""

    def handle(self, item: Any) -> Iterable[Any]:
        return ()


def test_a_place_that_has_something_to_do_and_does_nothing_is_stuck() -> None:
    """After the time that it is given, and no longer once it moves."""
    place = Watched()
    progress = Progress([Watched("idle", due=False), place], stall_seconds=2)
    assert [progress.stuck(now) for now in (0.0, 1.9, 2.1)] == ["", "", "joiner"]
    place.moves += 1
    assert progress.stuck(2.2) == ""


def test_a_place_that_waits_for_others_is_not_stuck() -> None:
    """A sink that is away holds up those before it: to start again would not help."""
    place = Watched(due=False)
    progress = Progress([place], stall_seconds=2)
    assert [progress.stuck(now) for now in (0.0, 10.0)] == ["", ""]
    place.due = True
    assert progress.stuck(11.0) == ""


async def test_an_actor_whose_task_is_gone_is_stuck() -> None:
    """Items wait for it, and nobody takes them."""
    place = ActorPlace("frames", Nothing(), Failure())
    assert not place.due
    await place.put(b"item")
    progress = Progress([place], stall_seconds=1)
    assert [progress.stuck(now) for now in (0.0, 2.0)] == ["", "frames"]


def test_a_source_that_tells_nothing_is_stuck_unless_it_plays_a_recording() -> None:
    """The kernel's and the clock's every second; a recording comes to its end."""
    live, recorded = Graph(Ledger()), Graph(Ledger(), recorded=True)
    for graph in (live, recorded):
        graph.clock("clock", 1.0)
    stuck = [Progress(graph.working_places(), stall_seconds=1) for graph in (live, recorded)]
    assert [[progress.stuck(now) for now in (0.0, 2.0)] for progress in stuck] == [["", "clock"], ["", ""]]
