"""Graphs as both runners run them: bounded, counted, in order; and an actor that fails skips nothing."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from actors.items import Tick
from engine.faust_runner import FaustRunner
from engine.graph import Graph
from engine.role import Role
from engine.runner import AsyncioRunner, Runner
from model.actor import Actor
from model.errors import TailraceError
from model.frame_source import Origin
from model.ledger import Ledger
from tests.eventually import eventually

RUNNERS = [AsyncioRunner, lambda: FaustRunner("test", "memory://")]


class Twice(Actor):
    """Gives each item twice, and one more at the end."""

    def handle(self, item: Any) -> Iterable[Any]:
        """Twice."""
        return (item, item)

    def finish(self) -> Iterable[Any]:
        """One more."""
        return (Tick(-1.0),)


class Failing(Actor):
    """Fails at its first item."""

    def handle(self, item: Any) -> Iterable[Any]:
        """Never gives anything."""
        raise ValueError("no such item")


class Kept:
    """An outlet that waits until its gate is open."""

    def __init__(self, *, open_gate: bool = True) -> None:
        self.items: list[float] = []
        self.gate = asyncio.Event()
        if open_gate:
            self.gate.set()

    async def take(self, item: Any) -> None:
        """Keeps the time."""
        await self.gate.wait()
        self.items.append(item.now)

    async def flush(self) -> None:
        """Nothing is kept back."""


@pytest.mark.parametrize("make", RUNNERS)
async def test_a_slow_outlet_holds_up_all_before_it_and_loses_nothing(make: Callable[[], Runner]) -> None:
    """Inboxes fill to their limit, no further; what one actor sent is what the next received, in order."""
    graph, kept, runner = Graph(Ledger()), Kept(open_gate=False), make()
    first = graph.actor("first", Twice(), inbox_items=2)
    first >> graph.outlet("kept", kept, inbox_items=3)
    await runner.start(graph)

    async def send() -> None:
        for number in range(20):
            await first.put(Tick(float(number)))

    sending = asyncio.create_task(send())
    counts = graph.statistics()
    await eventually(lambda: [one.waiting for one in graph.statistics().values()] == [2, 3])
    assert not sending.done()
    kept.gate.set()
    await sending
    for place in graph.in_order():
        await place.idle()
        await place.finish()
    await graph.in_order()[-1].idle()
    await runner.stop()
    assert kept.items == [float(number) for number in range(20) for _ in range(2)] + [-1.0]
    assert (counts["first"].received, counts["first"].sent, counts["kept"].received) == (20, 41, 41)


@pytest.mark.parametrize("make", RUNNERS)
async def test_an_actor_that_fails_ends_the_role_with_its_name(make: Callable[[], Runner]) -> None:
    """One error that says which actor, what and where; the item is not skipped, and no other is begun."""
    graph, kept = Graph(Ledger()), Kept()
    failing = graph.actor("failing", Failing())
    graph.clock("clock", 0.01) >> failing >> graph.outlet("kept", kept)
    with pytest.raises(TailraceError, match=r"the actor failing failed: ValueError: no such item at .*\.py:"):
        await asyncio.wait_for(Role(graph, make()).run(), 20)
    assert (kept.items, graph.statistics()["failing"].received) == ([], 1)


class Starting:
    """A source whose start does not end by itself, and a service that is there before it."""

    origin = Origin("node", "boot", 1)
    recorded = False

    def __init__(self) -> None:
        self.done: list[str] = []
        self.begun = asyncio.Event()

    async def start(self) -> None:
        """Until it is cancelled."""
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.done.append("start")

    async def run(self, send: Any) -> None:
        """Is not called."""
        self.done.append("run")

    def stop(self) -> None:
        """Is not called."""
        self.done.append("stop")

    def close(self) -> None:
        """Whatever happened."""
        self.done.append("close")

    async def __aenter__(self) -> None:
        self.done.append("enter")

    async def __aexit__(self, *_: object) -> None:
        self.done.append("leave")


@pytest.mark.parametrize("make", RUNNERS)
async def test_a_role_that_is_stopped_while_it_starts_waits_for_nothing(make: Callable[[], Runner]) -> None:
    """What was started ends in the opposite order; it is no failure, and the role was never ready."""
    graph, source, ready = Graph(Ledger()), Starting(), asyncio.Event()
    graph.service(source)
    graph.source("source", source) >> graph.actor("twice", Twice()) >> graph.outlet("kept", Kept())
    role = Role(graph, make())
    running = asyncio.create_task(role.run(ready))
    await source.begun.wait()
    role.stop()
    await asyncio.wait_for(running, 20)
    assert (source.done, ready.is_set()) == (["enter", "start", "close", "leave"], False)


async def test_a_start_that_takes_too_long_by_its_own_limit_is_a_failure() -> None:
    """A time-out of a part is no stop."""

    class Late(Starting):
        async def start(self) -> None:
            raise TimeoutError("no answer")

    graph = Graph(Ledger())
    graph.source("source", Late()) >> graph.outlet("kept", Kept())
    with pytest.raises(TimeoutError, match="no answer"):
        await asyncio.wait_for(Role(graph, AsyncioRunner()).run(), 20)


def test_an_agent_loads_neither_faust_nor_joiner_nor_sinks() -> None:
    """What it needs for its graph comes without them."""
    modules = "engine.cli, engine.graphs, engine.bus_outlets, engine.nats.node_publisher, engine.runner"
    unwanted = (
        "faust",
        "mode",
        "sinks.fan_out",
        "sinks.sink_queue",
        "actors.join",
        "actors.windows",
        "actors.workloads",
    )
    program = f"import sys, {modules}; print([name for name in {unwanted} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
