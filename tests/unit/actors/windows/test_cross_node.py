"""Tuples are followed by the entries of other nodes, from where their own node ends."""

import numpy as np

from actors.nat.table import NatTable
from actors.windows.cross_node import CrossNode
from model.addresses import address_bytes
from model.batch import Batch
from model.chains import HOP, Chains
from model.clock import SECOND_NS
from model.kinds.delta import NatEvidence, Role
from model.ledger import Stage
from tests.nat_events import End, batch_of, nat_event, of_all, socket_row

CLIENT, SERVICE = ("10.0.0.5", 40000), ("10.96.0.1", 80)
GATEWAY, SERVER = ("192.0.2.1", 61000), ("10.1.0.1", 8080)


def cross_node(*entries: tuple[tuple[End, End], tuple[End, End]]) -> CrossNode:
    """One that heard of these entries, each what was called and what it became."""
    node, table = NatTable(64, Stage("entries"), announces=True), NatTable(64, Stage("entries"))
    for called, seen in entries:
        node.learn(nat_event(called, seen), 0)
    table.take_announced(node.announce(1), now_ns=1)
    return CrossNode(table, lambda: 8, Stage("rows"))


def call(window: int) -> Batch:
    """The client's socket, of which its own node knows nothing more."""
    row = socket_row(CLIENT, SERVICE, Role.CLIENT, socket__slot=1, socket__generation=1)
    return batch_of([row], window)


def hop(source: End, destination: End) -> tuple[bytes, bytes, int, int]:
    return address_bytes(source[0]), address_bytes(destination[0]), source[1], destination[1]


def ports(batch: Batch) -> list[int]:
    """Of the destination, on the way of the first row."""
    return [hop.destination_port for hop in batch.tables["chains"][int(batch.columns["nat.index"][0])]]


def test_a_call_is_followed_through_another_node() -> None:
    """The chain has its own tuple first; the next second has the same, from memory."""
    cross = cross_node(((CLIENT, SERVICE), (GATEWAY, SERVER)))
    assert [ports(cross.follow(call(window))) for window in (1, 2, 60)] == [[80, 8080]] * 3


def test_what_a_node_learns_late_is_not_added_twice() -> None:
    """In the first second the engine alone knows the entry; in the next one the node has followed it itself."""
    cross = cross_node(((CLIENT, SERVICE), (GATEWAY, SERVER)))
    assert ports(cross.follow(call(1))) == [80, 8080]
    later = call(2)
    for name, (address, port) in (("source", GATEWAY), ("destination", SERVER)):
        later.columns[f"connection.{name}.address"][0] = np.void(address_bytes(address))
        later.columns[f"connection.{name}.port"][0] = port
    later.columns["nat.index"][0] = 1
    hops = np.array([hop(CLIENT, SERVICE), hop(GATEWAY, SERVER)], HOP)
    later = later.with_tables(chains=Chains(np.array([2], np.uint8), hops))
    assert cross.follow(later) is later


def test_what_another_node_lost_is_doubted() -> None:
    """A gateway lost events: whether a call of that time went through it, and where to, nobody knows any more."""
    node, table = NatTable(64, Stage("entries"), announces=True), NatTable(64, Stage("entries"))
    node.learn(nat_event((CLIENT, SERVICE), (GATEWAY, SERVER), at_ns=SECOND_NS), 0)
    table.take_announced(node.announce(1), now_ns=1)
    node.learn(of_all("KIND_NAT_LOST", 20 * SECOND_NS, 21 * SECOND_NS), 0)
    table.take_announced(node.announce(2), now_ns=2)
    cross = CrossNode(table, lambda: 8, Stage("rows"))
    for slot, (opened, chain, evidence) in enumerate(
        ((1, [80, 8080], "COMPLETE"), (20, [], "LOST"), (40, [], "COMPLETE"))
    ):
        times = {
            "connection__opened_at_ns": opened * SECOND_NS,
            "connection__closed_at_ns": opened * SECOND_NS,
            "connection__connect_latency_ns": 1000,
        }
        row = socket_row(CLIENT, SERVICE, Role.CLIENT, socket__slot=slot, socket__generation=1, **times)
        followed = cross.follow(batch_of([row], opened))
        assert ports(followed) == chain
        assert NatEvidence(followed.columns["nat.evidence"][0]).name == evidence
