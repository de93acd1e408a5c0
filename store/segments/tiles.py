"""Which steps a window is summed from: as few rows as there can be, and each second once. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from store.reading import Window
from store.segments.manifest import Manifest, Segment
from store.segments.tables import STEPPED, STEPS

_MINUTE: Final = STEPS[-1]


class Tile(NamedTuple):
    """Rows of one step that begin from ``from_s`` up to, and without, ``to_s``."""

    step_s: int
    from_s: int
    to_s: int

    def holds(self, segment: Segment) -> bool:
        """Whether a file may have some of them."""
        return segment.step_s == self.step_s and segment.begin_s < self.to_s and self.from_s < segment.end_s


def finest_steps(manifest: Manifest, from_s: int, to_s: int) -> np.ndarray:
    """The finest step in which each minute is kept whole; shape (minutes,), int64.

    :param from_s: a whole minute; ``to_s`` likewise.
    """
    steps = np.ones(max(0, to_s - from_s) // _MINUTE, np.int64)
    for segment in (each for table in STEPPED for each in manifest.of(table.name, _MINUTE)):
        begin, end = (segment.begin_s - from_s) // _MINUTE, -((from_s - segment.end_s) // _MINUTE)
        if end > 0 and begin < len(steps):
            minutes = steps[max(0, begin) : end]
            np.maximum(minutes, finest_of(manifest, segment), out=minutes)
    return steps


def finest_of(manifest: Manifest, segment: Segment) -> int:
    """The finest step in which the rows of a file are kept as well."""
    return next((step for step in STEPS if segment.first_part > manifest.forgotten.get(step, 0)), _MINUTE)


def widened(manifest: Manifest, window: Window) -> Window:
    """The window, begun and ended at steps that are kept."""
    if not window.seconds:
        return window
    first, last = window.from_s // _MINUTE * _MINUTE, (window.to_s - 1) // _MINUTE * _MINUTE
    at_first = int(finest_steps(manifest, first, first + _MINUTE)[0])
    at_last = int(finest_steps(manifest, last, last + _MINUTE)[0])
    return Window(window.from_s // at_first * at_first, -(-window.to_s // at_last) * at_last)


def tiles_of(window: Window, steps: Sequence[int] = STEPS) -> list[Tile]:
    """Tiles that cover the window without overlapping, the longest steps in the middle.

    :param window: begun and ended at steps that are kept.
    """
    if not window.seconds:
        return []
    step = steps[-1]
    if len(steps) == 1:
        return [Tile(step, *window)]
    begin, end = -(-window.from_s // step) * step, window.to_s // step * step
    if begin >= end:
        return tiles_of(window, steps[:-1])
    before, after = Window(window.from_s, begin), Window(end, window.to_s)
    return [*tiles_of(before, steps[:-1]), Tile(step, begin, end), *tiles_of(after, steps[:-1])]
