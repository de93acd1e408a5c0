"""Several nodes and one engine over NATS: ends are joined across nodes, by whoever knows the NAT between them."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.beds.flows import flows_of
from tests.beds.installation import Installation, alive
from tests.beds.network import bed
from tests.beds.outcome import Outcome, outcome_of
from tests.beds.scenes import ROLES, Role, place, stage
from tests.beds.watch import scaled
from tests.nats_server import NatsServer, nats_server

__all__ = ["nats_server"]

pytestmark = pytest.mark.kernel

Nodes = Mapping[str, Sequence[Role]]
TWO_NODES: Nodes = {"left": ("client", "router"), "right": ("server1", "server2")}
THREE_NODES: Nodes = {"left": ("client",), "gateway": ("router",), "right": ("server1", "server2")}
NO_GATEWAY: Nodes = {"left": ("client",), "right": ("server1", "server2")}
#: Several agents on one busy machine are later than agents of their own machines.
#: How long the server is away: longer than seconds wait for each other.
_OUTAGE_SECONDS: Final = 8
_PATIENT: Final = {"TAILRACE_JOIN_WAIT_SECONDS": "6"}


def finish(installation: Installation, outcome: Outcome, roles: Sequence[Role]) -> None:
    """Ends the installation once it has told of the end of everything that these roles saw."""
    cases = outcome.cases(roles)

    def told() -> bool:
        rows = (row for row in installation.told() if row["kind"] == "flow" and outcome.territory(row))
        return sum(bool(row.get("connection.closed")) for row in rows) >= len(cases)

    outcome.rows = installation.rows(told)


def play(url: str, nodes: Nodes, folder: Path) -> Outcome:
    """All scenes, told by the nodes."""
    with bed() as made, stage(made, "nftables", folder) as playing:
        seen = {name: [place(made, role).namespace for role in roles] for name, roles in nodes.items()}
        with Installation.started(url, seen, folder / "flows.jsonl", _PATIENT) as installation:
            playing.play_all(scaled(10))
            outcome = outcome_of(playing)
            finish(installation, outcome, [role for roles in nodes.values() for role in roles])
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


def test_connections_of_an_outage_are_joined(nats_server: NatsServer, tmp_path: Path) -> None:
    """What the gateway knows is kept while NATS is away, as rows are, and waited for when it is back."""
    with bed() as made, stage(made, "nftables", tmp_path) as playing:
        seen = {name: [place(made, role).namespace for role in roles] for name, roles in THREE_NODES.items()}
        with Installation.started(
            nats_server.url(), seen, tmp_path / "flows.jsonl", _PATIENT
        ) as installation:
            playing.play_all(1)
            nats_server.kill()
            for _ in range(_OUTAGE_SECONDS):
                playing.play_all(1)
                time.sleep(1)
            nats_server.start()
            playing.play_all(1)
            outcome = outcome_of(playing)
            installation.await_that(lambda: alive(nats_server.url()) >= seen.keys())
            finish(installation, outcome, ROLES)
    outcome.check()


def test_without_the_gateway_ends_stay_apart(nats_server: NatsServer, tmp_path: Path) -> None:
    """Where nobody tells of the NAT between them, each end is told of as it sees the connection."""
    outcome = play(nats_server.url(), NO_GATEWAY, tmp_path)
    roles = [role for role in ROLES if role != "router"]
    assert {case.evidence for case in outcome.cases(roles)} >= {"both", "address", "nat"}
    outcome.check(roles)
