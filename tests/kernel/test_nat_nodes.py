"""Several nodes and one engine over NATS: ends are joined across nodes, by whoever knows the NAT between them."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from engine.errors import TailraceError
from engine.heartbeats import last_heartbeats
from engine.nats_address import connection_of
from tests.beds.flows import flows_of
from tests.beds.network import Bed, bed
from tests.beds.played import Played, played
from tests.beds.processes import read_log
from tests.beds.scenes import ROLES, Role, place, stage
from tests.beds.watch import Program, await_that, limited_to, scaled
from tests.nats_server import NatsServer, nats_server

__all__ = ["nats_server"]

pytestmark = pytest.mark.kernel

Nodes = Mapping[str, Sequence[Role]]
TWO_NODES: Nodes = {"left": ("client", "router"), "right": ("server1", "server2")}
THREE_NODES: Nodes = {"left": ("client",), "gateway": ("router",), "right": ("server1", "server2")}
NO_GATEWAY: Nodes = {"left": ("client",), "right": ("server1", "server2")}
#: Several agents on one busy machine are later than agents of their own machines.
_PATIENT: Final = {"TAILRACE_JOIN_WAIT_SECONDS": "6"}


class Installation:
    """An engine, and an agent for each node, which sees the namespaces of its roles only."""

    def __init__(self, engine: Program, agents: Sequence[Program], path: Path) -> None:
        self._engine = engine
        self._agents = agents
        self._path = path

    @classmethod
    @contextlib.contextmanager
    def started(cls, url: str, made: Bed, nodes: Nodes, path: Path) -> Iterator["Installation"]:
        """Every agent has said that it lives."""
        with contextlib.ExitStack() as stack:
            command = ("engine", "--nats", url, "--sink", f"jsonl:{path}")
            engine = stack.enter_context(Program.started(*command, environment=_PATIENT))
            agents = [stack.enter_context(_agent(url, name, made, roles)) for name, roles in nodes.items()]
            await_that(lambda: _alive(url) >= set(nodes), engine, *agents)
            yield cls(engine, agents, path)

    def finish(self, outcome: Played, roles: Sequence[Role]) -> None:
        """Ends the agents, then the engine once it has told of the end of everything."""
        for agent in self._agents:
            agent.stop()
        cases = outcome.cases(roles)

        def told() -> bool:
            rows = (row for row in read_log(self._path) if row["kind"] == "flow" and outcome.territory(row))
            return sum(bool(row.get("connection.closed")) for row in rows) >= len(cases)

        await_that(told, self._engine)
        self._engine.stop()
        outcome.rows = read_log(self._path)


@contextlib.contextmanager
def _agent(url: str, name: str, made: Bed, roles: Sequence[Role]) -> Iterator[Program]:
    environment = limited_to([place(made, role).namespace for role in roles])
    command = ("agent", "--nats", url)
    with Program.started(*command, environment=environment | {"TAILRACE_NODE": name}) as agent:
        yield agent


def _alive(url: str) -> set[str]:
    """Names of the nodes that have a heartbeat."""
    try:
        heartbeats = asyncio.run(last_heartbeats(connection_of(url), ()))
    except TailraceError:  # none of them yet
        return set()
    return {seen.heartbeat.node for seen in heartbeats}


def play(url: str, nodes: Nodes, folder: Path) -> Played:
    """All scenes, told by the nodes."""
    path = folder / "flows.jsonl"
    with (
        bed() as made,
        stage(made, "nftables", folder) as playing,
        Installation.started(url, made, nodes, path) as installation,
    ):
        playing.play_all(scaled(10))
        outcome = played(playing)
        installation.finish(outcome, [role for roles in nodes.values() for role in roles])
    return outcome


@pytest.mark.parametrize("nodes", [TWO_NODES, THREE_NODES], ids="+".join)
def test_ends_of_different_nodes_are_joined(nats_server: NatsServer, nodes: Nodes, tmp_path: Path) -> None:
    """Each connection is one flow with both ends, each named by its node, wherever the NAT entry is known."""
    outcome = play(nats_server.url(), nodes, tmp_path)
    outcome.check()
    node = {role: name for name, roles in nodes.items() for role in roles}
    for flow in (flow for flow in flows_of(outcome.rows) if outcome.territory(flow.rows[0])):
        client, server = (outcome.roles.get(name, "router") for name in (flow.called.source, flow.server[0]))
        last = flow.rows[-1]
        assert (last["client.node"], last["server.node"]) == (node[client], node[server])


def test_without_the_gateway_ends_stay_apart(nats_server: NatsServer, tmp_path: Path) -> None:
    """Where nobody tells of the NAT between them, each end is told of as it sees the connection."""
    outcome = play(nats_server.url(), NO_GATEWAY, tmp_path)
    roles = [role for role in ROLES if role != "router"]
    assert {case.evidence for case in outcome.cases(roles)} >= {"both", "address", "nat"}
    outcome.check(roles)
