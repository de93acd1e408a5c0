"""Rows of one key become one, as a statement: what ``one_row_each`` does, by DuckDB."""

from store.segments.duck import quoted
from store.segments.one_row import HOLE_S
from store.segments.tables import PRESENCE, Table


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
