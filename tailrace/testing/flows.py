"""Synthetic flow batches: plausible connections with one or both ends seen, the same for the same seed."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from model.addresses import address_bytes
from model.arrays import Columns
from model.batch import Batch
from model.chains import HOP, Chains
from model.handshake import Handshake
from model.kinds.delta import CloseReason
from model.kinds.drop import Dropped
from model.kinds.flow import END_COLUMNS, FLOW, NOWHERE, FlowEvidence, Node
from tailrace.testing.deltas import CGROUPS, WINDOW, make_deltas

#: As the sinks get them; the first of each table stands for nothing.
PATHS: Final = ["", *CGROUPS]
NODE: Final = Node("node-a", "boot-1")
OTHER_NODE: Final = Node("db.7", "boot-2")
NODES: Final = [NOWHERE, NODE, OTHER_NODE]
#: Of a client that called a service: what it called, and who answered.
HOPS: Final = np.array(
    [
        (address_bytes("10.0.0.5"), address_bytes("10.96.0.10"), 51234, 443),
        (address_bytes("10.0.0.5"), address_bytes("10.244.1.7"), 51234, 6443),
    ],
    HOP,
)
CHAINS: Final = Chains(np.array([len(HOPS)], np.uint8), HOPS)
HANDSHAKES: Final = [
    Handshake(),
    Handshake("1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "shop.example", "h2", "h2,http/1.1"),
]
SERVER_NAMES: Final = ["", "api.example.com", "db.example.com"]
DROPPED: Final = [
    Dropped(),
    Dropped(
        "dropped by netfilter in namespace 4026532301 of node-a, hook FORWARD",
        *("netfilter", "NETFILTER_DROP", "FORWARD", "nft_do_chain", "node-a", "4026532301"),
    ),
]
ENTITIES: Final = [{}, {"host.name": "node-a", "container.name": "web"}, {"k8s.pod.name": "db-0"}]

_BOTH: Final = FlowEvidence.BOTH
_GRADES: Final = (_BOTH, _BOTH, _BOTH, *FlowEvidence)


def make_flows(
    rows: int,
    *,
    seed: int = 0,
    window: int = WINDOW,
    node: str = "node-a",
    boot: str = "boot-1",
    seq: int = 0,
    ipv6: float = 0.25,
    columns: Mapping[str, object] | None = None,
    ends: tuple[Node, Node] = (NODE, OTHER_NODE),
) -> Batch:
    """``rows`` connections of one window; a tenth each is opened, closed, or a connect that failed.

    Of half of them both ends report; of a few the service's address is not the server's.

    :param ipv6: share of the rows that have IPv6 addresses.
    :param columns: values, one for all or one per row, that replace those of a column.
    :param ends: where clients and servers are, if they are known.
    """
    random = np.random.default_rng(seed)
    deltas = make_deltas(rows, seed=seed, window=window, ipv6=ipv6).columns
    made = FLOW.empty(rows)
    _connections(made, deltas, random)
    _rewrites(made, random)
    _ends(made, deltas, seq)
    for name, value in (columns or {}).items():
        made[name][:] = np.asarray(value, made[name].dtype)
    tables: dict[str, Any] = {
        "cgroups": list(PATHS),
        "nodes": [NOWHERE, *ends],
        "chains": CHAINS,
        "entities": ENTITIES,
        "handshakes": HANDSHAKES,
        "names": list(SERVER_NAMES),
        "dropped": DROPPED,
    }
    return Batch(FLOW, node, boot, seq, window, made, tables)


def flows_of(*rows: Mapping[str, object]) -> Batch:
    """A batch of just these rows: columns that are not named are 0."""
    columns = FLOW.empty(len(rows))
    for place, row in enumerate(rows):
        for name, value in row.items():
            columns[name][place] = np.asarray(value, columns[name].dtype)
    tables: dict[str, Any] = {
        "cgroups": list(PATHS),
        "nodes": list(NODES),
        "chains": CHAINS,
        "entities": ENTITIES,
        "handshakes": HANDSHAKES,
        "names": list(SERVER_NAMES),
        "dropped": DROPPED,
    }
    return Batch(FLOW, "node-a", "boot-1", 0, WINDOW, columns, tables)


def _connections(columns: Columns, deltas: Columns, random: np.random.Generator) -> None:
    rows = len(columns["connection.id"])
    columns["connection.id"][:] = random.integers(1, 2**64, rows, dtype=np.uint64)
    columns["network.type"][:] = deltas["network.type"]
    columns["client.address"][:] = deltas["network.local.address"]
    columns["client.port"][:] = deltas["network.local.port"]
    for end in ("service", "server"):
        columns[f"{end}.address"][:] = deltas["network.peer.address"]
        columns[f"{end}.port"][:] = deltas["network.peer.port"]
    for name in ("opened", "closed", "failed", "opened_at_ns", "closed_at_ns"):
        columns[f"connection.{name}"][:] = deltas[f"connection.{name}"]
    grades = random.choice(np.array(_GRADES, np.uint8), rows)
    columns["evidence"][:] = np.where(deltas["connection.failed"] == 1, FlowEvidence.ADDRESS, grades)


def _rewrites(columns: Columns, random: np.random.Generator) -> None:
    """A tenth of IPv4 connections called another address than the one that answered."""
    rewritten = (random.random(len(columns["connection.id"])) < 0.1) & (columns["network.type"] == 4)
    rewritten |= columns["evidence"] == FlowEvidence.NAT
    columns["service.address"][rewritten] = np.frombuffer(address_bytes("10.96.0.10"), "V16")
    columns["service.port"][rewritten] = 443
    columns["nat.index"][:] = rewritten


def _ends(columns: Columns, deltas: Columns, seq: int) -> None:
    grade = columns["evidence"]
    one_sided = (FlowEvidence.ADDRESS, FlowEvidence.NAT, FlowEvidence.CLIENT)
    _end(columns, deltas, "client", (grade == _BOTH) | np.isin(grade, one_sided), seq)
    _end(columns, deltas, "server", (grade == _BOTH) | (grade == FlowEvidence.SERVER), seq + 1)


def _end(columns: Columns, deltas: Columns, side: str, seen: np.ndarray, seq: int) -> None:
    """Fill in one end where it is seen; the server's counters mirror the client's."""
    mirrored = {"tx_bytes": "rx_bytes", "rx_bytes": "tx_bytes"} if side == "server" else {}
    for name in END_COLUMNS:
        source = mirrored.get(name, name)
        if source in deltas:
            columns[f"{side}.{name}"][seen] = deltas[source][seen]
    columns[f"{side}.reported"][:] = seen
    columns[f"{side}.node.index"][seen] = 1 + (side == "server")
    columns[f"{side}.seq"][seen] = seq
    columns[f"{side}.cgroup.index"][seen] += 1
    if side == "server":
        columns["server.process.pid"][seen] += 100
        reason = columns["server.connection.close_reason"]
        reason[reason == CloseReason.FIN_SENT] = CloseReason.FIN_RECEIVED
