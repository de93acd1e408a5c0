"""The NAT table knows what rewrites a tuple at a time, within its bound."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from actors.nat.lives import OPEN, Spans
from actors.nat.table import NatTable
from actors.nat.tuple_index import NOWHERE, hashed, make_keys
from model.addresses import address_bytes
from model.chains import HOP
from model.ledger import Stage
from tests.nat_events import End, end_of_namespace, nat_event

SECOND = 10**9
CLIENT, SERVICE = ("10.0.0.5", 40000), ("10.96.0.1", 80)
BACKENDS: list[End] = [("10.1.0.1", 8080), ("10.1.0.2", 8080), ("10.1.0.3", 8080)]


def table(entries: int = 16, *, announces: bool = False) -> NatTable:
    return NatTable(entries, Stage("entries"), announces=announces)


def hop(source: End, destination: End) -> np.ndarray:
    hops = np.zeros(1, HOP)
    for name, (address, port) in (("source", source), ("destination", destination)):
        hops[f"{name}_address"], hops[f"{name}_port"] = np.void(address_bytes(address)), port
    return hops


def key(source: End, destination: End) -> np.ndarray:
    return make_keys(hop(source, destination), 6, np.array([1], np.uint32))


def spans(since_ns: int, until_ns: int, began_ns: int | None = None) -> Spans:
    began, since, until = (
        np.array([value], np.int64)
        for value in (since_ns if began_ns is None else began_ns, since_ns, until_ns)
    )
    return Spans(began, began, since, until, until, since, np.zeros(1, np.bool_))


def backend(subject: NatTable, since_ns: int, until_ns: int, client: End = CLIENT) -> End | None:
    """Where the table says that the service's client came out."""
    places, _ = subject.rewritten(called := key(client, SERVICE), hashed(called), spans(since_ns, until_ns))
    if places[0] == NOWHERE:
        return None
    seen = subject.seen(places)
    number = seen["destination_address"][0].tobytes()
    found = [end for end in BACKENDS if address_bytes(end[0]) == number]
    return found[0] if found else None


def test_a_tuple_is_looked_up_at_its_time() -> None:
    """Three connections of one tuple one after the other: each time has its own backend; before and after, none."""
    subject = table()
    for number, to in enumerate(BACKENDS):
        begin = (10 + 10 * number) * SECOND
        subject.learn(nat_event((CLIENT, SERVICE), (CLIENT, to), at_ns=begin), 0)
        subject.learn(nat_event((CLIENT, SERVICE), (CLIENT, to), at_ns=begin + 5 * SECOND, deleted=True), 0)
    assert [backend(subject, at * SECOND, at * SECOND) for at in (9, 12, 16, 22, 32, 40)] == [
        None,
        BACKENDS[0],
        None,
        BACKENDS[1],
        BACKENDS[2],
        None,
    ]


def test_what_may_be_any_of_several_is_none() -> None:
    """Entries whose beginnings are known only to within a span say nothing of a connection in it, or they agree."""
    first, other = (CLIENT, BACKENDS[0]), (CLIENT, BACKENDS[1])
    for seen, expected in ((other, None), (first, BACKENDS[0])):
        subject = NatTable(16, stage := Stage("entries"))
        for to in (first, seen):
            subject.learn(nat_event((CLIENT, SERVICE), to, at_ns=SECOND, latest_at_ns=2 * SECOND), 0)
            subject.learn(nat_event((CLIENT, SERVICE), to, at_ns=2 * SECOND, deleted=True), 0)
        assert backend(subject, SECOND + 5, SECOND + 9) == expected
        assert stage.noted.get("undecided", 0) == (expected is None)


def test_an_entry_of_before_the_connection_is_no_rival() -> None:
    """The connection before ended a moment ago, and its entry with the new one's first packet."""
    subject = table()
    subject.learn(nat_event((CLIENT, SERVICE), (CLIENT, BACKENDS[0]), at_ns=SECOND), 0)
    subject.learn(nat_event((CLIENT, SERVICE), (CLIENT, BACKENDS[0]), at_ns=2 * SECOND, deleted=True), 0)
    subject.learn(nat_event((CLIENT, SERVICE), (CLIENT, BACKENDS[1]), at_ns=2 * SECOND + 1), 0)
    assert backend(subject, 2 * SECOND - 5, 2 * SECOND + 5) == BACKENDS[1]


def test_the_tuple_behind_is_found_from_what_the_server_sees() -> None:
    """A server that sees a gateway's address learns who called, and whom."""
    subject, gateway = table(), ("192.0.2.1", 61000)
    subject.learn(nat_event((CLIENT, SERVICE), (gateway, BACKENDS[0])), 0)
    places, _ = subject.behind(seen := key(gateway, BACKENDS[0]), hashed(seen), spans(0, SECOND))
    assert (subject.called(places) == hop(CLIENT, SERVICE)).all()


def test_what_conntrack_says_twice_is_known_once() -> None:
    """A dump repeats what an event said."""
    subject = table()
    for _ in range(3):
        subject.learn(nat_event((CLIENT, SERVICE), (CLIENT, BACKENDS[0])), 0)
    assert len(subject) == 1


