"""How long and how much the store keeps, and what it forgets for it; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from store.segments.manifest import Segment
from store.segments.tables import ROWS, STEPS

_HOUR: Final = 3600
_DAY: Final = 24 * _HOUR


@dataclass(frozen=True)
class Limits:
    """What is kept.

    :param keep_s: step in seconds -> recorded seconds kept in steps of that length; longer steps are kept for
        at least as long as shorter ones.
    :param max_bytes: of all files and logs.
    """

    keep_s: Mapping[int, int] = field(default_factory=lambda: {1: _HOUR, 10: _DAY, 60: 30 * _DAY})
    max_bytes: int = 8 << 30


def forgotten(
    segments: Sequence[Segment], limits: Limits, before: Mapping[int, int], log_bytes: int
) -> tuple[dict[int, int], int]:
    """Step -> number of the newest log of which rows are forgotten, and how many rows go only for want of room.

    Only time counts in which something was recorded: a clock that steps, or a machine that was off, makes nothing
    be forgotten. What was written first goes first, whatever second it is of.

    :param before: what was forgotten before.
    """
    gone = {step_s: before.get(step_s, 0) for step_s in STEPS}
    for step_s in STEPS:
        gone[step_s] = max(gone[step_s], _by_age(_of(segments, step_s), limits.keep_s[step_s]))
    _nest(gone)
    aged = dict(gone)
    total = log_bytes + sum(each.bytes for each in segments if not _is_gone(each, gone))
    for each in sorted(segments, key=lambda each: (each.last_part, each.step_s)):
        if total <= limits.max_bytes:
            break
        if each.step_s and not _is_gone(each, gone):
            gone[each.step_s] = each.last_part
            total -= each.bytes
    _nest(gone)
    rows = sum(each.rows for each in segments if _is_gone(each, gone) and not _is_gone(each, aged))
    return gone, rows


def split(segments: Sequence[Segment], gone: Mapping[int, int]) -> tuple[list[Segment], list[Segment]]:
    """Those that stay, and those that are forgotten."""
    kept = [each for each in segments if not _is_gone(each, gone)]
    return kept, [each for each in segments if _is_gone(each, gone)]


def _of(segments: Sequence[Segment], step_s: int) -> list[Segment]:
    return [each for each in segments if each.table == ROWS.name and each.step_s == step_s]


def _by_age(segments: list[Segment], keep_s: int) -> int:
    """The newest log of which rows are older than this many recorded seconds; 0: none."""
    seconds = 0
    for each in sorted(segments, key=lambda each: each.last_part, reverse=True):
        if seconds >= keep_s:
            return each.last_part
        seconds += each.seconds
    return 0


def _nest(gone: dict[int, int]) -> None:
    """Where a longer step is forgotten the shorter ones are."""
    most = 0
    for step_s in reversed(STEPS):
        gone[step_s] = most = max(most, gone[step_s])


def _is_gone(segment: Segment, gone: Mapping[int, int]) -> bool:
    """Rows of steps by their age; other tables are thinned out when they are merged."""
    return segment.step_s > 0 and segment.last_part <= gone[segment.step_s]
