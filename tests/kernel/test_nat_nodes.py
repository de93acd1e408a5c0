"""Several nodes and one engine over NATS: ends are joined across nodes, by whoever knows the NAT between them."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.beds.check import compare, report
from tests.beds.flows import flows_of
from tests.beds.network import FAMILIES, Bed, bed
from tests.beds.played import played
from tests.beds.processes import read_log
from tests.beds.scenes import SCENES, Role, place, stage
from tests.beds.watch import Program, Territory, await_that, limited_to, scaled
from tests.nats_server import NatsServer, nats_server

__all__ = ["nats_server"]

pytestmark = pytest.mark.kernel

Nodes = Mapping[str, Sequence[Role]]
TWO_NODES: Nodes = {"left": ("client", "router"), "right": ("server1", "server2")}
THREE_NODES: Nodes = {"left": ("client",), "gateway": ("router",), "right": ("server1", "server2")}
#: The gateway knows the entry of a connection of which it has no end.
FOUR_NODES: Nodes = {"left": ("client",), "gateway": ("router",), "one": ("server1",), "two": ("server2",)}


@contextlib.contextmanager
def installation(url: str, made: Bed, nodes: Nodes, path: Path) -> Iterator[list[Program]]:
    """An engine, and an agent for each node, which sees the namespaces of its roles only."""
    with contextlib.ExitStack() as stack:
        engine = Program.started("engine", "--nats", url, "--sink", f"jsonl:{path}")
        programs = [stack.enter_context(engine)]
        for name, roles in nodes.items():
            environment = limited_to([place(made, role).namespace for role in roles])
            environment["TAILRACE_NODE"] = f"{made.ground.ipv4(0)}-{name}"
            agent = Program.started("agent", "--nats", url, environment=environment)
            programs.append(stack.enter_context(agent))
        # an agent's first message: all of its hooks are attached
        await_that(lambda: {row["node"] for row in read_log(path)} >= set(nodes), *programs)
        yield programs
