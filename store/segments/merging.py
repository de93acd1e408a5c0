"""Small files become larger ones, once nothing more is to come for them."""

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from store.segments.columns import taken
from store.segments.manifest import Manifest, Segment
from store.segments.one_row import one_row_each
from store.segments.parquet.reading import FileReader
from store.segments.parquet.writing import FileWriter, write_file, write_table
from store.segments.rollup import in_order, numbers, together
from store.segments.tables import SIDE, STEPPED, STEPS, Stepped, types_of

#: Step -> seconds that a file covers, and the step of which all rows in it must be forgotten before.
LEVELS: Final[Mapping[int, Sequence[tuple[int, int]]]] = {
    1: ((600, 0),),
    10: ((600, 0), (3600, 1)),
    60: ((600, 0), (3600, 1), (86_400, 10)),
}
#: Seconds after the end of a block until it is merged: late seconds are there by then.
QUIET_S: Final = 90
#: Files in steps of a second that are left as they are: they live for an hour, and are most of all bytes.
FEW_FILES: Final = 75
#: Rows that are sorted anew; more are put one behind the other, each file in its own order.
SORTED_ROWS: Final = 1_000_000
#: Files of a table beside the rows that are merged at once.
SIDE_FILES: Final = 10


def blocks_to_merge(manifest: Manifest) -> list[list[Segment]]:
    """Files of rows that can become one, each time of one table, step and block."""
    return [same for table in STEPPED for step_s in STEPS for same in _of_step(manifest, table, step_s)]


def _of_step(manifest: Manifest, table: Stepped, step_s: int) -> list[list[Segment]]:
    """Those of the shortest span that has any."""
    if step_s == 1 and len(manifest.of(table.name, 1)) <= FEW_FILES:
        return []
    for span_s, finer in LEVELS[step_s]:
        blocks: dict[int, list[Segment]] = defaultdict(list)
        for each in manifest.of(table.name, step_s):
            if each.end_s - each.begin_s < span_s:
                blocks[each.begin_s // span_s].append(each)
        found = [
            same
            for block, same in blocks.items()
            if len(same) > 1 and _is_quiet((block + 1) * span_s, same, manifest, finer)
        ]
        if found:
            return found
    return []


def _is_quiet(end_s: int, same: Sequence[Segment], manifest: Manifest, finer: int) -> bool:
    """Whether few rows are to come for a block: it lies back, whichever way the clock stepped."""
    gone = manifest.forgotten.get(finer, 0)
    if finer and any(each.last_part > gone for each in same):
        return False
    oldest = min(each.last_part for each in same)
    return end_s + QUIET_S <= manifest.newest_s or manifest.part - oldest > 2 * SIDE_FILES


def merge_rows(
    files: FileReader, folder: Path, segments: Sequence[Segment], check: Callable[[], None]
) -> Segment:
    """One file of these.

    :param check: called now and then; what it raises ends the work.
    :raises OSError: if it cannot be written.
    """
    table = next(each for each in STEPPED if each.name == segments[0].table)
    step_s, first, last = (
        segments[0].step_s,
        min(each.first_part for each in segments),
        max(each.last_part for each in segments),
    )
    begin = min(each.begin_s for each in segments)
    file = f"{table.folder.format(step_s=step_s)}/{begin}-{first}-{last}.parquet"
    paths = [folder / each.file for each in segments]
    types = types_of(table, step_s)

    def fill(writer: FileWriter) -> None:
        if sum(each.rows for each in segments) <= SORTED_ROWS:
            writer.add(in_order(table, together([files.read(path, types) for path in paths])))
        else:
            for path in paths:
                _append(writer, files, path, types)

    count, size = write_file(folder / file, types, table.key, fill, check)
    end, seconds = max(each.end_s for each in segments), sum(each.seconds for each in segments)
    return Segment(file, table.name, step_s, begin, end, first, last, count, size, seconds)


def _append(writer: FileWriter, files: FileReader, path: Path, types: Mapping[str, str]) -> None:
    """The rows of a file as they are; decoded only where it has other columns."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        index = files.index(descriptor, path)
        if list(index.types.items()) == list(types.items()):
            writer.copy(descriptor, index)
        else:
            writer.add(files.read(path, types))
    finally:
        os.close(descriptor)


def sides_to_merge(manifest: Manifest) -> list[list[Segment]]:
    """Files of the other tables, all of a table."""
    found = [manifest.of(table.name) for table in SIDE]
    return [segments for segments in found if len(segments) > SIDE_FILES]


def merge_side(
    files: FileReader,
    folder: Path,
    segments: Sequence[Segment],
    oldest: int,
    check: Callable[[], None],
) -> Segment | None:
    """One file of these, a row for each key, without what belongs to forgotten rows; None if nothing is left.

    :param oldest: number of the newest log that is forgotten in all steps.
    :raises OSError: if it cannot be written.
    """
    kind = next(each for each in SIDE if each.name == segments[0].table)
    first, last = min(each.first_part for each in segments), max(each.last_part for each in segments)
    file = f"{kind.name}/{first}-{last}.parquet"
    rows = one_row_each(kind, together([files.read(folder / each.file, kind.types) for each in segments]))
    kept = np.flatnonzero(numbers(rows, "part") > oldest)
    if not len(kept):
        return None
    rows = {name: taken(column, kept) for name, column in rows.items()}
    count, size = write_table(folder / file, rows, kind.types, check=check)
    begin, end = min(each.begin_s for each in segments), max(each.end_s for each in segments)
    return Segment(file, kind.name, 0, begin, end, first, last, count, size, 0)
