"""A filter: parsed once, bound to each kind of rows once, then a mask over whole columns."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial, reduce
from typing import Final

import numpy as np

from model.batch import Batch
from model.filter.names import NAMES, SINCE, UNTIL
from model.filter.quantities import moment
from model.filter.targets import Condition, targets
from model.filter.view import BatchView, Mask, View
from model.filter.words import Word, words_of
from model.kind import Kind

#: Short names whose values may have a namespace in front: ``shop/cart``.
_QUALIFIED: Final = "workload"
#: Rows left are few when they are one in so many.
_FEW: Final = 4


class Filter:
    """All of its words must match; of words ``key:value`` with the same key any, of excluded ones none.

    :param text: words between blanks; empty: every row matches.
    :param now: seconds since the epoch that ``since:10m`` counts from.
    :raises FilterError: if a word is none.
    """

    def __init__(self, text: str, now: float | None = None) -> None:
        self.text = text.strip()
        #: The bounds that ``since`` and ``until`` set; seconds since the epoch.
        self.since: float | None = None
        self.until: float | None = None
        self._words: list[Word] = []
        for word in words_of(self.text):
            if word.key in (SINCE, UNTIL):
                self._bound(word, time.time() if now is None else now)
            else:
                self._words.append(word)

    def __bool__(self) -> bool:
        """Whether there is a word in it."""
        return bool(self.text)

    def of(self, kind: Kind) -> Callable[[View], Mask]:
        """Which rows of this kind match.

        :raises FilterError: if a word has a key that these rows do not have, or a value that means nothing to it.
        """
        alternatives: dict[str, list[Condition]] = {}
        every: list[Condition] = []
        excluded: list[Condition] = []
        if self.since is not None or self.until is not None:
            late = "window.late_s" if "window.late_s" in kind.types else ""
            every.append(_Between(self.since, self.until, late))
        for word in self._words:
            condition = _condition(kind, word)
            if word.excluded:
                excluded.append(_none(condition))
            elif word.operator == ":":
                alternatives.setdefault(word.key, []).append(condition)
            else:
                every.append(condition)
        every += [_any(conditions) for conditions in alternatives.values()]
        return lambda view: _all([*every, *excluded], view)

    def _bound(self, word: Word, now: float) -> None:
        if word.operator != ":" or word.excluded or len(word.values) > 1:
            raise word.error(f"{word.key} takes one time", f"write {word.key}:10m")
        try:
            at = moment(word.values[0], now)
        except ValueError as error:
            raise word.error(str(error)) from None
        if word.key == SINCE:
            self.since = at if self.since is None else max(at, self.since)
        else:
            self.until = at if self.until is None else min(at, self.until)


class BoundFilter:
    """A filter for batches of some kinds.

    :raises FilterError: if a word means nothing for one of them.
    """

    def __init__(self, text: str, kinds: Iterable[Kind], now: float | None = None) -> None:
        parsed = Filter(text, now)
        self._masks = {kind.name: parsed.of(kind) for kind in kinds}

    def __call__(self, batch: Batch) -> Batch:
        """The rows that match; a batch of a kind that it is not for comes back as it is."""
        wanted = self._masks.get(batch.kind.name)
        if wanted is None or not len(batch):
            return batch
        mask = wanted(BatchView(batch))
        return batch if mask.all() else batch.take(np.flatnonzero(mask))


@dataclass(frozen=True)
class _Between:
    """Rows of the seconds from ``since`` up to ``until``, both included.

    :param late: the column of seconds by which rows lie before their window; empty if there is none.
    """

    since: float | None
    until: float | None
    late: str

    def __call__(self, view: View) -> Mask:
        windows = view.windows()
        if self.late and view.columns[self.late].any():
            windows = windows - view.columns[self.late]
        mask = np.ones(len(view), np.bool_)
        if self.since is not None:
            mask &= windows + 1 > self.since  # a second that ends after it
        if self.until is not None:
            mask &= windows <= self.until
        return mask


def _condition(kind: Kind, word: Word) -> Condition:
    """Any of its values."""
    found = targets(kind, word.key)
    if not found:
        raise word.error(f"{kind.plural} have no {word.key!r}", _remedy(kind, word.key))
    return _any([_value(kind, word, value) for value in word.values])


def _value(kind: Kind, word: Word, value: str) -> Condition:
    """Anything that the key means may have this value."""
    side, dot, name = word.key.rpartition(".")
    if name == _QUALIFIED and "/" in value:
        return _qualified(kind, word, side + dot, value)
    conditions: list[Condition] = []
    faults: list[str] = []
    for target in targets(kind, word.key):
        try:
            conditions.append(target(word.operator, value))
        except ValueError as error:
            faults.append(str(error))
    if not conditions:
        raise word.error(faults[0])
    return _any(conditions)


def _qualified(kind: Kind, word: Word, side: str, value: str) -> Condition:
    """A name in a namespace: both of the same end."""
    namespace, _, name = value.partition("/")
    sides = [side] if side else ["client.", "server."] if targets(kind, "client.workload") else [""]
    ends: list[Condition] = []
    for each in sides:
        parts = [
            _any([target(word.operator, text) for target in targets(kind, each + key)])
            for key, text in (("ns", namespace), (_QUALIFIED, name))
        ]
        ends.append(partial(_all, parts))
    return _any(ends)


def _remedy(kind: Kind, key: str) -> str:
    known = [name for name in NAMES if targets(kind, name)] + [SINCE, UNTIL]
    close = get_close_matches(key, known, 1)
    return (
        f"did you mean {close[0]}?" if close else f"they have {', '.join(known)}, and columns by their names"
    )


def _any(conditions: list[Condition]) -> Condition:
    """Conditions that follow one that holds everywhere are not asked."""
    if len(conditions) == 1:
        return conditions[0]

    def found(view: View) -> Mask:
        mask = conditions[0](view)
        for condition in conditions[1:]:
            if mask.all():
                break
            mask = mask | condition(view)
        return mask

    return found


def _none(condition: Condition) -> Condition:
    return lambda view: ~condition(view)


def _all(conditions: list[Condition], view: View) -> Mask:
    """Where few rows are left, the conditions that follow look at those alone."""
    mask = np.ones(len(view), np.bool_)
    for place, condition in enumerate(conditions):
        mask &= condition(view)
        left = np.count_nonzero(mask)
        if left * _FEW <= len(mask) and place + 1 < len(conditions):
            rows = np.flatnonzero(mask)
            if left:
                mask[rows] = reduce(
                    np.logical_and,
                    (each(part) for part in [view.taken(rows)] for each in conditions[place + 1 :]),
                )
            break
    return mask
