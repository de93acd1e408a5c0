"""An engine's seconds: held until all reports may be there, moved where they belong, joined."""

import math
from typing import Any

from actors.items import Chunk, Message, Receipt, Tick
from actors.join.joiner import Joiner
from actors.nat.table import NatTable
from actors.windows.completeness import DistributedCompleteness
from actors.windows.cross_node import CrossNode
from actors.windows.hold import WindowHold
from actors.windows.reader import Reader
from model.batch import Batch
from model.kinds.delta import Role
from model.kinds.flow import FlowEvidence
from model.ledger import Ledger, Stage
from model.message import decode
from model.partition import partition_of
from tests.nat_events import End, batch_of, nat_event, socket_row
from tests.plain_rows import plain_rows

PARTITIONS = 64
CLIENT, SERVICE, SERVER = ("10.0.0.5", 40000), ("10.96.0.1", 80), ("10.1.0.1", 8080)
GATEWAY = ("192.0.2.1", 61000)


class Site:
    """One engine with all partitions, and what nodes announced."""

    def __init__(self, wait: float = 2.0) -> None:
        self.all_back_at = -math.inf
        self.ledger = Ledger()
        self.table = NatTable(64, Stage("entries"))
        cross_node = CrossNode(self.table, lambda: PARTITIONS, self.ledger.stage("join", "rows"))
        self.hold = WindowHold(DistributedCompleteness(wait, lambda: self.all_back_at), cross_node)
        self.joiner = Joiner("engine", "boot", self.ledger, 64)
        self.acknowledged: list[tuple[str, int]] = []

    def announce(self, called: tuple[End, End], seen: tuple[End, End]) -> None:
        """A node's entry, by way of a table of its own."""
        node = NatTable(64, Stage("entries"), announces=True)
        node.learn(nat_event(called, seen), 0)
        self.table.take_announced(node.announce(1), now_ns=1)

    def take(self, batch: Batch, now: float) -> None:
        """Where its rows belong as far as its own node knows."""
        place = int(partition_of(batch.columns, PARTITIONS)[0])
        receipt = Receipt(lambda: self.acknowledged.append((batch.node, batch.seq)))
        assert list(self.hold.handle(Chunk(batch, place, (receipt,), now))) == []

    def move(self, now: float) -> int:
        """Rows that went to other partitions, which this engine has, too."""
        moved = list(self.hold.handle(Tick(now)))
        for message in moved:
            assert isinstance(message, Message)
            self.hold_moved(message, now)
        return sum(map(len, moved))

    def hold_moved(self, message: Message, now: float) -> None:
        """Takes in what went to another partition."""
        list(self.hold.handle(Chunk(decode(message.data), message.partition, at=now)))

    def close(self, now: float) -> tuple[list[dict[str, Any]], list[tuple[str, int]]]:
        """Flows of what waits for no more, and the messages that were acknowledged for them."""
        flows, before = list[dict[str, Any]](), len(self.acknowledged)
        for window in self.hold.handle(Tick(now)):
            for joined in self.joiner.handle(window):
                flows += [row for batch in joined.batches for row in plain_rows(batch)]
                for receipt in joined.receipts:
                    receipt.acknowledge()
        return flows, self.acknowledged[before:]


def client(to: End = SERVICE) -> dict[str, Any]:
    return socket_row(CLIENT, to, Role.CLIENT, socket__slot=1, socket__generation=1, tx_bytes=7)


def server(peer: End = GATEWAY) -> dict[str, Any]:
    return socket_row(SERVER, peer, Role.SERVER, socket__slot=2, socket__generation=1, rx_bytes=7)


def test_what_only_a_gateway_knows_brings_both_ends_together() -> None:
    """The client's row moves to the partition where the server's is, with the chain, and is one flow with it."""
    site = Site()
    site.announce((CLIENT, SERVICE), (GATEWAY, SERVER))
    site.take(batch_of([client()], 5, node="a", seq=3), 0.0)
    site.take(batch_of([server()], 5, node="b", seq=9), 0.1)
    assert site.move(0.2) == 0
    assert site.move(1.1) == 1
    flows, tokens = site.close(3.2)
    (flow,) = flows
    assert (flow["evidence"], flow["client.tx_bytes"], flow["server.rx_bytes"]) == (FlowEvidence.BOTH, 7, 7)
    assert (flow["client.address"], flow["service.address"], flow["server.address"]) == (
        "10.0.0.5",
        "10.96.0.1",
        "10.1.0.1",
    )
    assert [hop["source.address"] for hop in flow["nat"]] == ["10.0.0.5", "192.0.2.1"]
    assert (flow["client.seq"], flow["server.seq"]) == (3, 9)
    assert sorted(tokens) == [("a", 3), ("b", 9)]
    assert site.ledger.stages["join"].noted["rekeyed"] == 1


