"""When entries of conntrack were there, as far as is known, and which of them a connection can have had."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

#: The end of an entry that holds.
OPEN: Final = np.iinfo(np.int64).max
#: Begin of entries of a dump, which does not tell it.
BEFORE: Final = 0
#: Begin of entries that are known by their end: it was missed.
MISSED: Final = 1


@dataclass(frozen=True)
class Spans:
    """When connections were there, by the clock of the entries; each of shape (n,), int64 but ``timed``.

    :param called_ns: no entry was made for them before.
    :param began_ns: an entry that began later may have been made for them.
    :param since_ns: one that ended before is none of theirs.
    :param until_ns: one that began after is none of theirs either.
    :param open_ns: from here on their entry was there.
    :param alive_ns: up to here it was, if they were open for longer than a moment: else it lies before ``open_ns``.
    :param timed: whether the first packet was sent at ``began_ns`` and answered at ``until_ns``; shape (n,), bool.
    """

    called_ns: np.ndarray
    began_ns: np.ndarray
    since_ns: np.ndarray
    until_ns: np.ndarray
    open_ns: np.ndarray
    alive_ns: np.ndarray
    timed: np.ndarray

    def take(self, rows: np.ndarray) -> "Spans":
        """Those of some connections."""
        return Spans(
            self.called_ns[rows],
            self.began_ns[rows],
            self.since_ns[rows],
            self.until_ns[rows],
            self.open_ns[rows],
            self.alive_ns[rows],
            self.timed[rows],
        )


class Claim(IntEnum):
    """What an entry that was there has to do with a connection of its tuple, the best last."""

    NONE = 0
    EARLIER = 1  # it began before: the connection has it only if nothing else was made for it
    POSSIBLE = 2  # it may have been made for it
    THERE = 3  # the same, and it was there while the connection was open
    MADE = 4  # it began between the first packet and its answer


class Lives:
    """Four times of each of ``entries`` entries: it begins in [begin, begun_by] and ends in [lasted, end].

    All in nanoseconds of one clock; an entry that holds has the end ``OPEN``. ``lasted`` lies before that where its
    end may have been missed, and may lie before ``begun_by``: then no moment is known at which it was there.
    """

    def __init__(self, entries: int) -> None:
        self.begin = np.zeros(entries, np.int64)
        self.begun_by = np.zeros(entries, np.int64)
        self.lasted = np.zeros(entries, np.int64)
        self.end = np.zeros(entries, np.int64)
        self.doubted = np.zeros(entries, np.bool_)  # its end may have been missed

    def start(self, places: np.ndarray, begin: np.ndarray, begun_by: np.ndarray) -> None:
        """New entries, which hold."""
        self.begin[places], self.begun_by[places] = begin, begun_by
        self.end[places] = self.lasted[places] = OPEN
        self.doubted[places] = False

    def same(self, places: np.ndarray, begin: np.ndarray, begun_by: np.ndarray) -> np.ndarray:
        """Whether what begins between these times is the entry that was known to hold, told again; shape (n,), bool.

        A dump brings one of which nothing was missed, or an event one that a dump brought, or somebody repeats it.
        """
        dumped = (begin == BEFORE) | ((self.begin[places] == BEFORE) & (begin <= self.begun_by[places]))
        repeated = (begin == self.begin[places]) & (begun_by == self.begun_by[places])
        found: np.ndarray = ~self.doubted[places] & dumped | repeated
        return found

    def confirm(self, places: np.ndarray, begin: np.ndarray, begun_by: np.ndarray) -> None:
        """Known entries are seen again, perhaps with better times of their beginning."""
        self.begin[places] = np.maximum(self.begin[places], begin)
        self.begun_by[places] = np.minimum(self.begun_by[places], begun_by)
        self.end[places] = self.lasted[places] = OPEN
        self.doubted[places] = False

    def finish(self, places: np.ndarray, lasted: np.ndarray, end: np.ndarray) -> None:
        """Entries end."""
        self.lasted[places], self.end[places] = lasted, end

    def doubt(self, since_ns: int, until_ns: int) -> np.ndarray:
        """Beginnings and ends between these times may have been missed; the places of all entries that hold.

        Ends that were told before the loss was noticed may lie behind it: an entry that is known by its end alone may
        have begun as late as the last event that was lost.
        """
        holding = np.flatnonzero(self.end == OPEN)
        sure = np.maximum(self.begin[holding], since_ns)
        self.lasted[holding] = np.minimum(self.lasted[holding], sure)
        self.doubted[holding] = True
        missed = np.flatnonzero((self.begin == MISSED) & (self.end >= since_ns))
        self.begun_by[missed] = np.maximum(self.begun_by[missed], until_ns)
        return holding

    def fit(self, places: np.ndarray, spans: Spans) -> np.ndarray:
        """Which may have been there at their connection's time; shape (n,), bool."""
        fits: np.ndarray = (self.begin[places] <= spans.until_ns) & (self.end[places] >= spans.since_ns)
        return fits

    def there(self, places: np.ndarray, spans: Spans, after_ns: np.ndarray | int = 0) -> np.ndarray:
        """Which were surely there at some moment, not before ``after_ns``, at which the connection was open.

        Of one tuple conntrack has one entry at a time: that is then the connection's own.
        """
        first = np.maximum(np.maximum(spans.open_ns, after_ns), self.begun_by[places])
        found: np.ndarray = first <= np.minimum(spans.alive_ns, self.lasted[places])
        return found

    def claims(self, places: np.ndarray, spans: Spans) -> np.ndarray:
        """``Claim`` of each entry, of those that fit; shape (n,), int8."""
        begun_by = self.begun_by[places]
        made = spans.timed & (self.begin[places] >= spans.began_ns) & (begun_by <= spans.until_ns)
        later = np.where(self.there(places, spans), Claim.THERE, Claim.POSSIBLE)
        claims = np.where(begun_by >= spans.began_ns, later, Claim.EARLIER)
        return np.where(made, Claim.MADE, claims).astype(np.int8)
