"""Made-up flows whose connections took known ways through NAT."""

import numpy as np

from model.addresses import address_bytes
from model.batch import Batch
from model.chains import HOP, Chains
from model.kinds.flow import FlowEvidence
from tailrace.testing.flows import flows_of
from tests.unit.store.segments.made import BEGIN

CART = {
    "k8s.workload.name": "cart",
    "k8s.workload.kind": "Deployment",
    "k8s.namespace.name": "shop",
    "k8s.pod.name": "cart-7d9",
    "container.name": "server",
    "container.image.name": "shop/cart",
    "container.image.tags": "v2",
    "process.executable.name": "cart",
    "cloud.region": "eu-central-1",
}
POSTGRES = {"systemd.unit": "postgresql.service", "process.executable.name": "postgres"}
#: Who called, and by which addresses: two backends, one of them through masquerading as well.
WAYS = [
    ([("10.0.0.5", 40001, "10.96.0.10", 5432), ("10.0.0.5", 40001, "10.244.1.7", 5432)]),
    ([("10.0.0.6", 40002, "10.96.0.10", 5432), ("10.0.0.6", 40002, "10.244.1.7", 5432)]),
    ([("10.0.0.5", 40003, "10.96.0.10", 5432), ("192.0.2.1", 61000, "10.244.2.9", 5432)]),
]


def flows(at: int, seq: int, ways: list[int], **columns: object) -> Batch:
    """A flow for each way (0: nothing was rewritten), all opened in this second."""
    hops = [
        (address_bytes(source), address_bytes(destination), port, other)
        for way in WAYS
        for source, port, destination, other in way
    ]
    chains = Chains(np.full(len(WAYS), 2, np.uint8), np.array(hops, HOP))
    made = [
        {
            "nat.index": way,
            "client.entity.index": 1,
            "server.entity.index": 2,
            "client.reported": 1,
            "client.tx_bytes": 100,
            "client.rx_bytes": 7,
            "connection.opened": 1,
            "evidence": FlowEvidence.BOTH if way != 2 else FlowEvidence.NAT,
            "server.port": 5432,
            **columns,
        }
        for way in ways
    ]
    batch = flows_of(*made).with_tables(chains=chains, entities=[{}, CART, POSTGRES])
    return Batch(batch.kind, "engine", "boot-1", seq, BEGIN + at, batch.columns, batch.tables)
