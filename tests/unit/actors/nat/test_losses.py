"""After lost events a connection has the rewrite that is proven to be its own, or says that it may have another."""

from collections.abc import Callable
from functools import partial
from operator import itemgetter

import numpy as np
import pytest

from actors.nat.resolver import Resolver
from actors.nat.table import NatTable
from model.kinds.delta import NatEvidence, Role
from model.ledger import Stage
from tests.nat_events import End, columns_of, end_of_namespace, nat_event, of_all, socket_row

MS = 10**6
START = 10**9
CLIENT, SERVICE = ("10.0.0.5", 40000), ("10.96.0.1", 80)
BACKENDS: list[End] = [("10.1.0.1", 8080), ("10.1.0.2", 8080)]


def ms(value: float) -> int:
    """So many milliseconds after the beginning."""
    return START + int(value * MS)


class Node:
    """Its table, and what its resolver says of both ends of CLIENT's connections to SERVICE."""

    def __init__(self) -> None:
        self.stage = Stage("entries")
        self.table = NatTable(64, self.stage)
        self._resolver = Resolver(64, self.table)

    def begins(self, to: int, first: float, last: float = 0, *, client: End = CLIENT) -> None:
        """An entry, at that time or between both."""
        self._entry(to, first, last, client, deleted=False)

    def ends(self, to: int, first: float, last: float = 0, *, client: End = CLIENT) -> None:
        self._entry(to, first, last, client, deleted=True)

    def _entry(self, to: int, first: float, last: float, client: End, *, deleted: bool) -> None:
        tuples, until = ((client, SERVICE), (client, BACKENDS[to])), ms(last) if last else 0
        self.table.learn(nat_event(*tuples, at_ns=ms(first), latest_at_ns=until, deleted=deleted), 0)

    def dumps(self, at: float, *entries: int) -> None:
        """Makes up for what was lost: these are there."""
        self.table.learn(end_of_namespace(1, ms(at)), 0)
        for to in entries:
            tuples = (CLIENT, SERVICE), (CLIENT, BACKENDS[to])
            self.table.learn(nat_event(*tuples, latest_at_ns=ms(at + 1)), 0)
        self.table.learn(of_all("KIND_NAT_DUMPED", ms(at), ms(at + 1)), 0)

    def loses(self, first: float, last: float) -> None:
        self.table.learn(of_all("KIND_NAT_LOST", ms(first), ms(last)), 0)

    def tells(
        self, began: float, closed: float = 0, *, slot: int = 1, client: End = CLIENT
    ) -> tuple[int | None, NatEvidence]:
        """Of a connection that began then, and was open 0.1 ms later: its backend, and the evidence.

        :param closed: when it ended; 0: it is open at the second's end.
        """
        row = socket_row(
            client,
            SERVICE,
            Role.CLIENT,
            socket__slot=slot,
            socket__generation=1,
            connection__opened_at_ns=ms(began + 0.1),
            connection__connect_latency_ns=MS // 10,
            connection__closed_at_ns=ms(closed) if closed else 0,
        )
        self._resolver.resolve(columns := columns_of([row]), 1)
        address = columns["connection.destination.address"][0].tobytes()[-4:]
        found = [
            place for place, (name, _) in enumerate(BACKENDS) if address == bytes(map(int, name.split(".")))
        ]
        return next(iter(found), None), NatEvidence(columns["nat.evidence"][0])

    def tells_backend(
        self, to: int, opened: float, closed: float = 0, *, slot: int = 1
    ) -> tuple[bool, NatEvidence]:
        """The same at the backend's end: whether it knows that SERVICE was called."""
        row = socket_row(
            BACKENDS[to],
            CLIENT,
            Role.SERVER,
            socket__slot=slot,
            socket__generation=1,
            connection__opened_at_ns=ms(opened),
            connection__closed_at_ns=ms(closed) if closed else 0,
        )
        chains = self._resolver.resolve(columns := columns_of([row]), 1)
        evidence, index = NatEvidence(columns["nat.evidence"][0]), int(columns["nat.index"][0])
        return [hop.destination_port for hop in chains[index]][:1] == [SERVICE[1]], evidence


@pytest.fixture
def node() -> Node:
    return Node()


LOST = None, NatEvidence.LOST


def known(backend: int | None) -> tuple[int | None, NatEvidence]:
    return backend, NatEvidence.COMPLETE


def test_an_entry_of_the_connection_before_is_not_taken(node: Node) -> None:
    """The events of the second use of a tuple were lost, and with them the end of the first."""
    node.begins(0, 10)
    node.loses(50, 60)
    assert node.tells(10, 40, slot=1) == known(0)
    assert node.tells(55, 70, slot=2) == LOST
    assert node.tells(80, 90, slot=3) == LOST  # nothing was heard of its own, and the old one may be gone


