"""The resolver: each socket has the rewrites of its own connection, for as long as it lives."""

import numpy as np
import pytest

from actors.nat.lives import Spans
from actors.nat.resolver import Resolver
from actors.nat.table import NatTable
from model.arrays import Columns
from model.kinds.delta import Role
from model.ledger import Stage
from model.transport import Transport
from tests.nat_events import columns_of, nat_event, socket_row

SECOND = 10**9
CLIENT, OTHER = ("10.0.0.5", 40000), ("10.0.0.5", 40001)
SERVICE, BACKEND = ("10.96.0.1", 80), ("10.1.0.1", 8080)


def known() -> Resolver:
    """One that knows what became of CLIENT's call in the first second."""
    table = NatTable(16, Stage("entries"))
    table.learn(nat_event((CLIENT, SERVICE), (CLIENT, BACKEND), at_ns=SECOND), 0)
    table.learn(nat_event((CLIENT, SERVICE), (CLIENT, BACKEND), at_ns=SECOND + 1, deleted=True), 0)
    return Resolver(4, table)


def socket(generation: int, *, rewritten: bool) -> Columns:
    """The row of a socket of slot 1: the one that was rewritten, or one that called the backend itself."""
    local, peer = (CLIENT, SERVICE) if rewritten else (OTHER, BACKEND)
    values = {"socket__slot": 1, "socket__generation": generation, "connection__opened_at_ns": SECOND}
    return columns_of([socket_row(local, peer, Role.CLIENT, **values)])


def rewrites(resolver: Resolver, window: int, *sockets: Columns) -> list[bool]:
    """Which of the sockets of one window are said to have been rewritten."""
    columns = {name: np.concatenate([each[name] for each in sockets]) for name in sockets[0]}
    resolver.resolve(columns, window)
    return [bool(index) for index in columns["nat.index"].tolist()]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["in_order", "newest_first"])
def test_a_slot_used_again_within_a_second_inherits_nothing(order: tuple[int, int]) -> None:
    """The socket that stays was never rewritten, though the one before it in its slot was, in the same second."""
    resolver = known()
    both = socket(7, rewritten=True), socket(8, rewritten=False)
    expected = [True, False]
    assert rewrites(resolver, 1, *(both[place] for place in order)) == [expected[place] for place in order]
    assert rewrites(resolver, 2, both[1]) == [False]


def test_the_end_of_an_earlier_socket_changes_nothing() -> None:
    """A late row of the slot's last socket does not take what is known of its present one."""
    resolver = known()
    assert rewrites(resolver, 1, socket(8, rewritten=True)) == [True]
    assert rewrites(resolver, 2, socket(7, rewritten=False)) == [False]
    assert rewrites(resolver, 90, socket(8, rewritten=True)) == [True]


def connection(number: int, began_ns: int) -> Columns:
    """The row of a short connection from CLIENT to the service."""
    values = {"socket__slot": number, "socket__generation": 1, "connection__opened_at_ns": began_ns + 200}
    life = {"connection__connect_latency_ns": 200, "connection__closed_at_ns": began_ns + 1000}
    return columns_of([socket_row(CLIENT, SERVICE, Role.CLIENT, **values, **life)])


def backends(resolver: Resolver, window: int, *sockets: Columns, offset_ns: int = 0) -> list[int]:
    """The last bytes of the backends that the callers of one window came to."""
    columns = {name: np.concatenate([each[name] for each in sockets]) for name in sockets[0]}
    resolver.resolve(columns, window, offset_ns)
    return [address.tobytes()[-1] for address in columns["connection.destination.address"]]


def test_a_socket_whose_slot_is_used_again_keeps_its_entry() -> None:
    """Its end comes in the second in which its slot has another socket, and its entry is known no more."""
    table = NatTable(1, Stage("entries"))
    table.learn(nat_event((CLIENT, SERVICE), (CLIENT, BACKEND), at_ns=SECOND), 0)
    resolver = Resolver(4, table)
    first, second = connection(1, SECOND + 1000), connection(1, SECOND + 500_000)
    second["socket.generation"][:] = 2
    assert backends(resolver, 1, first) == [1]
    other = CLIENT, ("10.1.0.2", 8080)
    table.learn(nat_event((CLIENT, SERVICE), (CLIENT, BACKEND), at_ns=SECOND, deleted=True), 0)
    table.learn(nat_event((CLIENT, SERVICE), other, at_ns=SECOND), 0)
    assert backends(resolver, 2, first, second) == [1, 2]