def test_a_dump_ends_what_it_does_not_have() -> None:
    """After lost events all entries of the namespace end, but for those that come again; others stay."""
    subject = table()
    for number, netns in ((1, 1), (2, 1), (3, 9)):
        client = ("10.0.0.5", number)
        subject.learn(nat_event((client, SERVICE), (client, BACKENDS[0]), netns=netns), 0)
    subject.learn(end_of_namespace(1, at_ns=5 * SECOND), 0)
    subject.learn(nat_event((("10.0.0.5", 2), SERVICE), (("10.0.0.5", 2), BACKENDS[0])), 0)
    held = [backend(subject, 6 * SECOND, 7 * SECOND, client=("10.0.0.5", number)) for number in (1, 2, 3)]
    assert held == [None, BACKENDS[0], BACKENDS[0]]
    assert len(subject) == 3


def test_the_entry_that_ended_first_makes_room() -> None:
    """At the limit ended ones go in the order in which they ended; while all hold, new ones are dropped, counted."""
    subject = NatTable(4, stage := Stage("entries"))
    clients = [("10.0.0.5", port) for port in range(1, 8)]
    for client in clients[:4]:
        subject.learn(nat_event((client, SERVICE), (client, BACKENDS[0]), at_ns=1), 0)
    for at, client in ((3, clients[2]), (4, clients[1])):
        subject.learn(nat_event((client, SERVICE), (client, BACKENDS[0]), at_ns=at, deleted=True), 0)
    for client in clients[4:]:
        subject.learn(nat_event((client, SERVICE), (client, BACKENDS[0]), at_ns=5), 0)
    known = [client for client in clients if backend(subject, 0, 9, client=client)]
    assert known == [clients[0], clients[3], clients[4], clients[5]]
    assert (stage.dropped, stage.noted, stage.balanced) == ({"table_full": 1}, {"evicted": 2}, True)


def test_entries_of_nobodys_call_are_announced() -> None:
    """What a local socket called by way of is not said; the rest is, when it begins, when it ends, and in between."""
    subject, other = table(announces=True), ("10.0.0.6", 1)
    subject.learn(nat_event((CLIENT, SERVICE), (CLIENT, BACKENDS[0])), 0)
    subject.learn(nat_event((other, SERVICE), (other, BACKENDS[1]), at_ns=1), 0)
    subject.claim(subject.rewritten(called := key(CLIENT, SERVICE), hashed(called), spans(0, SECOND))[0])
    said = [subject.announce(window) for window in range(1, 62)]
    assert len(said[0]) == 1
    assert sum(map(len, said)) in (2, 3)
    subject.learn(nat_event((other, SERVICE), (other, BACKENDS[1]), at_ns=7, deleted=True), 0)
    last = subject.announce(62)
    assert last["end_ns"].tolist() == [7]
    far = table()
    far.take_announced(said[0], now_ns=100 * SECOND)
    assert backend(far, 0, SECOND, client=other) == BACKENDS[1]
    far.take_announced(last, now_ns=101 * SECOND)
    assert backend(far, 8, SECOND, client=other) is None


def test_what_is_not_repeated_has_ended() -> None:
    """A node that went away takes its entries with it, after two rounds."""
    subject = table(announces=True)
    subject.learn(nat_event((CLIENT, SERVICE), (CLIENT, BACKENDS[0])), 0)
    far = table()
    far.take_announced(subject.announce(1), now_ns=SECOND)
    far.end_unannounced(now_ns=100 * SECOND)
    assert backend(far, 100 * SECOND, 101 * SECOND) == BACKENDS[0]
    far.end_unannounced(now_ns=200 * SECOND)
    assert backend(far, 300 * SECOND, 301 * SECOND) is None


events = st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 2)), max_size=60)


@given(events)
def test_the_newest_that_holds_is_that_of_a_plain_list(script: list[tuple[bool, int, int]]) -> None:
    """Entries begin and end in any order: the answer is the one of a search through all of them. One that begins
    again has ended before."""
    subject, model = table(64), list[list[int]]()
    for at, (deleted, number, to) in enumerate(script, 1):
        client = ("10.0.0.5", number)
        holding = [entry for entry in model if entry[:2] == [number, to] and entry[3] == OPEN]
        subject.learn(nat_event((client, SERVICE), (client, BACKENDS[to]), at_ns=at, deleted=deleted), 0)
        if holding:
            holding[-1][3] = at
        if not deleted:
            model.append([number, to, at, OPEN])
    for number in range(4):
        for at in range(len(script) + 2):
            hits = [to for who, to, begin, end in model if who == number and begin <= at <= end]
            wanted = BACKENDS[hits[-1]] if hits else None
            assert backend(subject, at, at, client=("10.0.0.5", number)) == wanted


@given(events)
def test_events_heard_at_once_are_learnt_in_their_order(script: list[tuple[bool, int, int]]) -> None:
    """Entries of the same tuples begin and end in any order: all in one call is as good as one after the other."""
    said = [
        nat_event(
            (("10.0.0.5", number), SERVICE), (("10.0.0.5", number), BACKENDS[to]), at_ns=at, deleted=deleted
        )
        for at, (deleted, number, to) in enumerate(script, 1)
    ]
    together, apart = table(64), table(64)
    together.learn(np.concatenate([end_of_namespace(9), *said]), 0)
    for event in said:
        apart.learn(event, 0)
    assert len(together) == len(apart)
    for number in range(4):
        for at in range(len(script) + 2):
            found = [backend(each, at, at, client=("10.0.0.5", number)) for each in (together, apart)]
            assert found[0] == found[1]
