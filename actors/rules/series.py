"""Shares of one rule over time: one series for each workload, edge or all, in columns."""

from typing import Final, NamedTuple

import msgspec
import numpy as np

from actors.rules.grammar import BURNS, Rule

#: Series of one rule at once, 60 bytes each, and 2,880 more where it is an objective; others are counted.
MOST: Final = 1000
#: Minutes that are kept of an objective.
MINUTES: Final = 360
#: Seconds of silence after which a series is forgotten: nothing that is kept of it is of use then.
_SILENT_S: Final = MINUTES * 60.0
#: Seconds for which one that is bad stays so without traffic: silence is no health.
_BAD_SILENT_S: Final = 3600.0


#: What stays of a habit from tick to tick: half of it after two hours.
_STAYS: Final = 0.999
#: The share that is normal for what was never seen, as if so many had been counted.
_NEW_SHARE: Final = 1e-3
_NEW_COUNT: Final = 200.0


class Kept(msgspec.Struct, frozen=True):
    """Series over a restart.

    :param text: of the rule.
    :param columns: bytes of one row for each name.
    """

    text: str
    minute: int
    names: list[str]
    columns: dict[str, bytes]


class Bad(NamedTuple):
    """Series that break the rule now.

    :param rows: their numbers; what follows has their shape.
    :param since: Unix seconds.
    :param share: of bad ones; ``normal`` when it is not broken.
    :param bad: since then, or in an objective's long window; ``total`` likewise.
    :param burn: place in ``BURNS``; 0 of a rule that is no objective.
    :param silent: those that had no traffic just now.
    """

    rows: np.ndarray
    since: np.ndarray
    share: np.ndarray
    normal: np.ndarray
    bad: np.ndarray
    total: np.ndarray
    burn: np.ndarray
    silent: np.ndarray