@pytest.mark.parametrize("answered_after", [0.01, 1, 30_000])
def test_the_end_that_was_called_is_opened_after_its_entry_began(node: Node, answered_after: float) -> None:
    """The last event that was lost is that of the connection: its backend has it from when the handshake ends, which
    is later by a round trip, or by many when the answer to the SYN is repeated."""
    node.loses(50, 60)
    opened = 60 + answered_after
    assert node.tells_backend(0, opened, opened + 10, slot=1) == (False, NatEvidence.LOST)
    node.begins(0, opened + 19)  # heard, but the client's own router may have rewritten it before
    assert node.tells_backend(0, opened + 20, opened + 20.5, slot=2) == (True, NatEvidence.LOST)
    node.dumps(opened + 40, 0)
    assert node.tells_backend(1, opened + 45, opened + 50, slot=3) == (False, NatEvidence.COMPLETE)
    assert node.tells_backend(0, opened + 20, opened + 50, slot=4) == (True, NatEvidence.COMPLETE)


def test_an_older_entry_is_not_that_of_an_end_that_was_called_right_after_a_loss(node: Node) -> None:
    """It held when events were lost, less than a millisecond ago."""
    node.begins(0, 10)
    node.loses(50, 60)
    assert node.tells_backend(0, 60.1, 75) == (False, NatEvidence.LOST)


def test_an_end_that_was_called_may_have_an_entry_of_before_what_can_be_seen(node: Node) -> None:
    """It was opened when the namespace could be seen, its entry began when it could not."""
    node.table.learn(of_all("KIND_NAT_UNSEEN", ms(50), ms(50)), 0)
    assert node.tells_backend(0, 50.1, 55, slot=1) == (False, NatEvidence.UNSEEN)
    assert node.tells(50, 55, slot=2) == (None, NatEvidence.UNSEEN)
    assert node.tells(50.1, 55, slot=3) == known(None)
    assert node.tells_backend(0, 70_000, slot=4) == (False, NatEvidence.COMPLETE)


def test_an_entry_that_began_with_the_connection_is_its_own(node: Node) -> None:
    """Its event came through, though others of that time were lost."""
    node.begins(0, 10)
    node.begins(1, 55)
    node.loses(50, 60)
    backend, evidence = node.tells(55, 58)
    assert (backend, evidence) == (1, NatEvidence.LOST)  # whether it was rewritten further, nobody knows


def test_a_beginning_within_the_loss_is_not_taken_for_another(node: Node) -> None:
    """Of two uses one event is left, whose time may be that of either."""
    node.begins(0, 51, 59)
    node.loses(50, 60)
    assert node.tells(51, 53, slot=1) == LOST
    assert node.tells(57, 59, slot=2) == LOST


def test_a_dump_tells_the_rewrite_of_a_connection_that_is_open(node: Node) -> None:
    """Of one that had ended by then it tells nothing, be it of the same tuple or of another."""
    node.loses(50, 60)
    assert node.tells(55, slot=1) == LOST
    node.dumps(70, 1)
    assert node.tells(55, slot=1) == known(1)
    assert node.tells(52, 54, slot=2) == LOST
    assert node.tells(52, 54, slot=3, client=("10.0.0.5", 9)) == LOST


def test_a_dump_tells_that_nothing_rewrites_an_open_connection(node: Node) -> None:
    """It was open while everything was dumped, and has no entry."""
    node.loses(50, 60)
    node.dumps(70)
    assert node.tells(55, slot=1) == known(None)
    assert node.tells(55, 70.5, slot=2) == LOST


def test_an_entry_whose_beginning_was_missed_is_known_by_its_end(node: Node) -> None:
    """Heard after the loss, it was there from then on: the connection's that lived as long."""
    node.loses(50, 60)
    node.ends(1, 75)
    assert node.tells(55, 74, slot=1) == (1, NatEvidence.LOST)
    assert node.tells(51, 53, slot=2) == LOST


def test_the_end_of_an_entry_that_was_not_found_again_is_open(node: Node) -> None:
    """It ended somewhere between loss and dump: nobody after the loss is said to have it."""
    node.begins(0, 10)
    node.loses(50, 60)
    node.dumps(70)
    assert node.tells(10, 40, slot=1) == known(0)
    assert node.tells(65, 68, slot=2) == LOST
    assert node.tells(80, 90, slot=3) == known(None)


def test_an_entry_that_a_dump_brings_again_may_be_another(node: Node) -> None:
    """The tuple was used twice since the loss, at last as before: in between it may have been rewritten otherwise."""
    node.begins(0, 10)
    node.loses(50, 60)
    node.dumps(90, 0)  # what was heard is read after the dump
    assert [node.tells(10, 49, slot=1), node.tells(55, 70, slot=2)] == [known(0), LOST]
    node.ends(1, 80)
    node.begins(0, 80)
    assert node.tells(55, 70, slot=3) == (1, NatEvidence.LOST)
    assert node.tells(80, 95, slot=4) == known(0)


