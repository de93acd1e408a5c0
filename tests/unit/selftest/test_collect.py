"""The rows of many seconds become one row for each socket."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.kinds.delta import NO_SLOT
from selftest.collect import collect
from tests.unit.selftest.synthetic import CLIENT, SERVER, START_SECOND, batch, batches_of, row


def test_nothing_collected_is_no_socket() -> None:
    """Without messages there are no sockets, and all columns are there."""
    sockets = collect([])
    assert [len(column) for column in sockets.values()] == [0] * len(sockets)
    assert {"tx_bytes", "connection.closed", "window.first", "rows"} <= sockets.keys()


def test_counters_add_up_and_the_latest_row_describes() -> None:
    """Bytes of all windows are summed; the owner of the last window stands, whatever the order of arrival."""
    first, second = row(CLIENT, 7), row(CLIENT, 7)
    second["process.comm"][0] = b"renamed"
    second["connection.opened"][0] = first["connection.closed"][0] = 0
    sockets = collect([batch(second, START_SECOND + 1, seq=1), batch(first)])
    assert sockets["tx_bytes"].tolist() == [2000]
    assert sockets["process.comm"].tolist() == [b"renamed"]
    assert sockets["connection.opened"].tolist() == sockets["connection.closed"].tolist() == [1]
    assert (sockets["window.first"][0], sockets["window.last"][0]) == (START_SECOND, START_SECOND + 1)
    assert sockets["rows"].tolist() == [2]


def test_a_late_row_belongs_to_its_true_window() -> None:
    """A row that says it is two seconds late describes less than the row of the second before."""
    late, punctual = row(CLIENT, 7), row(SERVER, 7)
    late["window.late_s"][0] = 2
    sockets = collect([batch(punctual, START_SECOND + 1), batch(late, START_SECOND + 2, seq=1)])
    assert sockets["process.comm"].tolist() == [b"short-server"]
    assert (sockets["window.first"][0], sockets["window.last"][0]) == (START_SECOND, START_SECOND + 1)


def test_a_message_that_comes_twice_counts_once() -> None:
    """Delivery at least once does not count bytes twice."""
    message = batch(row(CLIENT, 7))
    assert collect([message, message])["tx_bytes"].tolist() == [1000]


def test_sockets_without_a_slot_stay_apart_by_generation() -> None:
    """The slot that stands for none is shared; the generation tells such sockets apart."""
    first, second = row(CLIENT, NO_SLOT), row(SERVER, NO_SLOT)
    second["socket.generation"][0] = 2
    assert collect([batch(first), batch(second, seq=1)])["tx_bytes"].tolist() == [1000, 2000]


def test_the_same_slot_of_another_boot_is_another_socket() -> None:
    """Identity includes the boot."""
    later = batch(row(CLIENT, 7), seq=1)
    later = replace(later, boot="another boot")
    assert collect([batch(row(CLIENT, 7)), later])["rows"].tolist() == [1, 1]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 1 << 50)), max_size=30))
def test_sums_are_those_of_a_plain_loop(rows: list[tuple[int, int, int]]) -> None:
    """For any slots, windows and counts the columns give what a dictionary gives."""
    expected: dict[int, int] = {}
    messages = []
    for seq, (slot, window, count) in enumerate(rows):
        columns = row(CLIENT, slot)
        columns["tx_bytes"][0] = count
        messages.append(batch(columns, START_SECOND + window, seq))
        expected[slot] = expected.get(slot, 0) + count
    sockets = collect(messages)
    found = dict(zip(sockets["socket.slot"].tolist(), sockets["tx_bytes"].tolist(), strict=True))
    assert found == expected
    assert sockets["tx_bytes"].dtype == np.uint64


def test_every_end_is_a_socket() -> None:
    """Different slots are different sockets, in the order of their slots."""
    assert collect(batches_of())["process.pid"].tolist() == [101, 102, 103, 104, 101]