class Series:
    """Of one rule.

    :ivar refused: names past ``most`` so far.
    """

    def __init__(self, rule: Rule, most: int = MOST) -> None:
        self._rule = rule
        self._most = most
        self._numbers: dict[str, int] = {}
        self._free = list(range(most - 1, -1, -1))
        self.names: list[str] = [""] * most
        minutes = MINUTES if rule.slo else 0
        self._now = np.zeros((most, 2))  # bad ones and all of the tick under way
        self._sums = np.zeros((most, 2))  # since it is bad
        self._habit = np.zeros((most, 2))  # of the last hours while it was not
        self._since = np.zeros(most)
        self._heard = np.zeros(most)
        self._born = np.zeros(most)
        self._past = np.zeros((most, minutes, 2), np.float32)
        self._windows = {
            minutes: np.zeros((most, 2)) for burn in BURNS for minutes in (burn.long, burn.short)
        }
        self._minute = 0
        self.refused = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, name: str) -> int:
        """Of a series, a new one if need be; -1: there are too many."""
        number = self._numbers.get(name, -1)
        if number < 0 and self._free:
            number = self._numbers[name] = self._free.pop()
            self.names[number] = name
            for column in (self._now, self._sums, self._habit, *self._windows.values()):
                column[number] = 0
            self._past[number] = 0
            self._since[number] = self._heard[number] = self._born[number] = 0
        self.refused += number < 0
        return number

    def add(self, numbers: np.ndarray, counts: np.ndarray) -> None:
        """What rows of the tick under way count.

        :param numbers: of the series; shape (n,), none below 0. ``counts``: shape (n, 2).
        """
        for place in (0, 1):
            self._now[:, place] += np.bincount(numbers, counts[:, place], self._most)

    def end_tick(self, begin: float, end: float, *, complete: bool) -> Bad:
        """What is bad now; the next tick begins.

        :param complete: whether the tick's data is whole. Of one that is not nothing is said to be well.
        """
        heard = self._now[:, 1] > 0
        self._heard[heard] = end
        self._born[heard & (self._born == 0)] = begin
        found = (
            self._burning(begin, end, heard) if self._rule.slo else self._above(begin, end, heard, complete)
        )
        self._now[:] = 0
        self._forget(end)
        return found

    def _above(self, begin: float, end: float, heard: np.ndarray, complete: bool) -> Bad:
        """Shares that have been above the limit in all ticks with traffic for long enough."""
        bad, total = self._now.T
        above = heard & (bad > self._rule.limit * total)
        self._since[above & (self._since == 0)] = begin
        silent = ~heard & (end - self._heard < _BAD_SILENT_S)
        well = ~above & ~silent if complete else np.zeros_like(above)
        self._since[well] = 0
        self._sums[self._since == 0] = 0
        self._sums[above] += self._now[above]
        # it opens when it was seen twice: the time that takes is a part of the rule's own
        long = end - self._since >= max(self._rule.span - (end - begin), end - begin)
        rows = np.flatnonzero((self._since > 0) & long & (self._sums[:, 0] >= self._rule.least))
        sums = self._sums[rows]
        none = np.zeros(len(rows), np.int64)
        share = sums[:, 0] / sums[:, 1]
        normal = self._learn(~above)[rows]
        return Bad(rows, self._since[rows], share, normal, sums[:, 0], sums[:, 1], none, ~above[rows])

    def _burning(self, begin: float, end: float, heard: np.ndarray) -> Bad:
        """Those that spend their budget too fast in a long window and still in its short one."""
        self._advance(int(begin // 60))
        self._past[:, self._minute % MINUTES] += self._now
        for minutes in self._windows:
            self._windows[minutes] += self._now
        burn = np.full(self._most, -1)
        sums = np.zeros((self._most, 2))
        for place in range(len(BURNS) - 1, -1, -1):
            each = BURNS[place]
            limit = self._rule.limit * self._rule.burn_rate(each)
            long, short = self._windows[each.long], self._windows[each.short]
            part = np.clip((end - self._born) / (60 * each.long), 1e-9, 1)  # what was not seen was well
            hit = (long[:, 0] > limit * long[:, 1] / part) & (short[:, 0] > limit * short[:, 1])
            hit &= long[:, 0] >= self._rule.least
            burn[hit], sums[hit] = place, long[hit]
        self._since[(burn >= 0) & (self._since == 0)] = begin
        self._since[burn < 0] = 0
        rows = np.flatnonzero(burn >= 0)
        bad, total = sums[rows].T
        share, normal = bad / np.maximum(total, 1), self._learn(burn < 0)[rows]
        return Bad(rows, self._since[rows], share, normal, bad, total, burn[rows], ~heard[rows])

    def _learn(self, well: np.ndarray) -> np.ndarray:
        """The share that is normal for each, after this tick; of one that is new, next to nothing."""
        self._habit[well] *= _STAYS
        self._habit[well] += self._now[well]
        bad, total = self._habit.T
        share = (bad + _NEW_SHARE * _NEW_COUNT) / (total + _NEW_COUNT)
        return np.minimum(share, self._rule.limit)

    def kept(self) -> Kept:
        """All that is to be known after a restart."""
        rows = np.array(sorted(self._numbers.values()), np.int64)
        columns = {name: np.ascontiguousarray(column[rows]).tobytes() for name, column in self._columns()}
        return Kept(self._rule.text, self._minute, [self.names[row] for row in rows.tolist()], columns)

    def adopt(self, kept: Kept) -> None:
        """What ``kept`` returned; of a rule that reads otherwise now, nothing.

        :raises ValueError: if it has another shape.
        """
        if kept.text != self._rule.text:
            return
        rows = np.array([self.number(name) for name in kept.names[: self._most]], np.int64)
        for name, column in self._columns():
            shape = (len(kept.names), *column.shape[1:])
            column[rows] = np.frombuffer(kept.columns.get(name, b""), column.dtype).reshape(shape)[
                : len(rows)
            ]
        self._minute = kept.minute
        if self._rule.slo:
            self._sum_up()

    def _columns(self) -> list[tuple[str, np.ndarray]]:
        """Those that are kept."""
        return [
            ("sums", self._sums),
            ("habit", self._habit),
            ("since", self._since),
            ("heard", self._heard),
            ("born", self._born),
            ("past", self._past),
        ]

    def _advance(self, minute: int) -> None:
        """To the minute of now; those between were silent. A clock that was put back adds to the last one."""
        passed = minute - self._minute
        if -MINUTES < passed <= 0:
            return
        self._minute = minute
        for back in range(min(abs(passed), MINUTES)):
            self._past[:, (minute - back) % MINUTES] = 0
        self._sum_up()

    def _sum_up(self) -> None:
        """Windows up to this minute."""
        used = max(self._numbers.values(), default=-1) + 1
        for minutes, window in self._windows.items():
            places = np.arange(self._minute - minutes + 1, self._minute + 1) % MINUTES
            window[:used] = self._past[:used, places].sum(axis=1, dtype=np.float64)

    def _forget(self, now: float) -> None:
        for number in np.flatnonzero((self._heard > 0) & (now - self._heard > _SILENT_S)).tolist():
            del self._numbers[self.names[number]]
            self._heard[number] = self._since[number] = 0
            self._free.append(number)
