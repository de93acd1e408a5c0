"""What runs the actors of a graph: the contract, and the plain way, a task for each."""

import asyncio
from typing import Protocol

from engine.actor import ActorPlace
from engine.graph import Graph
from model.tasks import end


class Runner(Protocol):
    """Runs actors, each in turn with its own items. ``start``, then ``stop``, which is called whatever happened."""

    async def start(self, graph: Graph) -> None:
        """Begin to read topics and to handle items.

        :raises TailraceError: if the bus cannot be reached.
        """

    async def stop_reading(self) -> None:
        """Read no more of topics that others share; what was read goes on."""

    async def drain_topics(self) -> None:
        """Return when all that this process put into topics of its own has been handled."""

    async def failed(self) -> None:
        """Return only to raise what ended the runner.

        :raises TailraceError: always.
        """

    async def stop(self) -> None:
        """End all actors."""


class AsyncioRunner:
    """A task for each actor, and no bus: for a process that does without Faust."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, graph: Graph) -> None:
        """Begin to handle items."""
        self._tasks = [asyncio.create_task(_work(place), name=place.name) for place in graph.actors]

    async def stop_reading(self) -> None:
        """There are no topics."""

    async def drain_topics(self) -> None:
        """There are no topics."""

    async def failed(self) -> None:
        """Never returns: a task that fails tells the graph."""
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """End the tasks."""
        tasks, self._tasks = self._tasks, []
        await end(*tasks)


async def _work(place: ActorPlace) -> None:
    while True:
        await place.process(await place.inbox.get())
        place.inbox.task_done()