def test_an_entry_of_a_later_connection_is_not_an_earlier_ones() -> None:
    """A port is used again, and the new entry is heard before the end of the first connection is looked up."""
    table, other = NatTable(4, Stage("entries")), ("10.1.0.2", 8080)
    table.learn(nat_event((CLIENT, SERVICE), (CLIENT, BACKEND), at_ns=SECOND), 0)
    table.learn(nat_event((CLIENT, SERVICE), (CLIENT, BACKEND), at_ns=SECOND + 90_000_000, deleted=True), 0)
    table.learn(nat_event((CLIENT, SERVICE), (CLIENT, other), at_ns=SECOND + 40_000_000), 0)
    resolver = Resolver(4, table)
    first, second = connection(1, SECOND + 1000), connection(2, SECOND + 60_000_000)
    assert backends(resolver, 1, first) == [1]
    assert backends(resolver, 2, second) == [2]


def test_a_tuple_used_again_at_once_has_its_own_entry_while_the_clock_is_adjusted() -> None:
    """A fifth of a millisecond lies between two connections, and half a one between the clocks of two windows."""
    table, offset, offset_later = NatTable(4, Stage("entries")), 5 * SECOND, 5 * SECOND - 500_000
    first, second = (connection(number, SECOND + offset_later + (number - 1) * 200_000) for number in (1, 2))
    for backend, begin in ((BACKEND, SECOND + 100), (("10.1.0.2", 8080), SECOND + 200_100)):
        table.learn(nat_event((CLIENT, SERVICE), (CLIENT, backend), at_ns=begin), offset)
        table.learn(
            nat_event((CLIENT, SERVICE), (CLIENT, backend), at_ns=begin + 199_000, deleted=True), offset
        )
    assert backends(Resolver(4, table), 6, first, second, offset_ns=offset_later) == [1, 2]


def test_a_connection_is_looked_up_again_by_the_clock_of_its_opening() -> None:
    """Its first entry is known, the clock is set back by an hour, and the second entry is told late."""
    table, halfway = NatTable(4, Stage("entries")), ("10.1.0.9", 81)
    table.learn(nat_event((CLIENT, SERVICE), (CLIENT, halfway), at_ns=SECOND), 7200 * SECOND)
    resolver, opened = Resolver(4, table), connection(1, SECOND + 7200 * SECOND)
    opened["connection.opened"][:] = 1
    assert backends(resolver, 7201, opened, offset_ns=7200 * SECOND) == [9]
    table.learn(nat_event((CLIENT, halfway), (CLIENT, BACKEND), at_ns=SECOND), 3600 * SECOND)
    opened["connection.opened"][:] = 0
    assert backends(resolver, 3602, opened, offset_ns=3600 * SECOND) == [1]


def test_what_was_told_of_an_attempt_is_looked_up_again_when_it_is_opened() -> None:
    """Its first SYN was lost at the end of a second, when the tuple's last connection alone had an entry."""
    table, other = NatTable(4, Stage("entries")), ("10.1.0.2", 8080)
    table.learn(nat_event((CLIENT, SERVICE), (CLIENT, BACKEND), at_ns=SECOND), 0)
    resolver = Resolver(4, table)
    assert backends(resolver, 1, attempt()) == [1]
    table.learn(nat_event((CLIENT, SERVICE), (CLIENT, BACKEND), at_ns=2 * SECOND, deleted=True), 0)
    table.learn(nat_event((CLIENT, SERVICE), (CLIENT, other), at_ns=2 * SECOND + 1000), 0)
    opened = attempt(2 * SECOND + 5000, connection__connect_latency_ns=SECOND, connection__opened=1)
    assert backends(resolver, 2, opened) == [2]
    assert backends(resolver, 3, attempt(2 * SECOND + 5000)) == [2]


def test_an_entry_rewrites_connections_of_its_own_transport_alone() -> None:
    """A UDP socket with the tuple of a TCP connection that was rewritten keeps its own."""
    there = socket(7, rewritten=True)
    other = socket(7, rewritten=True) | {"network.transport": np.array([Transport.UDP], np.uint8)}
    assert rewrites(known(), 1, other) == [False]
    assert rewrites(known(), 1, there) == [True]


