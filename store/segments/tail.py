"""What a reader sees of logs that are not sealed: only what came since it last looked is read."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from store.segments.columns import Column, Table, narrowed, taken
from store.segments.frames import Frame, frames_of
from store.segments.log import logs
from store.segments.rollup import has_doubles, numbers, rolled_up, together
from store.segments.sealing import tables_in
from store.segments.tables import ROWS

#: Edges up to which their rows are picked out; of more all rows are looked at.
FEW_EDGES: Final = 4096


@dataclass
class _Log:
    """A log that is not sealed.

    :param end: bytes that were read.
    :param tables: of all its frames; numbers of rows of edges in the shortest types that hold them.
    :param seconds: second -> frames with rows of it, where that is more than one or has an edge twice: at least 2.
    :param last: the last frame, without its tables.
    """

    end: int = 0
    tables: dict[str, dict[str, Column]] = field(default_factory=dict)
    seconds: Counter[int] = field(default_factory=Counter)
    last: Frame | None = None

    def add(self, frames: Sequence[Frame]) -> None:
        """Take the frames that follow."""
        for frame in frames:
            if ROWS.name in frame.tables:
                self._count(frame.tables[ROWS.name])
        new: dict[str, dict[str, Column]] = {}
        for name in {name for frame in frames for name in frame.tables}:
            new[name] = together([frame.tables[name] for frame in frames if name in frame.tables])
        for name, table in new.items():
            self.tables[name] = together([self.tables[name], table]) if name in self.tables else table
        self.last = replace(frames[-1], tables={})

    def _count(self, rows: Table) -> None:
        begins = numbers(rows, "begin_s")
        one = len(begins) and begins.min() == begins.max()
        seconds = begins[:1].tolist() if one else np.unique(begins).tolist()
        self.seconds.update(dict.fromkeys(seconds, 2 if has_doubles(rows) else 1))


class Tail:
    """The frames of all logs above a number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._logs: dict[int, _Log] = {}
        self._tables: dict[str, Table] = {}
        self._order: np.ndarray | None = None  # of the rows, by edge; made when it is asked for

    def look(self, after: int) -> bool:
        """Read what is new, and forget logs up to this number.

        :return: whether all logs could be read; not if one was sealed meanwhile.
        :raises OSError: if one cannot be read.
        """
        gone = [part for part in self._logs if part <= after]
        for part in gone:
            del self._logs[part]
        changed = bool(gone)
        for part, path in logs(self._folder, after):
            log = self._logs.setdefault(part, _Log())
            try:
                if path.stat().st_size == log.end:
                    continue
                frames, log.end = frames_of(path, log.end, _short)
            except FileNotFoundError:
                return False
            if frames:
                log.add(frames)
                changed = True
        if changed:
            self._tables, self._order = self._all(), None
        return True

    def _all(self) -> dict[str, Table]:
        held = [(part, log) for part, log in sorted(self._logs.items()) if log.last is not None]
        parts = [tables_in([Frame(log.tables)], part) for part, log in held]
        names = {name for part in parts for name in part}
        tables: dict[str, Table] = {
            name: together([part[name] for part in parts if name in part]) for name in names
        }
        if ROWS.name in tables:
            seconds = sum((log.seconds for _, log in held), Counter[int]())
            again = [second for second, frames in seconds.items() if frames > 1]
            tables[ROWS.name] = _folded(tables[ROWS.name], again)
        return tables

    @property
    def tables(self) -> dict[str, Table]:
        """All rows of each table that has any; to be left as they are."""
        return self._tables

    def rows(self, ids: np.ndarray | None, names: Sequence[str]) -> Table | None:
        """Some columns of the rows of edges, of few edges only theirs; None if there are none.

        :param ids: of edges; None: all.
        """
        table = self._tables.get(ROWS.name)
        if table is None or ids is None or len(ids) > FEW_EDGES:
            return None if table is None else {name: table[name] for name in names}
        places = self._places(numbers(table, "edge"), np.unique(ids))
        return {name: taken(table[name], places) for name in names} if len(places) else None

    def _places(self, edges: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Of the rows of these edges."""
        if self._order is None:
            self._order = np.argsort(edges, kind="stable")
        begins = np.searchsorted(edges, ids, "left", sorter=self._order)
        lengths = np.searchsorted(edges, ids, "right", sorter=self._order) - begins
        before = np.cumsum(lengths) - lengths
        found: np.ndarray = self._order[np.repeat(begins - before, lengths) + np.arange(int(lengths.sum()))]
        return found

    @property
    def newest(self) -> Frame | None:
        """The last frame, without its tables."""
        held = [log.last for _, log in sorted(self._logs.items()) if log.last is not None]
        return held[-1] if held else None


def _short(frame: Frame) -> Frame:
    """Numbers of rows in the shortest types that hold them: a quarter of the bytes."""
    if ROWS.name not in frame.tables:
        return frame
    return replace(frame, tables={**frame.tables, ROWS.name: _short_rows(frame.tables[ROWS.name])})


def _short_rows(rows: Table) -> dict[str, Column]:
    return {name: column if name in ROWS.key else narrowed(column) for name, column in rows.items()}


def _folded(rows: Table, seconds: Iterable[int]) -> Table:
    """One row for each edge and second.

    :param seconds: of which an edge may have several.
    """
    several = np.isin(numbers(rows, "begin_s"), list(seconds))
    if not several.any():
        return rows
    types = ROWS.types
    mine = {name: taken(column, np.flatnonzero(several)) for name, column in rows.items()}
    wide: Table = {
        name: column.astype(types[name]) if isinstance(column, np.ndarray) else column
        for name, column in mine.items()
    }
    others = {name: taken(column, np.flatnonzero(~several)) for name, column in rows.items()}
    return together([others, _short_rows(rolled_up(wide, 1))])
