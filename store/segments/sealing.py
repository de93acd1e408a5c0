"""A log becomes files of Parquet: rows in all steps, and the tables beside them."""

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
from store.segments.tables import (
    DROP_CAUSES,
    DROPS,
    EDGES,
    ENDPOINTS,
    REQUESTS,
    ROWS,
    SIDE,
    STEPPED,
    STEPS,
    WORKLOADS,
    Stepped,
    types_of,
)
from store.segments.tables import Table as Kind

#: A file has rows of one such block of seconds.
BLOCK_S: Final = 600


def tables_in(frames: Sequence[Frame], part: int) -> dict[str, dict[str, Column]]:
    """The tables of all frames of a log, with what follows from others: when what has an id was seen.

    Rows of one second are as they came: of the same edge there may be several.

    :param part: the log's number.
    """
    names = {name for frame in frames for name in frame.tables}
    return _completed(
        {name: together([frame.tables[name] for frame in frames if name in frame.tables]) for name in names},
        part,
    )


def _moved_tables(frames: Sequence[Frame], part: int) -> dict[str, dict[str, Column]]:
    """As ``tables_in``, with rows in their order; the frames have no tables then."""
    names = {name for frame in frames for name in frame.tables}
    tables = {
        name: moved_together(
            [cast(dict[str, Column], frame.tables[name]) for frame in frames if name in frame.tables]
        )
        for name in names
    }
    for table in STEPPED:
        if table.name in tables:
            tables[table.name] = in_order(table, tables[table.name])
    return _completed(tables, part)


def _completed(tables: dict[str, dict[str, Column]], part: int) -> dict[str, dict[str, Column]]:
    if EDGES.name in tables:
        _see(tables)
    if DROPS.name in tables:
        rows = tables[DROPS.name]
        _see_in(tables[DROP_CAUSES.name], [(rows, numbers(rows, DROPS.id))])
    for table in SIDE:
        if table.name in tables and "part" in table.types:
            count = rows_of(tables[table.name])
            tables[table.name]["part"] = np.full(count, part, np.int64)
    return tables


def _see(tables: dict[str, dict[str, Column]]) -> None:
    """First and last second of the endpoints, edges and workloads that a log names."""
    edges, uses = tables[EDGES.name], []
    if ROWS.name in tables:
        uses.append((tables[ROWS.name], numbers(tables[ROWS.name], "edge")))
    if REQUESTS.name in tables:
        endpoints = tables[ENDPOINTS.name]
        _see_in(endpoints, [(tables[REQUESTS.name], numbers(tables[REQUESTS.name], "endpoint"))])
        uses.append((endpoints, numbers(endpoints, "edge")))
    _see_in(edges, uses)
    ends = [(edges, numbers(edges, side)) for side in ("client", "server")]
    _see_in(tables[WORKLOADS.name], ends)


def _see_in(named: dict[str, Column], uses: Sequence[tuple[Table, np.ndarray]]) -> None:
    """First and last second of what has an id.

    :param uses: rows with these times, and the id that each names.
    """
    found = [spans(rows, ids) for rows, ids in uses]
    if len(found) > 1:
        ids, first, last = (np.concatenate(each) for each in zip(*found, strict=True))
        found = [spans({"first_s": first, "last_s": last}, ids)]
    ids, first, last = found[0]
    places = np.searchsorted(ids, numbers(named, "id"))
    named["first_s"], named["last_s"] = first[places], last[places]


def seal(folder: Path, frames: Sequence[Frame], part: int, check: Callable[[], None]) -> list[Segment]:
    """Write the files of a log; no manifest has them yet. The frames have no tables then.

    :param check: called now and then; what it raises ends the work.
    :raises OSError: if one cannot be written.
    """
    check()
    tables = _moved_tables(frames, part)
    found: list[Segment] = []
    for table in STEPPED:
        if table.name not in tables:
            continue
        rows: Table = tables[table.name]
        seconds = len(np.unique(numbers(rows, "begin_s")))
        for step_s in STEPS:
            check()
            rows = rolled_up(table, rows, step_s)
            found += _blocks(folder, table, rows, step_s, part, seconds, check)
    for side in SIDE:
        if rows_of(tables.get(side.name, {})):
            found.append(_side(folder, side, tables[side.name], part))
    return found


def _blocks(
    folder: Path,
    table: Stepped,
    rows: Table,
    step_s: int,
    part: int,
    seconds: int,
    check: Callable[[], None],
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
        file = f"{table.folder.format(step_s=step_s)}/{block * BLOCK_S}-{part}.parquet"
        count, size = write_table(folder / file, mine, types_of(table, step_s), table.key, check)
        held = numbers(mine, "begin_s")
        begin, end = int(held.min()), int(held.max()) + step_s
        yield Segment(
            file, table.name, step_s, begin, end, part, part, count, size, max(1, seconds // len(different))
        )


def _side(folder: Path, kind: Kind, table: Table, part: int) -> Segment:
    """A row for each key."""
    file = f"{kind.name}/{part}.parquet"
    count, size = write_table(folder / file, one_row_each(kind, table), kind.types)
    begin, end = int(numbers(table, "first_s").min()), int(numbers(table, "last_s").max()) + 1
    return Segment(file, kind.name, 0, begin, end, part, part, count, size, 0)