def attempt(since_ns: int = 0, **values: int) -> Columns:
    """The row of CLIENT's socket while its connect goes on; afterwards with when it was answered."""
    values = {"socket__slot": 1, "socket__generation": 1, **values}
    return columns_of([socket_row(CLIENT, SERVICE, Role.CLIENT, connection__opened_at_ns=since_ns, **values)])


def chain(resolver: Resolver, window: int, socket: Columns) -> list[int]:
    """Ports to which the connection was sent on, one hop after the other."""
    chains = resolver.resolve(columns := dict(socket), window)
    return [hop.destination_port for hop in chains[int(columns["nat.index"][0])]]


def test_a_connection_resolved_in_part_goes_on_when_an_entry_begins() -> None:
    """The first SYN was rewritten by one namespace; the next ones met no other until ten seconds later."""
    table, halfway, far = NatTable(16, Stage("entries")), ("10.1.0.9", 81), ("192.0.2.7", 5000)
    resolver = Resolver(4, table)
    assert chain(resolver, 1, attempt()) == []
    table.learn(nat_event((CLIENT, SERVICE), (far, halfway), at_ns=SECOND), 0)
    assert chain(resolver, 2, attempt()) == [80, 81]
    assert chain(resolver, 9, attempt()) == [80, 81]
    table.learn(nat_event((far, halfway), (far, BACKEND), at_ns=12 * SECOND), 0)
    assert chain(resolver, 13, attempt(12 * SECOND + 1000)) == [80, 81, 8080]
    table.learn(nat_event((CLIENT, SERVICE), (far, halfway), at_ns=20 * SECOND, deleted=True), 0)
    table.learn(nat_event((far, BACKEND), (far, halfway), at_ns=20 * SECOND), 0)
    assert chain(resolver, 21, attempt(12 * SECOND + 1000)) == [80, 81, 8080]


def test_what_does_not_change_is_not_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket without an entry is looked up once, and again only after an entry of its tuple began."""
    table, looks = NatTable(16, Stage("entries")), list[int]()
    find = table.rewritten

    def rewritten(keys: np.ndarray, hashes: np.ndarray, spans: Spans) -> tuple[np.ndarray, np.ndarray]:
        looks.append(len(keys))
        return find(keys, hashes, spans)

    monkeypatch.setattr(table, "rewritten", rewritten)
    resolver = Resolver(4, table)
    table.learn(nat_event((OTHER, SERVICE), (OTHER, BACKEND), at_ns=SECOND), 0)
    for window in range(1, 6):
        assert chain(resolver, window, attempt(SECOND)) == []
    assert looks == [1]
    table.learn(nat_event((CLIENT, SERVICE), (CLIENT, BACKEND), at_ns=SECOND), 0)
    assert chain(resolver, 6, attempt(SECOND)) == [80, 8080]
    assert looks == [1, 1, 1]


def test_an_entry_of_a_dump_is_the_newest_connections() -> None:
    """A dump has the last entry of a tuple: connections before it in the same second stay as they are seen."""
    table = NatTable(4, Stage("entries"))
    table.learn(nat_event((CLIENT, SERVICE), (CLIENT, BACKEND)), 0)
    first, second = connection(1, SECOND + 1000), connection(2, SECOND + 60_000_000)
    assert backends(Resolver(4, table), 1, second, first) == [
        1,
        backends(Resolver(4, NatTable(4, Stage("none"))), 1, first)[0],
    ]


def test_a_row_tells_how_much_of_its_chain_the_first_one_had() -> None:
    """Its first row had one rewrite; all rows since the second was learnt say so. One that had all at once says 0."""
    table, halfway = NatTable(16, Stage("entries")), ("10.1.0.9", 81)
    table.learn(nat_event((CLIENT, SERVICE), (CLIENT, halfway), at_ns=SECOND), 0)
    resolver, told = Resolver(4, table), list[int]()
    for window in (2, 3, 4, 5):
        if window == 4:
            table.learn(nat_event((CLIENT, halfway), (CLIENT, BACKEND), at_ns=4 * SECOND), 0)
        resolver.resolve(columns := attempt(4 * SECOND + 1000 if window > 3 else 0), window)
        told += columns["nat.known_first"].tolist()
    assert told == [0, 0, 2, 2]
    Resolver(4, table).resolve(columns := attempt(4 * SECOND + 1000), 5)
    assert columns["nat.known_first"].tolist() == [0]
