"""Small files become larger ones, once nothing more is to come for them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from store.segments.duck import files, quoted
from store.segments.manifest import Manifest, Segment
from store.segments.parquet import write_query
from store.segments.tables import PRESENCE, ROWS, SIDE, STEPS, Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

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
#: A hole of so many seconds in a node's reports is one.
HOLE_S: Final = 3


def blocks_to_merge(manifest: Manifest) -> list[list[Segment]]:
    """Files of rows that can become one, each time of one step and block."""
    return [same for step_s in STEPS for same in _of_step(manifest, step_s)]


def _of_step(manifest: Manifest, step_s: int) -> list[list[Segment]]:
    """Those of the shortest span that has any."""
    if step_s == 1 and len(manifest.of(ROWS.name, 1)) <= FEW_FILES:
        return []
    for span_s, finer in LEVELS[step_s]:
        blocks: dict[int, list[Segment]] = defaultdict(list)
        for each in manifest.of(ROWS.name, step_s):
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


def merge_rows(connection: "DuckDBPyConnection", folder: Path, segments: Sequence[Segment]) -> Segment:
    """One file of these.

    :raises OSError: if it cannot be written.
    """
    step_s, first, last = (
        segments[0].step_s,
        min(each.first_part for each in segments),
        max(each.last_part for each in segments),
    )
    begin = min(each.begin_s for each in segments)
    file = f"{step_s}s/{begin}-{first}-{last}.parquet"
    source = files([folder / each.file for each in segments])
    order = "order by edge, begin_s" if sum(each.rows for each in segments) <= SORTED_ROWS else ""
    count, size = write_query(connection, folder / file, f"select * from {source} {order}")
    end, seconds = max(each.end_s for each in segments), sum(each.seconds for each in segments)
    return Segment(file, ROWS.name, step_s, begin, end, first, last, count, size, seconds)


def sides_to_merge(manifest: Manifest) -> list[list[Segment]]:
    """Files of the other tables, all of a table."""
    found = [manifest.of(table.name) for table in SIDE]
    return [segments for segments in found if len(segments) > SIDE_FILES]


def merge_side(
    connection: "DuckDBPyConnection", folder: Path, segments: Sequence[Segment], oldest: int
) -> Segment | None:
    """One file of these, a row for each key, without what belongs to forgotten rows; None if nothing is left.

    :param oldest: number of the newest log that is forgotten in all steps.
    :raises OSError: if it cannot be written.
    """
    table = next(each for each in SIDE if each.name == segments[0].table)
    first, last = min(each.first_part for each in segments), max(each.last_part for each in segments)
    file = f"{table.name}/{first}-{last}.parquet"
    source = files([folder / each.file for each in segments])
    query = merged_query(table, source) + f" having max(part) > {oldest}"
    count, size = write_query(connection, folder / file, query)
    if not count:
        (folder / file).unlink()
        return None
    begin, end = min(each.begin_s for each in segments), max(each.end_s for each in segments)
    return Segment(file, table.name, 0, begin, end, first, last, count, size, 0)


def merged_query(table: Table, source: str) -> str:
    """A row for each key; of a node's presence a row for each time without a hole."""
    if table is PRESENCE:
        source = _without_holes(source)
    over = {"sum": "sum", "most": "max", "least": "min", "any": "max"}
    columns = [
        quoted(each.name)
        if each.over == "key"
        else f"{over[each.over]}({quoted(each.name)}){_cast(each.over)} as {quoted(each.name)}"
        for each in table.columns
    ]
    return f"select {', '.join(columns)} from {source} group by {', '.join(map(quoted, table.key))}"


def _cast(over: str) -> str:
    return "::bigint" if over == "sum" else ""


def _without_holes(source: str) -> str:
    """Rows that follow each other have the ``begin_s`` of the first."""
    by = "partition by node, boot order by first_s"
    return f"""(
        select node, boot, first_s, last_s, part, max(start) over ({by} rows unbounded preceding) as begin_s
        from (
            select *, case when first_s > coalesce(
                max(last_s) over ({by} rows between unbounded preceding and 1 preceding), -1) + {HOLE_S}
                then first_s end as start
            from {source}
        )
    )"""
