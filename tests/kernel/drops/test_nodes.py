"""Drops over NATS: one node drops what another's connection sent, and the engine puts them together."""

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.beds.installation import Installation
from tests.kernel.drops.bed import SERVER_ADDRESS, opened, refused, rules
from tests.kernel.nat_network import CLIENT, ROUTER, SERVER, nat_network
from tests.nats_server import NatsServer, nats_server

__all__ = ["nats_server"]

pytestmark = pytest.mark.kernel

PORT = 2951


def test_a_connect_that_another_node_drops_says_so(
    nats_server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row of the flow names the node; rows of drops name the flow, as many as the rule counts."""
    monkeypatch.setenv("TAILRACE_DROPS_ENABLED", "on")  # of agents
    with nat_network("trn") as network:
        nodes = {"left": [network.name(CLIENT)], "right": [network.name(ROUTER), network.name(SERVER)]}
        with (
            Installation.started(
                nats_server.url(), nodes, tmp_path / "rows.jsonl", {"TAILRACE_STAGE": "flows,drops"}
            ) as installation,
            opened(network, SERVER, socket.SOCK_STREAM) as listener,
            rules(network, ROUTER, "iptables", "FORWARD", ("dport", PORT)) as dropped,
        ):
            listener.bind(("0.0.0.0", PORT))
            listener.listen()
            caller, outcome = refused(network, SERVER_ADDRESS, PORT, 2.5)
            assert outcome == "TimeoutError"
            count = dropped()

            def told() -> list[dict[str, Any]]:
                return [row for row in installation.told() if row.get("client.port") == caller]

            def drops() -> list[dict[str, Any]]:
                rows = [row for row in installation.told() if row["kind"] == "drop"]
                return [row for row in rows if row["source.port"] == caller]

            installation.await_that(lambda: any(row.get("connection.failed") for row in told()))
            installation.await_that(lambda: sum(row["drops"] for row in drops()) >= count)
            (failed,) = (row for row in told() if row.get("connection.failed"))
            assert failed["client.node"] == "left"
            assert failed["drop.message"].startswith(
                f"dropped by netfilter in namespace {network.inode(ROUTER)} of "
            )
            assert failed["drop.node"] == "right"
            assert failed["drop.hook"] == "FORWARD"
            assert sum(row["drops"] for row in drops()) == count >= 2
            assert {row["node"] for row in drops()} == {"right"}
            assert failed["connection.id"] in {row.get("connection.id") for row in drops()}
