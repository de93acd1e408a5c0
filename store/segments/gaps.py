"""Where something is not known: holes in what nodes and the store report, and losses that ledgers count. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np

from store.reading import Gap, Window
from store.segments.losses import TOO_OLD
from store.segments.one_row import HOLE_S

#: Seconds after which a node that says nothing more is away.
SILENT_S: Final = 10

_Span = tuple[int, int]


def gaps_of(
    presence: Mapping[str, np.ndarray], losses: Mapping[str, np.ndarray], window: Window, newest_s: int
) -> list[Gap]:
    """The gaps of a window, ordered by time, and cut to it.

    :param presence: rows of that table, one for each time without a hole; ``losses`` likewise.
    :param newest_s: the last second that the store has.
    """
    spans: dict[str, list[_Span]] = defaultdict(list)
    for node, first, last in _rows(presence, "node", "first_s", "last_s"):
        spans[node].append((first, last + 1))
    stored = list(_holes(spans.pop("", [])))
    found = [Gap("", begin, end, "not_stored") for begin, end in stored]
    for node, known in spans.items():
        last = max(end for _, end in known)
        tail = [(last, newest_s + 1)] if last + SILENT_S <= newest_s else []
        for hole in [*_holes(known), *tail]:
            found += [Gap(node, begin, end, "away") for begin, end in _without(hole, stored)]
    old: dict[tuple[str, str], list[_Span]] = defaultdict(list)
    for node, first, last, stage, reason, lost in _rows(
        losses, "node", "first_s", "last_s", "stage", "reason", "lost"
    ):
        if reason == TOO_OLD:
            old[node, stage].append((first, last + 1))
        else:
            found.append(Gap(node, first, last + 1, "lost", lost, f"{stage} {reason}"))
    for (node, version), rows in old.items():
        found += [Gap(node, begin, end, "agent_too_old", 0, version) for begin, end in _together(rows)]
    return sorted(cut for each in found for cut in _cut(each, window))


def _rows(table: Mapping[str, np.ndarray], *names: str) -> Iterable[tuple[Any, ...]]:
    return zip(*(table[name].tolist() for name in names), strict=True)


def _together(spans: list[_Span]) -> Iterator[_Span]:
    """Spans without holes between them as one."""
    begin = min(first for first, _ in spans)
    for ended, begins in _holes(spans):
        yield begin, ended
        begin = begins
    yield begin, max(end for _, end in spans)


def _holes(spans: list[_Span]) -> Iterator[_Span]:
    """Between spans of seconds."""
    ended: int | None = None
    for begin, end in sorted(spans):
        if ended is not None and begin - ended >= HOLE_S:
            yield ended, begin
        ended = end if ended is None else max(ended, end)


def _without(hole: _Span, others: list[_Span]) -> Iterator[_Span]:
    """What is left of a hole where no other one is, if that is long enough to be one."""
    begin, end = hole
    for first, last in sorted(others):
        if last <= begin or end <= first:
            continue
        if first - begin >= HOLE_S:
            yield begin, first
        begin = max(begin, last)
    if end - begin >= HOLE_S:
        yield begin, end


def _cut(gap: Gap, window: Window) -> Iterator[Gap]:
    begin, end = max(gap.from_s, window.from_s), min(gap.to_s, window.to_s)
    if begin < end:
        yield gap._replace(from_s=begin, to_s=end)