def test_a_second_hop_is_followed_too() -> None:
    """Two gateways in a row, each of which announces its own rewriting."""
    site, between = Site(), ("10.50.0.1", 443)
    site.announce((CLIENT, SERVICE), (CLIENT, between))
    site.announce((CLIENT, between), (GATEWAY, SERVER))
    site.take(batch_of([client()], 5, node="a"), 0.0)
    site.take(batch_of([server()], 5, node="b"), 0.0)
    site.move(1.1)
    (flow,), _ = site.close(3.2)
    assert [hop["destination.address"] for hop in flow["nat"]] == ["10.96.0.1", "10.50.0.1", "10.1.0.1"]
    assert flow["evidence"] == FlowEvidence.BOTH


def test_reports_of_a_second_are_waited_for() -> None:
    """From the first message on, and no longer; the message is given back for its acknowledgement then."""
    site = Site()
    site.take(batch_of([client(SERVER)], 5, node="a"), 10.0)
    assert site.close(11.9) == ([], [])
    site.take(batch_of([server(CLIENT)], 5, node="b"), 11.9)
    flows, tokens = site.close(12.0)
    assert [flow["evidence"] for flow in flows] == [FlowEvidence.BOTH]
    assert len(tokens) == 2


def test_what_is_behind_is_caught_up_with() -> None:
    """After an outage seconds do not wait each for its time: those far behind the newest go at once."""
    site = Site(wait=2.0)
    for window in range(100, 110):
        site.take(batch_of([client(SERVER)], window, node="a", seq=window), 0.0)
    flows, tokens = site.close(0.1)
    assert [token[1] for token in tokens] == [100, 101, 102, 103, 104]
    assert len(flows) == 5


def test_a_partition_that_lags_hurries_nobody() -> None:
    """While an engine catches up, one partition may be read far ahead: seconds wait for the others they came from."""
    site, other = Site(wait=2.0), ("10.1.0.7", 8080)
    places = {int(partition_of(batch_of([client(to)], 1).columns, PARTITIONS)[0]) for to in (SERVER, other)}
    assert len(places) == 2
    for window in range(100, 110):
        site.take(batch_of([client(SERVER)], window, node="a", seq=window), 0.0)
    site.take(batch_of([client(other)], 100, node="b", seq=1), 0.0)
    _, tokens = site.close(0.1)
    assert [token[1] for token in tokens] == [101, 102, 103, 104]
    for window in range(101, 110):
        site.take(batch_of([client(other)], window, node="b", seq=window), 0.1)
    _, tokens = site.close(0.2)
    assert sorted(token[1] for token in tokens) == [1, 100, 101, 102, 103, 104]


def test_after_an_outage_seconds_wait_until_all_nodes_may_be_back() -> None:
    """However far they are behind, and although the first node has told of them: the other is still on its way."""
    site = Site(wait=2.0)
    site.all_back_at = 5.0
    for window in range(100, 110):
        site.take(batch_of([client(SERVER)], window, node="a", seq=window), 0.5)
    assert site.close(6.9) == ([], [])
    for window in range(100, 110):
        site.take(batch_of([server(CLIENT)], window, node="b", seq=window), 6.9)
    flows, _ = site.close(7.0)
    assert [flow["evidence"] for flow in flows] == [FlowEvidence.BOTH] * 10


def test_rows_that_move_in_another_order_than_their_seconds_are_all_taken() -> None:
    """After an outage a node that started late is ahead of one with more to tell: the latter's newer second is
    settled, and its rows moved, before its older one."""
    site, reader = Site(wait=2.0), Reader(Ledger())
    site.announce((CLIENT, SERVICE), (GATEWAY, SERVER))
    place = int(partition_of(batch_of([client()], 1).columns, PARTITIONS)[0])
    of_late = Chunk(batch_of([client(SERVER)], 6, node="late"), place, at=0.0)
    assert list(site.hold.handle(of_late)) == []
    for window, seq, at in ((5, 50, 0.1), (6, 60, 0.2)):
        site.take(batch_of([client()], window, node="behind", seq=seq), at)
    moved = [message for now in (1.05, 1.15) for message in site.hold.handle(Tick(now))]
    assert [decode(message.data).window for message in moved] == [6, 5]
    taken = [item.batch for message in moved for item in reader.handle(message)]
    assert [(batch.window, batch.seq, len(batch)) for batch in taken] == [(6, 60, 1), (5, 50, 1)]
