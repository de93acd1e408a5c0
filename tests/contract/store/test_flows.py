"""What a store keeps of flows: the ways through NAT that connections took, and who was at their ends."""

from collections.abc import Iterable

import numpy as np
import pytest

from actors.workloads.workloads import Workloads
from model.addresses import address_bytes
from model.batch import Batch
from model.kinds.drop import Dropped
from model.kinds.workload import Workload
from model.ledger import Ledger
from store.measures import DROP_PARTS
from store.reading import ChainHop, Instance, Window
from tests.contract.store.sites import Site, Writing
from tests.unit.store.segments.made import BEGIN
from tests.unit.store.segments.made_flows import flows


def take(writer: Writing, batches: Iterable[Batch], *, seal: bool) -> None:
    """Writes, and lets others read it: in the log, or in files of its own."""
    for batch in batches:
        writer.take(batch)
    writer.sync()
    if seal:
        writer.rotate()
        writer.drained()


@pytest.mark.parametrize("sealed", [False, True])
def test_connections_are_counted_by_their_way(site: Site, sealed: bool) -> None:
    """Ephemeral ports and clients' addresses make no way of their own; another backend does."""
    writer, actor, store = site.writer(), Workloads(Ledger()), site.store()
    for seq, ways in enumerate([[1, 2, 0], [3, 1], [2]]):
        batch = flows(10 * seq, seq, ways)
        take(writer, [batch, *actor.of([batch])], seal=sealed and seq != 1)
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
    seen = sorted(zip(chains.first_s.tolist(), chains.last_s.tolist(), strict=True))
    assert seen == [(BEGIN, BEGIN + 20), (BEGIN + 10, BEGIN + 10)]
    assert len(store.chains(Window(BEGIN, BEGIN + 60), [edge + 1])) == 0
    assert len(store.chains(Window(BEGIN + 60, BEGIN + 120))) == 0
    writer.close()
    store.close()


@pytest.mark.parametrize("sealed", [False, True])
def test_dropped_packets_are_counted_by_their_cause(site: Site, sealed: bool) -> None:
    """They add up to what the edge has; network namespaces make no cause of their own."""
    writer, actor, store = site.writer(), Workloads(Ledger()), site.store()
    rule = ("dropped", "netfilter", "NETFILTER_DROP", "FORWARD", "nft_do_chain", "node-7")
    table = [
        Dropped(),
        Dropped(*rule, "1"),
        Dropped(*rule, "2"),
        Dropped("dropped", "qdisc", "QDISC_DROP", "", "", "node-7"),
    ]
    for seq, (cause, packets) in enumerate([(1, 3), (2, 4), (3, 5), (0, 0)]):
        batch = flows(40 * seq, seq, [0], **{"drop.index": cause, "dropped_segments": packets})
        batch = batch.with_tables(dropped=table)
        take(writer, [batch, *actor.of([batch])], seal=sealed and seq != 1)
    whole = Window(BEGIN, BEGIN + 200)
    (edge,) = store.edges(whole).ids.tolist()
    drops = store.drops(whole)
    assert drops.edges.tolist() == 2 * [edge], "it is that of workload rows"
    parts = list(zip(*(drops.parts[name].tolist() for name in DROP_PARTS), strict=True))
    assert dict(zip(parts, drops.packets.tolist(), strict=True)) == {
        rule[1:]: 7,
        ("qdisc", "QDISC_DROP", "", "", "node-7"): 5,
    }
    assert int(store.edges(whole).measures["dropped_segments"].sum()) == 12
    assert store.drops(Window(BEGIN + 30, BEGIN + 60), [edge]).packets.tolist() == [4]
    assert len(store.drops(whole, [edge + 1])) == 0
    assert len(store.drops(Window(BEGIN + 100, BEGIN + 200))) == 0
    writer.close()
    store.close()


@pytest.mark.parametrize("sealed", [False, True])
def test_instances_have_their_first_and_last_second(site: Site, sealed: bool) -> None:
    """Pod, container, process, image and region of a workload, once for each machine."""
    writer, store = site.writer(), site.store()
    address = np.frombuffer(address_bytes("10.244.0.3"), "V16")[0]
    for seq, at in enumerate((0, 5, 130)):
        writer.take(flows(at, seq, [0, 1], **{"client.address": address}))
        writer.sync()
        if sealed:
            writer.rotate()
            writer.drained()
    instances = store.instances(Window(BEGIN, BEGIN + 10))
    times = zip(instances.first_s.tolist(), instances.last_s.tolist(), strict=True)
    found = {each.process: (each, *seen) for each, seen in zip(instances.parts, times, strict=True)}
    cart, first, last = found["cart"]
    assert cart == Instance("", "cart-7d9", "server", "cart", "shop/cart:v2", cart.address, "eu-central-1")
    assert (first, last) == (BEGIN, BEGIN + 130)
    assert sorted(found) == ["cart", "postgres"]
    assert len(store.instances(Window(BEGIN + 131, BEGIN + 200))) == 0
    assert len(store.instances(Window(BEGIN, BEGIN + 10), [int(instances.workloads[0])])) == 1
    writer.close()
    store.close()


@pytest.mark.parametrize("sealed", [False, True])
def test_a_name_that_clients_know_has_its_addresses(site: Site, sealed: bool) -> None:
    """One workload, whose instances they are; its edge is that of workload rows, and its ways through NAT are."""
    writer, actor, store = site.writer(), Workloads(Ledger()), site.store()
    for seq, last in enumerate((7, 8, 7)):
        address = np.frombuffer(address_bytes(f"203.0.113.{last}"), "V16")[0]
        external = {"server.entity.index": 0, "server.name.index": 1, "server.address": address}
        batch = flows(10 * seq, seq, [1], **external)
        for each in [batch, *actor.of([batch])]:
            writer.take(each)
        writer.sync()
        if sealed:
            writer.rotate()
            writer.drained()
    workloads, instances = store.workloads(), store.instances(Window(BEGIN, BEGIN + 60))
    names = dict(zip(workloads.ids.tolist(), workloads.parts, strict=True))
    (name,) = (id_ for id_, part in names.items() if part == Workload("api.example.com", "domain"))
    mine = np.flatnonzero(instances.workloads == name)
    assert {
        (instances.parts[row].address, int(instances.first_s[row]), int(instances.last_s[row]))
        for row in mine.tolist()
    } == {("203.0.113.7", BEGIN, BEGIN + 20), ("203.0.113.8", BEGIN + 10, BEGIN + 10)}
    edges, chains = store.edges(Window(BEGIN, BEGIN + 60)), store.chains(Window(BEGIN, BEGIN + 60))
    assert set(edges.servers.tolist()) == {name}
    assert set(chains.edges.tolist()) == set(edges.ids.tolist())
    writer.close()
    store.close()
