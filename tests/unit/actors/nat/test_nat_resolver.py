"""The resolver of a node as an actor: a clock that is set keeps no connection from its rewrite."""

from itertools import pairwise

import pytest

from actors.items import Events, WindowClock
from actors.nat.nat_resolver import NatResolver
from actors.nat.table import NatTable
from model.batch import Batch
from model.clock import SECOND_NS
from model.kinds.delta import DELTA, Role
from model.ledger import Ledger
from tests.nat_events import columns_of, nat_event, socket_row

CLIENT, SERVICE = ("10.0.0.5", 40000), ("10.96.0.1", 80)
BACKENDS = [("10.1.0.1", 8080), ("10.1.0.2", 8080), ("10.1.0.3", 8080)]
HOUR_NS = 3600 * SECOND_NS
WALL_NS = 1_700_000_000 * SECOND_NS


def resolver(ledger: Ledger) -> NatResolver:
    return NatResolver(8, NatTable(64, ledger.stage("nat", "entries")), ledger)


def rows(number: int, began_ns: int, offset_ns: int, opening_offset_ns: int, closed_ns: int = 0) -> Batch:
    """The second of a connection that began then, by the monotonic clock, as its node's sockets tell it.

    :param opening_offset_ns: of the clock when it was first reported.
    """
    row = socket_row(
        CLIENT,
        SERVICE,
        Role.CLIENT,
        socket__slot=number,
        socket__generation=1,
        connection__opened_at_ns=began_ns + 100 + opening_offset_ns,
        connection__connect_latency_ns=100,
        connection__closed_at_ns=closed_ns + offset_ns if closed_ns else 0,
    )
    window = (began_ns + offset_ns) // SECOND_NS
    head = {"open_sockets": 1, "ledger": {}}
    return Batch(DELTA, "n", "b", 0, window, columns_of([row]), head=head)


def backend(subject: NatResolver, item: Batch, offset_ns: int) -> int:
    """The last byte of the address that answered."""
    assert not [*subject.handle(WindowClock(offset_ns))]
    (resolved,) = subject.handle(item)
    number: int = resolved.columns["connection.destination.address"][0].tobytes()[-1]
    return number


@pytest.mark.parametrize("step_ns", [-HOUR_NS, HOUR_NS, -2 * SECOND_NS])
def test_an_entry_is_found_though_the_clock_is_set_between_it_and_its_socket(step_ns: int) -> None:
    """The socket was not there when the snapshot was taken; its entry was read with that, then the clock was set."""
    subject, began_ns = resolver(Ledger()), 5 * SECOND_NS
    for to, (begin, end) in zip(
        BACKENDS, pairwise((4 * SECOND_NS, began_ns, 6 * SECOND_NS, 7 * SECOND_NS)), strict=True
    ):
        entry = (CLIENT, SERVICE), (CLIENT, to)
        for event in (nat_event(*entry, at_ns=begin), nat_event(*entry, at_ns=end, deleted=True)):
            assert not [*subject.handle(Events("nat", event, WALL_NS))]
    offset_ns = WALL_NS + step_ns
    told = [
        backend(subject, rows(1, began_ns, offset_ns, offset_ns, began_ns + SECOND_NS // 2), offset_ns),
        backend(subject, rows(2, 6 * SECOND_NS, offset_ns, offset_ns), offset_ns),
    ]
    assert told == [2, 3]


def test_an_entry_that_is_learnt_after_the_clock_was_set_is_found() -> None:
    """The opening keeps the clock of its time: the connection is looked up again, by the kernel's clock."""
    subject, began_ns = resolver(Ledger()), 5 * SECOND_NS
    assert backend(subject, rows(1, began_ns, WALL_NS, WALL_NS), WALL_NS) == 1
    entry = nat_event((CLIENT, SERVICE), (CLIENT, BACKENDS[1]), at_ns=began_ns + 10)
    assert not [*subject.handle(Events("nat", entry, WALL_NS - HOUR_NS))]
    assert backend(subject, rows(1, began_ns, WALL_NS - HOUR_NS, WALL_NS), WALL_NS - HOUR_NS) == 2
