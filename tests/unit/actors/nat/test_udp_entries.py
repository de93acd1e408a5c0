"""Entries of UDP in the NAT table: a limit of their own, and spans of flows that the first datagram opens."""

from typing import Any

import numpy as np

from actors.nat.resolver import Resolver
from actors.nat.table import NatTable
from model.chains import Chains
from model.kinds.delta import Role
from model.ledger import Stage
from model.transport import Transport
from tests.nat_events import End, columns_of, nat_event, socket_row

SECOND = 10**9
CLIENT, SERVICE, BACKEND = ("10.0.0.5", 40000), ("10.96.0.10", 53), ("10.1.0.1", 5353)


def client(port: int = 40000, slot: int = 1, service: End = SERVICE, **values: Any) -> dict[str, Any]:
    return socket_row(
        *((CLIENT[0], port), service, Role.CLIENT),
        network__transport=Transport.UDP,
        socket__slot=slot,
        socket__generation=1,
        **values,
    )


def entry(port: int = 40000, at_ns: int = 0, backend: End = BACKEND, **more: Any) -> np.ndarray:
    """The service's address becomes a backend's."""
    ends = (CLIENT[0], port)
    return nat_event((ends, SERVICE), (ends, backend), at_ns=at_ns, protocol=Transport.UDP, **more)


def resolved(resolver: Resolver, window: int, *rows: dict[str, Any]) -> list[tuple[int, int]]:
    """The destination's port and the number of hops of each row."""
    columns = columns_of(rows)
    chains: Chains = resolver.resolve(columns, window)
    lengths = [int(chains.lengths(np.array([index]))[0]) if index else 0 for index in columns["nat.index"]]
    return list(zip(columns["connection.destination.port"].tolist(), lengths, strict=True))


def test_an_entry_that_the_first_datagram_made_is_the_flows_own() -> None:
    """It begins a little before the datagram is counted; answered, or not, or told late."""
    cases: list[dict[str, Any]] = [
        {"connection__connect_latency_ns": 1000},
        {},
        {"connection__closed_at_ns": 11 * SECOND},
    ]
    for values in cases:
        table = NatTable(4, Stage("entries"))
        table.learn(entry(at_ns=10 * SECOND - 20_000), 0)
        row = client(connection__opened_at_ns=10 * SECOND, **values)
        assert resolved(Resolver(4, table), 10, row) == [(5353, 2)]


def test_a_flow_that_opened_behind_the_end_of_its_window_has_its_entry() -> None:
    """A busy machine takes its snapshot late."""
    table = NatTable(4, Stage("entries"))
    table.learn(entry(at_ns=11_200_000_000 - 20_000), 0)
    assert resolved(Resolver(4, table), 10, client(connection__opened_at_ns=11_200_000_000)) == [(5353, 2)]


def test_an_entry_of_an_earlier_flow_of_the_tuple_holds_on() -> None:
    """Conntrack keeps an entry when the socket is gone; the next one of the port has it."""
    table = NatTable(4, Stage("entries"))
    table.learn(entry(at_ns=2 * SECOND), 0)
    assert resolved(Resolver(4, table), 10, client(connection__opened_at_ns=10 * SECOND)) == [(5353, 2)]


def test_an_entry_that_was_over_before_is_none_of_the_flows() -> None:
    """The tuple was rewritten otherwise, or is not rewritten now."""
    table = NatTable(4, Stage("entries"))
    table.learn(entry(at_ns=2 * SECOND), 0)
    table.learn(entry(at_ns=5 * SECOND, deleted=True), 0)
    assert resolved(Resolver(4, table), 10, client(connection__opened_at_ns=10 * SECOND)) == [(53, 0)]
    table.learn(entry(at_ns=9 * SECOND + 999_000_000, backend=("10.1.0.2", 9053)), 0)
    row = client(slot=2, connection__opened_at_ns=10 * SECOND)
    assert resolved(Resolver(4, table), 10, row) == [(9053, 2)]


def test_udp_takes_no_room_from_tcp() -> None:
    """At its own limit the oldest make room, though conntrack still has them; TCP's entries stay."""
    table = NatTable(4, stage := Stage("entries"), udp_entries=8)
    tcp = [
        nat_event((("10.0.0.5", port), SERVICE), (("10.0.0.5", port), BACKEND), at_ns=1) for port in range(4)
    ]
    table.learn(np.concatenate(tcp), 0)
    for port in range(100):
        table.learn(entry(port, at_ns=10 + port), 0)
    assert len(table) == 12
    assert (stage.noted["udp_evicted"], stage.dropped.total(), stage.balanced) == (92, 0, True)
    rows = [client(port, slot=port + 1, connection__opened_at_ns=SECOND) for port in (0, 91, 92, 99)]
    assert [hops for _, hops in resolved(Resolver(128, table), 1, *rows)] == [0, 0, 2, 2]
    for row in rows[:1]:
        row["network.transport"] = Transport.TCP
    assert resolved(Resolver(128, table), 1, rows[0])[0] == (5353, 2)


def test_more_at_once_than_there_is_room_for_is_counted() -> None:
    """The rest is dropped, with its reason."""
    table = NatTable(4, stage := Stage("entries"), udp_entries=2)
    table.learn(np.concatenate([entry(port, at_ns=1) for port in range(5)]), 0)
    assert (len(table), stage.dropped["table_full"], stage.balanced) == (2, 3, True)


def test_entries_of_udp_do_not_make_tcp_look_again() -> None:
    """Marks of tuples are apart: a resolver asks only for whom something may have changed."""
    table = NatTable(16, Stage("entries"))
    hashes = np.arange(1, 100, dtype=np.uint64) << np.uint64(32)
    marks = table.marks(hashes, np.zeros(99, np.bool_))
    before = table.state(marks)
    table.learn(np.concatenate([entry(port, at_ns=1) for port in range(500)]), 0)
    assert (table.state(marks) == before).all()
    assert not np.isin(table.marks(hashes, np.ones(99, np.bool_)), marks).any()
