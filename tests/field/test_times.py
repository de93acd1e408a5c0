"""The kind: what a row says of time when the clock was set, or when nobody looked for a while."""

from dataclasses import replace

import numpy as np

from actors.node.rows import describe
from actors.node.sockets import SocketTable
from model.addresses import address_bytes
from model.arrays import Columns
from model.clock import SECOND_NS
from model.ledger import Stage
from model.transport import NetworkType
from probes.kernel.layout import structs
from tests.kernel_model import ModelKernel

WINDOW = 1_700_000_000
HOUR_NS = 3600 * SECOND_NS


def tick(table: SocketTable, kernel: ModelKernel, window: int, offset_ns: int, missed: int = 0) -> Columns:
    """The rows of a second."""
    frame = replace(kernel.snapshot(window=window), offset_ns=offset_ns, missed=missed)
    return {name: column.copy() for name, column in table.tick(frame)[0].items()}


def test_a_clock_that_is_set_moves_no_opening() -> None:
    """One hour back, a little forward: each row of the socket has the time of the first, its end too."""
    kernel, table = ModelKernel(4), SocketTable(4, Stage("events"))
    kernel.connect()
    offset = WINDOW * SECOND_NS
    opened = []
    for second, step in enumerate((0, -HOUR_NS, 330, HOUR_NS)):
        kernel.move(0, 1)
        opened += tick(table, kernel, WINDOW + second, offset + step)["connection.opened_at_ns"].tolist()
    kernel.close(0)
    table.take_ends(kernel.drain(1).events, offset + 7 * HOUR_NS)
    opened += tick(table, kernel, WINDOW + 4, offset)["connection.opened_at_ns"].tolist()
    assert len(opened) == 5
    assert set(opened) == {offset + 1}


def test_no_connection_ends_before_it_began() -> None:
    """The clock is set back by an hour in between: the end is the opening and the time that it lived."""
    kernel, table = ModelKernel(2), SocketTable(2, Stage("events"))
    kernel.connect()
    offset = WINDOW * SECOND_NS
    (opened,) = tick(table, kernel, WINDOW, offset)["connection.opened_at_ns"].tolist()
    kernel.close(0)
    events = kernel.drain(1).events.copy()
    events["header"]["at_ns"] = 3 * SECOND_NS
    table.take_ends(events, offset - HOUR_NS)
    columns = tick(table, kernel, WINDOW + 3 - 3600, offset - HOUR_NS)
    assert columns["connection.opened_at_ns"].tolist() == [opened]
    assert columns["connection.closed_at_ns"].tolist() == [offset + 3 * SECOND_NS]
    assert columns["window.late_s"].tolist() == [0]


def test_a_slot_that_serves_again_has_the_opening_of_its_new_socket() -> None:
    """The time of one socket is not that of the next in its slot."""
    kernel, table = ModelKernel(1), SocketTable(1, Stage("events"))
    for start in (100, 200):
        kernel.connect()
        columns = tick(table, kernel, WINDOW, start * SECOND_NS)
        assert columns["connection.opened_at_ns"].tolist() == [start * SECOND_NS + 1]
        kernel.close(0)
        table.take_ends(kernel.drain(1).events, start * SECOND_NS)
        tick(table, kernel, WINDOW, start * SECOND_NS)


def test_what_ended_while_nobody_looked_keeps_its_own_second() -> None:
    """Stopped for 12 seconds: an end says by how much it is late, an open socket for how long nobody looked."""
    kernel, stage = ModelKernel(4), Stage("events")
    table = SocketTable(4, stage)
    kernel.connect()
    kernel.connect()
    offset = WINDOW * SECOND_NS
    tick(table, kernel, WINDOW, offset)
    kernel.close(0)
    kernel.move(0, 1)
    events = kernel.drain(1).events.copy()
    events["header"]["at_ns"] = 3 * SECOND_NS + 5
    table.take_ends(events, offset)
    columns = tick(table, kernel, WINDOW + 12, offset, missed=11)
    ended = columns["connection.closed"] == 1
    assert columns["window.late_s"][ended].tolist() == [9]
    assert columns["window.missed_s"].tolist() == np.where(ended, 0, 11).tolist()
    assert stage.noted["late"] == 1
    kernel.move(0, 1)
    assert tick(table, kernel, WINDOW + 13, offset)["window.missed_s"].tolist() == [0]


def test_the_network_type_is_what_goes_over_the_wire() -> None:
    """A dual-stack server's socket is of IPv6, its client's connection of IPv4."""
    sockets = np.zeros(3, structs("tcp")["description"])
    sockets["family"] = [6, 6, 4]
    for row, peer in enumerate(("192.0.2.1", "2001:db8::1", "192.0.2.1")):
        sockets["peer_address"][row] = np.void(address_bytes(peer))
    columns: Columns = {}
    describe(columns, sockets, 0)
    assert columns["network.type"].tolist() == [NetworkType.IPV4, NetworkType.IPV6, NetworkType.IPV4]
