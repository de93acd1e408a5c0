"""Rows from kernel structs: differences that wrap, gauges in their units, reasons of ends."""

import errno

import numpy as np
import pytest

from actors.node.ended import failure_reasons
from actors.node.rows import TYPES, close_reasons, concatenate, gauge, growth
from model.kinds.delta import DELTA, RESOLVED, CloseReason
from model.transport import Transport
from probes.kernel.layout import structs


def counters(**values: int) -> np.ndarray:
    row = np.zeros(1, structs("tcp")["tcp_counters"])
    for name, value in values.items():
        row[name] = value
    return row


def test_32_bit_counters_may_wrap() -> None:
    """A segment counter that went over its end grew by what it really grew."""
    assert growth(np.array([5], np.uint32), np.array([2**32 - 3], np.uint32)).tolist() == [8]


def test_a_reading_below_the_last_one_is_no_growth() -> None:
    """One byte less while a FIN is on its way is not an enormous number."""
    assert growth(np.array([9], np.uint64), np.array([10], np.uint64)).tolist() == [0]


def test_gauges_have_the_units_of_their_names() -> None:
    """Microseconds become nanoseconds; the rate is segments times their size over the interval."""
    columns = DELTA.empty(1)
    gauge(
        columns, counters(rtt_us=250, rtt_min_us=100, rate_segments=10, mss_bytes=1000, rate_interval_us=500)
    )
    assert columns["rtt_ns"].tolist() == [250_000]
    assert columns["rtt_min_ns"].tolist() == [100_000]
    assert columns["delivery_rate_bytes_per_second"].tolist() == [20_000_000]


def test_no_sample_is_zero() -> None:
    """The kernel's mark for "no minimum yet" and an interval of 0 do not come out as numbers."""
    columns = DELTA.empty(1)
    gauge(columns, counters(rtt_min_us=0xFFFFFFFF, rate_segments=10, mss_bytes=1000))
    assert columns["rtt_min_ns"].tolist() == [0]
    assert columns["delivery_rate_bytes_per_second"].tolist() == [0]


@pytest.mark.parametrize(
    ("state", "error", "reason"),
    [
        (5, 0, CloseReason.FIN_SENT),
        (11, 0, CloseReason.FIN_SENT),
        (9, 0, CloseReason.FIN_RECEIVED),
        (1, 0, CloseReason.RST_SENT),
        (8, 0, CloseReason.RST_SENT),
        (1, errno.ECONNRESET, CloseReason.RST_RECEIVED),
        (8, errno.EPIPE, CloseReason.RST_RECEIVED),
        (4, errno.ETIMEDOUT, CloseReason.TIMED_OUT),
        (1, errno.EHOSTUNREACH, CloseReason.ERROR),
        (7, 0, CloseReason.UNSEEN),
        (7, errno.ETIMEDOUT, CloseReason.TIMED_OUT),
    ],
)
def test_who_ended_it(state: int, error: int, reason: CloseReason) -> None:
    """The state before the end and the socket's error tell who ended a connection, and how."""
    assert close_reasons(np.array([state]), np.array([error])).tolist() == [reason]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errno.ECONNREFUSED, CloseReason.RST_RECEIVED),
        (errno.ETIMEDOUT, CloseReason.TIMED_OUT),
        (errno.EHOSTUNREACH, CloseReason.ERROR),
        (errno.ECANCELED, CloseReason.ERROR),
    ],
)
def test_why_a_connect_failed(error: int, reason: CloseReason) -> None:
    """A refusal is a reset of the peer's."""
    assert failure_reasons(np.array([error])).tolist() == [reason]


def test_concatenating_nothing_gives_empty_columns() -> None:
    """A second without rows still has every column."""
    own = [name for name in TYPES if name not in RESOLVED]
    assert {name: len(column) for name, column in concatenate([]).items()} == dict.fromkeys(own, 0)


@pytest.mark.parametrize("parts", [1, 2])
def test_a_column_that_nobody_fills_has_its_default(parts: int) -> None:
    """Also one whose default is not 0, so that a declaration is all that a new column needs."""
    part = {name: column for name, column in DELTA.empty(3).items() if name not in RESOLVED}
    del part["network.transport"], part["window.missed_s"]
    rows = concatenate([part] * parts)
    assert rows["network.transport"].tolist() == [Transport.TCP] * 3 * parts
    assert rows["window.missed_s"].tolist() == [0] * 3 * parts
