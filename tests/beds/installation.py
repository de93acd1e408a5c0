"""Agents and an engine over NATS as a bed has them, and the JSON lines that the engine writes."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.nats.address import connection_of
from engine.nats.heartbeats import last_heartbeats
from model.errors import TailraceError
from tests.beds.processes import read_log
from tests.beds.watch import Program, await_that, limited_to


class Installation:
    """An engine, and an agent for each node."""

    def __init__(self, engine: Program, agents: Sequence[Program], path: Path) -> None:
        self._engine = engine
        self._agents = agents
        self._path = path

    @classmethod
    @contextlib.contextmanager
    def started(
        cls,
        url: str,
        nodes: Mapping[str, Sequence[str]],
        path: Path,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator["Installation"]:
        """Every agent has said that it lives.

        :param nodes: names, and patterns of the network namespaces that each agent is to see.
        :param environment: settings of the engine.
        """
        with contextlib.ExitStack() as stack:
            command = ("engine", "--nats", url, "--sink", f"jsonl:{path}")
            engine = stack.enter_context(Program.started(*command, environment=environment))
            agents = [stack.enter_context(_agent(url, *node)) for node in nodes.items()]
            await_that(lambda: alive(url) >= set(nodes), engine, *agents)
            yield cls(engine, agents, path)

    def told(self) -> list[dict[str, Any]]:
        """What the engine wrote so far."""
        return read_log(self._path)

    def await_that(self, condition: Callable[[], bool]) -> None:
        """Returns when it holds, while all of them run."""
        await_that(condition, self._engine, *self._agents)

    def rows(self, complete: Callable[[], bool]) -> list[dict[str, Any]]:
        """All that the engine wrote, after the end of the agents, and of the engine once that is complete."""
        for agent in self._agents:
            agent.stop()
        await_that(complete, self._engine)
        self._engine.stop()
        return self.told()


@contextlib.contextmanager
def _agent(url: str, name: str, namespaces: Sequence[str]) -> Iterator[Program]:
    environment = limited_to(namespaces) | {"TAILRACE_NODE": name}
    with Program.started("agent", "--nats", url, environment=environment) as agent:
        yield agent


def alive(url: str) -> set[str]:
    """Names of the nodes that have a heartbeat: since the server started, for it keeps them in memory."""
    try:
        heartbeats = asyncio.run(last_heartbeats(connection_of(url), ()))
    except TailraceError:  # none of them yet
        return set()
    return {seen.heartbeat.node for seen in heartbeats}
