"""Tuples are followed by the entries of other nodes, from where their own node ends."""

import numpy as np

from actors.nat.table import NatTable
from actors.windows.cross_node import CrossNode
from model.addresses import address_bytes
from model.batch import Batch
from model.chains import HOP, Chains
from model.kinds.delta import Role
from model.ledger import Stage
from tests.nat_events import End, batch_of, nat_event, socket_row

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