def test_an_entry_that_ends_after_two_losses_need_not_have_been_there_between_them(node: Node) -> None:
    """It may have ended in the first one and begun again in the second one."""
    node.begins(0, 10)
    node.loses(50, 60)
    node.loses(80, 90)
    node.ends(0, 99)
    assert [node.tells(10, 49, slot=1), node.tells(55, 78, slot=2)] == [known(0), LOST]
    assert node.tells(85, 98, slot=3) == (0, NatEvidence.LOST)


def test_an_end_that_was_heard_before_its_loss_was_noticed_is_of_an_entry_that_began_in_it(
    node: Node,
) -> None:
    """The socket was emptied and heard again in the middle of a loss, which is told when it was emptied for good."""
    node.begins(0, 10)
    node.loses(40, 59)  # the beginning of the entry of the connection at 59
    node.ends(1, 112, 214)  # of one that began at 112, unheard
    node.begins(1, 214)
    node.loses(63, 217)
    assert node.tells(58.9, 62, slot=1) == LOST
    assert node.tells(213.9, 220, slot=2) == (1, NatEvidence.LOST)  # its own, and maybe rewritten again


def test_a_connection_away_from_the_loss_is_as_sure_as_ever(node: Node) -> None:
    """Before and after, entries are heard."""
    node.begins(0, 10)
    node.ends(0, 20)
    node.loses(50, 60)
    node.begins(1, 100)
    assert [node.tells(10, 19, slot=1), node.tells(100, 110, slot=2)] == [known(0), known(1)]


def test_an_entry_that_begins_again_has_ended_before(node: Node) -> None:
    """Its end was missed: the answer to a later time is that of the newer one."""
    node.begins(0, 10)
    node.begins(0, 40)
    node.ends(0, 50)
    node.begins(1, 50)
    assert [node.tells(10, 30, slot=1), node.tells(40, 49, slot=2), node.tells(50, 60, slot=3)] == [
        known(0),
        known(0),
        known(1),
    ]


def test_losses_beyond_the_bound_become_one(node: Node) -> None:
    """The oldest ones: what lies between them is doubted with them, and nothing is forgotten."""
    for number in range(1100):
        node.loses(10 * number, 10 * number + 1)
    begins, _ = node.table.gaps.losses
    assert len(begins) == 1024
    assert node.tells(5, 6, slot=1) == LOST
    assert node.tells(10995.0, slot=2) == known(None)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_lost_no_connection_has_anothers_backend(seed: int) -> None:
    """A tuple is used again and again; events are lost in stretches, and dumps and reads come when they come."""
    random = np.random.default_rng(seed)
    node, uses = Node(), 24
    truth = random.integers(0, 2, uses)
    begins = 10.0 * np.arange(uses) + random.uniform(1, 3, uses)
    ends = np.append(begins[1:], begins[-1] + 10)
    edges = np.sort(random.uniform(0, 10.0 * uses, 6)).reshape(3, 2)

    def lost(at: float) -> bool:
        return bool(((edges[:, 0] <= at) & (at <= edges[:, 1])).any())

    queue: list[tuple[float, Callable[[], None]]] = []
    for use, to in enumerate(truth.tolist()):
        if not lost(begins[use]):
            queue.append((begins[use], partial(node.begins, to, begins[use])))
        if use + 1 < uses and not lost(ends[use]):
            queue.append((ends[use] - 1e-5, partial(node.ends, to, ends[use] - 1e-5)))
    for first, last in edges.tolist():
        queue.append((last + 1e-4, partial(node.loses, first, last)))
        if random.random() < 0.7:
            at = last + random.uniform(0, 20)
            # the dump is taken at a later time than that of the last event that was read
            there = np.flatnonzero((begins <= at) & (at < ends)).tolist()
            read = at - random.uniform(0, 15)
            queue.append((max(read, last + 2e-4), partial(node.dumps, at, *truth[there].tolist())))
    for _, event in sorted(queue, key=itemgetter(0)):
        event()
    told = [
        node.tells(begin, end - 1.5, slot=use)[0]
        for use, (begin, end) in enumerate(zip(begins, ends, strict=True))
    ]
    assert all(backend in (None, truth[use]) for use, backend in enumerate(told))
    answered = begins + random.uniform(0.01, 2, uses)
    for use, (opened, end) in enumerate(zip(answered, ends, strict=True)):
        assert node.tells_backend(int(truth[use]), opened, end - 1.5, slot=uses + use) in (
            (True, NatEvidence.COMPLETE),
            (True, NatEvidence.LOST),
            (False, NatEvidence.LOST),
        )
    heard = [use for use in range(uses) if not lost(begins[use])]
    assert [told[use] for use in heard] == truth[heard].tolist()
