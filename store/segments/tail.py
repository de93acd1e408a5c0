"""What a reader sees of logs that are not sealed: only what came since it last looked is read."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, cast

import numpy as np

from store.segments.columns import Column, Lists, Table, narrowed, taken
from store.segments.frames import Frame, frames_of
from store.segments.log import logs
from store.segments.rollup import has_doubles, moved_together, numbers, rolled_up, together
from store.segments.sealing import tables_in
from store.segments.tables import STEPPED, Stepped

#: Ids up to which their rows are picked out; of more all rows are looked at.
FEW_IDS: Final = 4096
_NAMES: Final = tuple(table.name for table in STEPPED)


@dataclass
class _Log:
    """A log that is not sealed.

    :param end: bytes that were read.
    :param tables: of all its frames; numbers of rows in steps in the shortest types that hold them.
    :param seconds: of these tables: second -> frames with rows of it; where one has an id twice at least 2.
    :param last: the last frame, without its tables.
    """

    end: int = 0
    tables: dict[str, dict[str, Column]] = field(default_factory=dict)
    seconds: dict[str, Counter[int]] = field(default_factory=lambda: {name: Counter() for name in _NAMES})
    last: Frame | None = None

    def add(self, frames: Sequence[Frame]) -> None:
        """Take the frames that follow."""
        for frame in frames:
            for table in STEPPED:
                if table.name in frame.tables:
                    self._count(table, frame.tables[table.name])
        for name in {name for frame in frames for name in frame.tables}:
            parts = [self.tables.pop(name, {}), *(frame.tables.get(name, {}) for frame in frames)]
            self.tables[name] = moved_together([cast(dict[str, Column], part) for part in parts if part])
        for table in STEPPED:
            if table.name in self.tables:
                _share(table, self.tables[table.name])
        self.last = replace(frames[-1], tables={})

    def _count(self, table: Stepped, rows: Table) -> None:
        begins = numbers(rows, "begin_s")
        one = len(begins) and begins.min() == begins.max()
        seconds = begins[:1].tolist() if one else np.unique(begins).tolist()
        self.seconds[table.name].update(dict.fromkeys(seconds, 2 if has_doubles(table, rows) else 1))


def _share(table: Stepped, rows: dict[str, Column]) -> None:
    """Columns that are the same are one: it is most of the memory."""
    for name in ("first_s", "last_s"):
        if np.array_equal(numbers(rows, name), numbers(rows, "begin_s")):
            rows[name] = rows["begin_s"]
    for measure in table.measures:
        buckets, counts = rows[f"{measure}.buckets"], rows[f"{measure}.counts"]
        assert isinstance(buckets, Lists)
        assert isinstance(counts, Lists)
        if np.array_equal(buckets.offsets, counts.offsets):
            rows[f"{measure}.counts"] = Lists(buckets.offsets, counts.values)


class Tail:
    """The frames of all logs above a number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._logs: dict[int, _Log] = {}
        self._rows: dict[str, Table | None] = {}  # made when they are asked for, as what follows
        self._tables: Mapping[str, Table] | None = None
        self._orders: dict[str, np.ndarray] = {}  # of rows, by their id

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
            self._rows, self._tables, self._orders = {}, None, {}
        return True

    def all_rows(self, table: Stepped) -> Table | None:
        """The rows of a table in steps; None if there are none. To be left as they are."""
        if table.name not in self._rows:
            held = [log for _, log in sorted(self._logs.items()) if table.name in log.tables]
            seconds = sum((log.seconds[table.name] for log in held), Counter[int]())
            again = [second for second, frames in seconds.items() if frames > 1]
            parts = [log.tables[table.name] for log in held]
            self._rows[table.name] = _folded(table, together(parts), again) if parts else None
        return self._rows[table.name]

    @property
    def tables(self) -> Mapping[str, Table]:
        """All rows of each other table that has any; to be left as they are."""
        if self._tables is None:
            held = [(part, log) for part, log in sorted(self._logs.items()) if log.last is not None]
            parts = [tables_in([Frame(log.tables)], part) for part, log in held]
            names = {name for part in parts for name in part if name not in _NAMES}
            self._tables = {name: together([part[name] for part in parts if name in part]) for name in names}
        return self._tables

    def rows(self, table: Stepped, ids: np.ndarray | None, names: Sequence[str]) -> Table | None:
        """Some columns of the rows of a table in steps, of few ids only theirs; None if there are none.

        :param ids: None: all.
        """
        rows = self.all_rows(table)
        if rows is None or ids is None or len(ids) > FEW_IDS:
            return None if rows is None else {name: rows[name] for name in names}
        places = self._places(table, numbers(rows, table.id), np.unique(ids))
        return {name: taken(rows[name], places) for name in names} if len(places) else None

    def _places(self, table: Stepped, held: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Of the rows of these ids."""
        if table.name not in self._orders:
            self._orders[table.name] = np.argsort(held, kind="stable")
        order = self._orders[table.name]
        begins = np.searchsorted(held, ids, "left", sorter=order)
        lengths = np.searchsorted(held, ids, "right", sorter=order) - begins
        before = np.cumsum(lengths) - lengths
        found: np.ndarray = order[np.repeat(begins - before, lengths) + np.arange(int(lengths.sum()))]
        return found

    @property
    def newest(self) -> Frame | None:
        """The last frame, without its tables."""
        held = [log.last for _, log in sorted(self._logs.items()) if log.last is not None]
        return held[-1] if held else None


def _short(frame: Frame) -> Frame:
    """Numbers of rows in the shortest types that hold them: a quarter of the bytes."""
    short = {
        table.name: _short_rows(table, frame.tables[table.name])
        for table in STEPPED
        if table.name in frame.tables
    }
    return replace(frame, tables={**frame.tables, **short})


def _short_rows(table: Stepped, rows: Table) -> dict[str, Column]:
    short = {id(column): narrowed(column) for name, column in rows.items() if name != table.id}
    return {name: short.get(id(column), column) for name, column in rows.items()}


def _folded(table: Stepped, rows: Table, seconds: Iterable[int]) -> Table:
    """One row for each id and second.

    :param seconds: of which an id may have several.
    """
    several = np.isin(numbers(rows, "begin_s"), list(seconds))
    if not several.any():
        return rows
    types = table.types
    mine = {name: taken(column, np.flatnonzero(several)) for name, column in rows.items()}
    wide: Table = {
        name: column.astype(types[name]) if isinstance(column, np.ndarray) else column
        for name, column in mine.items()
    }
    others = {name: taken(column, np.flatnonzero(~several)) for name, column in rows.items()}
    return together([others, _short_rows(table, rolled_up(table, wide, 1))])
