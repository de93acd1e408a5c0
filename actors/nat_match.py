"""Which entry is whose: connections of one tuple follow each other, and so do the entries that rewrite it.

When an entry began is known no better than from one read of conntrack's word to the next, and a busy node reads late:
several entries of a tuple may be of any connection of that time. They are given out in order, each once to either
end.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from actors.nat import NatTable, Spans
from actors.tuple_index import NOWHERE
from engine.clock import SECOND_NS
from engine.schema import Columns

#: Time that conntrack's word may take to reach us: it is read ten times a second.
WORD_NS: Final = 150_000_000
#: By how much the clock may be corrected between a connection's report and the word of its entry.
SLACK_NS: Final = 10_000_000


@dataclass(frozen=True)
class Times:
    """When connections were there, wall clock; each of shape (n,), int64.

    :param opened: 0 if that was not seen.
    :param since: an entry that ended before is none of theirs.
    :param begun: when their first packet was on its way, and so their entry was not there before long.
    :param until: an entry that began after is none of theirs in any case.
    """

    opened: np.ndarray
    since: np.ndarray
    begun: np.ndarray
    until: np.ndarray

    @classmethod
    def of(cls, columns: Columns, rows: np.ndarray, window: int, slack_ns: int) -> "Times":
        """Those of some delta rows."""
        names = ("opened_at_ns", "closed_at_ns", "connect_latency_ns")
        opened, closed, waited = (columns[f"connection.{name}"][rows].astype(np.int64) for name in names)
        begin = (window - columns["window.late_s"][rows].astype(np.int64)) * SECOND_NS
        first = np.where(opened > 0, opened, closed) - waited
        until = np.where(closed > 0, closed, begin + SECOND_NS) + WORD_NS
        since = np.where(first > 0, first, begin) - WORD_NS
        return cls(opened, since, np.where(first > 0, first + slack_ns, until), until)

    def take(self, rows: np.ndarray) -> "Times":
        """Some of them."""
        return Times(self.opened[rows], self.since[rows], self.begun[rows], self.until[rows])


def entries_of(table: NatTable, keys: np.ndarray, times: Times, *, ahead: bool) -> np.ndarray:
    """The entry that rewrites each tuple, or that made it what it is (not ``ahead``), else NOWHERE; shape (n,).

    First as if no packet had been lost: the entry began with the first one.
    """
    places = _in_order(table, keys, times, times.begun, ahead=ahead, free=True)
    left = np.flatnonzero(places == NOWHERE)
    if len(left):
        some = times.take(left)
        places[left] = _in_order(table, keys.take(left), some, some.until, ahead=ahead, free=False)
    table.give_out(places[places != NOWHERE], ahead=ahead)
    return places


def _in_order(
    table: NatTable, keys: np.ndarray, times: Times, until: np.ndarray, *, ahead: bool, free: bool
) -> np.ndarray:
    """The newest entry that fits; of several that came with the same word, the first for the first connection.

    :param free: only entries that were not given out before.
    """
    look = table.rewritten if ahead else table.behind
    spans = Spans(times.since, until, np.zeros(len(keys), np.int64), free)
    places = look(keys, spans)
    later, count = _ranks(places, times.opened)
    if free:  # entries that are left over are of connections that have not been reported yet
        later += np.maximum(0, 1 + table.before(places, times.since, ahead=ahead) - count)
    rows = np.flatnonzero(later)
    if len(rows):
        some = Spans(times.since[rows], until[rows], later[rows], free)
        places[rows] = look(keys.take(rows), some)
    return places


def _ranks(places: np.ndarray, opened: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the connections that found the same entry: how many were opened later than each, and how many there are.

    Rows with the same time are of the same connection.
    """
    later, count = np.zeros(len(places), np.int64), np.ones(len(places), np.int64)
    found = np.flatnonzero(places != NOWHERE)
    order = found[np.lexsort((-opened[found], places[found]))]
    same = np.diff(places[order], prepend=NOWHERE) == 0
    if same.any():
        numbers = np.cumsum(~same | (np.diff(opened[order], prepend=-1) != 0))
        begins = np.flatnonzero(~same)
        sizes = np.diff([*begins.tolist(), len(order)])
        ends = begins + sizes - 1
        later[order] = numbers - np.repeat(numbers[begins], sizes)
        count[order] = np.repeat(numbers[ends] - numbers[begins] + 1, sizes)
    return later, count
