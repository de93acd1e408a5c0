"""Which parts the server has, and in which steps they are kept."""

from collections.abc import Callable, Sequence
from typing import Final, cast

import numpy as np

from store.clickhouse.sums import OpenPart, of_parts
from store.clickhouse.tables import IN_STEPS, PARTS, WRITERS
from store.reading import Bounds, Window
from store.segments.columns import Table
from store.segments.intake import SILENT_S
from store.segments.tables import ROWS, STEPS

_MINUTE: Final = STEPS[-1]
#: A part with rows whose longer steps are made.
_FULL: Final = "sealed = 1 AND end_s > 0"


def _over(step_s: int) -> str:
    """Whether the time of a part's rows in these steps is over, by the server's clock."""
    return f"toUnixTimestamp(written) + keep_{step_s}s <= toUnixTimestamp(now())"


class Kept:
    """Asks a server.

    :param ask: puts a statement.
    """

    def __init__(self, ask: Callable[[str], Table], database: str) -> None:
        self._ask = ask
        self._parts = f"{database}.{PARTS.name}"
        self._writers = f"{database}.{WRITERS.name}"
        self._rows = f"{database}.{IN_STEPS[ROWS.name][1].name}"

    def open_parts(self) -> list[OpenPart]:
        """Parts of which no longer steps are made yet; what was one a moment ago may be read as one."""
        query = (
            f"SELECT writer, part, toUnixTimestamp(written) AS at FROM {self._parts} FINAL WHERE sealed = 0"
        )
        found = self._ask(query)
        columns = (_numbers(found, name).tolist() for name in ("writer", "part", "at"))
        return [OpenPart(*each) for each in zip(*columns, strict=True)]

    def finest(self, windows: Sequence[Window]) -> list[int]:
        """The finest step in which all of each window is kept."""
        counted = [
            f"countIf(begin_s < {window.to_s} AND end_s > {window.from_s} AND {_over(step_s)}) AS c{place}_{step_s}"
            for place, window in enumerate(windows)
            for step_s in STEPS[:-1]
        ]
        found = self._ask(f"SELECT {', '.join(counted)} FROM {self._parts} FINAL WHERE {_FULL}")
        return [
            next((step_s for step_s in STEPS[:-1] if not _first(found, f"c{place}_{step_s}")), STEPS[-1])
            for place in range(len(windows))
        ]

    def widened(self, window: Window) -> Window:
        """The window, begun and ended at steps that are kept."""
        if not window.seconds:
            return window
        first, last = window.from_s // _MINUTE * _MINUTE, (window.to_s - 1) // _MINUTE * _MINUTE
        at_first, at_last = self.finest([Window(first, first + _MINUTE), Window(last, last + _MINUTE)])
        return Window(window.from_s // at_first * at_first, -(-window.to_s // at_last) * at_last)

    def bounds(self) -> Bounds:
        """How far it reaches; of writers that still speak the one that is behind says what is complete."""
        asked = [
            f"minIf(begin_s, NOT ({_over(step)})) AS a{step}, countIf(NOT ({_over(step)})) AS b{step}"
            for step in STEPS
        ]
        full = self._ask(f"SELECT {', '.join(asked)} FROM {self._parts} FINAL WHERE {_FULL}")
        firsts = {step: [_first(full, f"a{step}")] if _first(full, f"b{step}") else [] for step in STEPS}
        tail = self._oldest_open()
        steps = {step: min([*first, *tail]) for step, first in firsts.items() if first or tail}
        newest, complete = self._reached()
        return Bounds(min(steps.values(), default=0), newest, complete, steps)

    def newest_s(self) -> int:
        """The last second of which anything came."""
        return self._reached()[0]

    def _reached(self) -> tuple[int, int]:
        found = self._ask(f"SELECT newest_s, complete_s FROM {self._writers} FINAL")
        newest, complete = _numbers(found, "newest_s"), _numbers(found, "complete_s")
        if not len(newest):
            return 0, 0
        speaks = newest >= newest.max() - SILENT_S
        return int(newest.max()), int(complete[speaks].min())

    def _oldest_open(self) -> list[int]:
        parts = self.open_parts()
        if not parts:
            return []
        found = self._ask(f"SELECT min(begin_s) AS a, count() AS b FROM {self._rows} WHERE {of_parts(parts)}")
        return [_first(found, "a")] if _first(found, "b") else []


def _numbers(found: Table, name: str) -> np.ndarray:
    return cast(np.ndarray, found[name]) if found else np.zeros(0, np.int64)


def _first(found: Table, name: str) -> int:
    values = _numbers(found, name)
    return int(values[0]) if len(values) else 0
