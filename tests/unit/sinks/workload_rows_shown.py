"""Workloads of all sorts, for tests of what sinks write."""

from typing import Final

from actors.workloads.workloads import Workloads
from model.addresses import address_bytes
from model.batch import Batch
from model.kinds.flow import FlowEvidence
from model.ledger import Ledger
from tailrace.testing.flows import flows_of

_ENTITIES: Final = [
    {},
    {
        "k8s.workload.name": "cart",
        "k8s.workload.kind": "Deployment",
        "k8s.namespace.name": "shop",
        "cloud.availability_zone": "eu-north-1a",
        "service.version": "1.2",
    },
    {
        "k8s.workload.name": "orders-database-with-a-long-name",
        "k8s.workload.kind": "StatefulSet",
        "k8s.namespace.name": "shop",
        "cloud.availability_zone": "eu-north-1b",
    },
]
_CART: Final = {
    "client.entity.index": 1,
    "server.entity.index": 2,
    "server.port": 5432,
    "client.reported": 1,
    "evidence": FlowEvidence.BOTH,
    "network.transport": 6,
}
_CURL: Final = {
    "client.process.comm": b"curl",
    "server.address": address_bytes("203.0.113.255"),
    "server.port": 65535,
    "connection.failed": 1,
    "connection.connect_latency_ns": 2_000_000,
    "evidence": FlowEvidence.ADDRESS,
    "network.transport": 6,
}


def shown() -> Batch:
    """Two pairs: one of two connections of which one was opened, one of a connect that failed."""
    opened = {"connection.opened": 1, "connection.connect_latency_ns": 250_000, "client.rtt_ns": 187_000}
    moved = {"client.tx_bytes": 1_250_000, "client.rx_bytes": 48_300_000, "client.rtt_ns": 9_000_000}
    flows = flows_of(_CART | opened, _CART | moved | {"server.retransmitted_segments": 12}, _CURL)
    (batch,) = Workloads(Ledger()).of([flows.with_tables(entities=_ENTITIES)])
    return batch
