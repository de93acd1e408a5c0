"""When conntrack's entries may have been made for connections: what the rows of their sockets tell of that."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from actors.nat.lives import Spans
from model.arrays import Columns
from model.clock import SECOND_NS
from model.kinds.delta import flags
from model.transport import Transport

#: An entry may go that long before its connection has been answered at both ends: its caller has closed already, and
#: uses the tuple again.
GONE_NS: Final = 1_000_000
#: How long a handshake takes at most where nobody tells: the kernel repeats its answer to a SYN so long
#: (net.ipv4.tcp_synack_retries).
HANDSHAKE_NS: Final = 64 * SECOND_NS
#: How long before a datagram is counted its entry may be made: the same packet makes it, a little earlier.
FIRST_NS: Final = 5_000_000
#: How long after a window's end its snapshot may be taken, and before a socket's end its entry be gone.
WORD_NS: Final = 150_000_000


@dataclass(frozen=True)
class Times:
    """What rows tell of when, by the clock of the entries; each of shape (n,), int64, 0 where it is not known.

    :param begin_ns: of the second that the row is about.
    :param waited_ns: from the first packet to the opening, or to the failure.
    :param adopted: open before Tailrace started; bool.
    :param udp: opened by the first datagram, where TCP is by the end of its handshake; bool.
    """

    begin_ns: np.ndarray
    opened_ns: np.ndarray
    closed_ns: np.ndarray
    waited_ns: np.ndarray
    adopted: np.ndarray
    udp: np.ndarray


def times_of(
    columns: Columns, rows: np.ndarray, window: int, offset_ns: int, opening_offset_ns: np.ndarray
) -> Times:
    """When what these rows tell of was.

    :param offset_ns: of the clock of the columns when the window ended, to that of the entries.
    :param opening_offset_ns: the same when each opening was told, which keeps it.
    """
    opened, closed, waited = (
        columns[f"connection.{name}"][rows].astype(np.int64)
        for name in ("opened_at_ns", "closed_at_ns", "connect_latency_ns")
    )
    begin = (window - columns["window.late_s"][rows].astype(np.int64)) * SECOND_NS - offset_ns
    # an end goes by the present clock, or by that of the opening where it would lie before it else
    ended = closed - np.where(opened > 0, np.maximum(opening_offset_ns, offset_ns), offset_ns)
    opened_ns = np.where(opened > 0, opened - opening_offset_ns, 0)
    udp = columns["network.transport"][rows] == Transport.UDP
    ended = np.where(closed > 0, ended, 0)
    return Times(begin, opened_ns, ended, waited, flags(columns, "connection.adopted")[rows], udp)


def spans_of(times: Times, skew_ns: int) -> Spans:
    """When entries may be theirs.

    The kernel makes an entry as the first packet leaves, before the handshake ends, and keeps it while the connection
    lasts: one that began after the handshake belongs to a later connection, one that ended before to an earlier one.
    Who was called does not tell when the first packet came: its entry began before that end was opened.

    :param skew_ns: by how much the clock of the sockets and that of the entries may differ.
    """
    spans = _spans_of_tcp(times)
    if times.udp.any():
        flows = _spans_of_udp(times)
        parts = zip(vars(spans).values(), vars(flows).values(), strict=True)
        spans = Spans(*(np.where(times.udp, flow, span) for span, flow in parts))
    if not skew_ns:
        return spans
    return Spans(
        spans.called_ns - skew_ns,
        spans.began_ns - skew_ns,
        spans.since_ns - skew_ns,
        spans.until_ns + skew_ns,
        spans.open_ns + skew_ns,
        spans.alive_ns - skew_ns,
        np.zeros_like(spans.timed),  # two connections of one tuple may lie within a larger skew
    )


def _spans_of_tcp(times: Times) -> Spans:
    opened, closed, waited, begin = times.opened_ns, times.closed_ns, times.waited_ns, times.begin_ns
    began = np.where(opened > 0, opened - waited, np.where(closed > 0, closed - waited, begin))
    since = np.where(opened > 0, opened - GONE_NS, began - WORD_NS)
    until = np.where(opened > 0, opened, np.where(closed > 0, closed, begin + SECOND_NS + WORD_NS))
    alive = np.where(closed > 0, closed, begin + SECOND_NS)
    first = np.where(opened > 0, opened, np.where(times.adopted, np.minimum(begin, alive), alive))
    called = np.where(waited > 0, began, began - HANDSHAKE_NS)
    return Spans(called, began, since, until, first, alive - GONE_NS, (opened > 0) | (closed > 0))


def _spans_of_udp(times: Times) -> Spans:
    """Of flows that the first datagram opens. Its entry is there already where it leaves this namespace, and is made
    later where another one rewrites it, but before the reply; that of an earlier flow of the tuple goes on if it has
    not run out."""
    opened, closed, begin = times.opened_ns, times.closed_ns, times.begin_ns
    began = np.where(opened > 0, opened, np.where(closed > 0, closed, begin)) - FIRST_NS
    end = np.maximum(
        begin + SECOND_NS, opened
    )  # a late snapshot has flows that opened behind the end of its window
    alive = np.where(closed > 0, closed, end)
    answered = (opened > 0) & (times.waited_ns > 0)
    until = np.where(answered, opened + times.waited_ns, alive + WORD_NS)
    first = np.where(answered, until, np.where(times.adopted, np.minimum(begin, alive), alive))
    return Spans(began, began, began, until, first, alive - GONE_NS, answered)
