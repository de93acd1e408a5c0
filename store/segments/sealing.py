"""A log becomes files of Parquet: rows of edges in all steps, and the tables beside them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, cast

import numpy as np

from store.segments.columns import Column, Table, rows_of, taken
from store.segments.frames import Frame
from store.segments.manifest import Segment
from store.segments.one_row import one_row_each
from store.segments.parquet.writing import write_table
from store.segments.rollup import in_order, moved_together, numbers, rolled_up, spans, together
from store.segments.tables import EDGES, ROWS, SIDE, STEPS, WORKLOADS, types_of
from store.segments.tables import Table as Kind

#: A file has rows of one such block of seconds.
BLOCK_S: Final = 600


def tables_in(frames: Sequence[Frame], part: int) -> dict[str, dict[str, Column]]:
    """The tables of all frames of a log, with what follows from others: when edges and workloads were seen.

    Rows of one second are as they came: of the same edge there may be several.

    :param part: the log's number.
    """
    names = {name for frame in frames for name in frame.tables}
    return _completed(
        {name: together([frame.tables[name] for frame in frames if name in frame.tables]) for name in names},
        part,
    )


def _moved_tables(frames: Sequence[Frame], part: int) -> dict[str, dict[str, Column]]:
    """As ``tables_in``, with the rows of edges in their order; the frames have no tables then."""
    names = {name for frame in frames for name in frame.tables}
    tables = {
        name: moved_together(
            [cast(dict[str, Column], frame.tables[name]) for frame in frames if name in frame.tables]
        )
        for name in names
    }
    if ROWS.name in tables:
        tables[ROWS.name] = in_order(tables[ROWS.name])
    return _completed(tables, part)


def _completed(tables: dict[str, dict[str, Column]], part: int) -> dict[str, dict[str, Column]]:
    if ROWS.name in tables:
        _see(tables)
    for table in SIDE:
        if table.name in tables and "part" in table.types:
            count = rows_of(tables[table.name])
            tables[table.name]["part"] = np.full(count, part, np.int64)
    return tables


def _see(tables: dict[str, dict[str, Column]]) -> None:
    """First and last second of the edges and workloads that a log names."""
    rows, edges, workloads = tables[ROWS.name], tables[EDGES.name], tables[WORKLOADS.name]
    ids, first, last = spans(rows, numbers(rows, "edge"))
    places = np.searchsorted(ids, numbers(edges, "id"))
    edges["first_s"], edges["last_s"] = first[places], last[places]
    ends = np.concatenate((numbers(edges, "client"), numbers(edges, "server")))
    times: Table = {name: np.tile(numbers(edges, name), 2) for name in ("first_s", "last_s")}
    ids, first, last = spans(times, ends)
    places = np.searchsorted(ids, numbers(workloads, "id"))
    workloads["first_s"], workloads["last_s"] = first[places], last[places]


def seal(folder: Path, frames: Sequence[Frame], part: int, check: Callable[[], None]) -> list[Segment]:
    """Write the files of a log; no manifest has them yet. The frames have no tables then.

    :param check: called now and then; what it raises ends the work.
    :raises OSError: if one cannot be written.
    """
    check()
    tables = _moved_tables(frames, part)
    found: list[Segment] = []
    if ROWS.name in tables:
        rows: Table = tables[ROWS.name]
        seconds = len(np.unique(numbers(rows, "begin_s")))
        for step_s in STEPS:
            check()
            rows = rolled_up(rows, step_s)
            found += _blocks(folder, rows, step_s, part, seconds, check)
    for table in SIDE:
        if rows_of(tables.get(table.name, {})):
            found.append(_side(folder, table, tables[table.name], part))
    return found


def _blocks(
    folder: Path, rows: Table, step_s: int, part: int, seconds: int, check: Callable[[], None]
) -> Iterator[Segment]:
    """The rows of a step, a file for each block."""
    begins = numbers(rows, "begin_s")
    blocks = begins // BLOCK_S
    different = np.unique(blocks).tolist()
    for block in different:
        mine = rows
        if len(different) > 1:
            places = np.flatnonzero(blocks == block)
            mine = {name: taken(column, places) for name, column in rows.items()}
        file = f"{step_s}s/{block * BLOCK_S}-{part}.parquet"
        count, size = write_table(folder / file, mine, types_of(ROWS, step_s), ROWS.key, check)
        held = numbers(mine, "begin_s")
        begin, end = int(held.min()), int(held.max()) + step_s
        yield Segment(
            file, ROWS.name, step_s, begin, end, part, part, count, size, max(1, seconds // len(different))
        )


def _side(folder: Path, kind: Kind, table: Table, part: int) -> Segment:
    """A row for each key."""
    file = f"{kind.name}/{part}.parquet"
    count, size = write_table(folder / file, one_row_each(kind, table), kind.types)
    begin, end = int(numbers(table, "first_s").min()), int(numbers(table, "last_s").max()) + 1
    return Segment(file, kind.name, 0, begin, end, part, part, count, size, 0)
