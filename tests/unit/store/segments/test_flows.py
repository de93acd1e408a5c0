"""What the store keeps of flows: the ways through NAT that connections took, and who was at their ends."""

from pathlib import Path

import numpy as np
import pytest

from actors.workloads.workloads import Workloads
from model.addresses import address_bytes
from model.batch import Batch
from model.chains import HOP, Chains
from model.kinds.flow import FlowEvidence
from model.ledger import Ledger
from store.reading import ChainHop, Instance, Window
from store.segments.reader import SegmentStore
from store.segments.writer import Writer
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


@pytest.mark.parametrize("sealed", [False, True])
def test_connections_are_counted_by_their_way(tmp_path: Path, sealed: bool) -> None:
    """Ephemeral ports and clients' addresses make no way of their own; another backend does."""
    writer, actor = Writer(tmp_path), Workloads(Ledger())
    for seq, ways in enumerate([[1, 2, 0], [3, 1], [2]]):
        batch = flows(10 * seq, seq, ways)
        for each in [batch, *actor.of([batch])]:
            writer.take(each)
        writer.sync()
    if sealed:
        writer.rotate()
        writer.drained()
    store = SegmentStore(tmp_path)
    chains = store.chains(Window(BEGIN, BEGIN + 60))
    (edge,) = store.edges(Window(BEGIN, BEGIN + 60)).ids.tolist()
    assert set(chains.edges.tolist()) == {edge}, "it is that of workload rows"
    found = dict(
        zip(chains.hops, zip(chains.connections, chains.both_ends, chains.bytes, strict=True), strict=True)
    )
    service = ChainHop("", "10.96.0.10", 5432, "")
    assert found == {
        (service, ChainHop("", "10.244.1.7", 5432, "")): (4, 2, 400),
        (service, ChainHop("192.0.2.1", "10.244.2.9", 5432, "")): (1, 1, 100),
    }
    assert len(store.chains(Window(BEGIN, BEGIN + 60), [edge + 1])) == 0
    assert len(store.chains(Window(BEGIN + 60, BEGIN + 120))) == 0
    writer.close()
    store.close()


@pytest.mark.parametrize("sealed", [False, True])
def test_instances_have_their_first_and_last_second(tmp_path: Path, sealed: bool) -> None:
    """Pod, container, process and image of a workload, once for each machine."""
    writer = Writer(tmp_path)
    address = np.frombuffer(address_bytes("10.244.0.3"), "V16")[0]
    for seq, at in enumerate((0, 5, 130)):
        writer.take(flows(at, seq, [0, 1], **{"client.address": address}))
        writer.sync()
    if sealed:
        writer.rotate()
        writer.drained()
    store = SegmentStore(tmp_path)
    instances = store.instances(Window(BEGIN, BEGIN + 10))
    times = zip(instances.first_s.tolist(), instances.last_s.tolist(), strict=True)
    found = {each.process: (each, *seen) for each, seen in zip(instances.parts, times, strict=True)}
    cart, first, last = found["cart"]
    assert cart == Instance("", "cart-7d9", "server", "cart", "shop/cart:v2", cart.address)
    assert (first, last) == (BEGIN, BEGIN + 130)
    assert sorted(found) == ["cart", "postgres"]
    assert len(store.instances(Window(BEGIN + 131, BEGIN + 200))) == 0
    assert len(store.instances(Window(BEGIN, BEGIN + 10), [int(instances.workloads[0])])) == 1
    writer.close()
    store.close()
