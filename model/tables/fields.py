"""What index columns become in rows: the fields that a table gives."""

from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any

from model.arrays import Array, Columns, Tables
from model.histogram import SCALE
from model.rows.fields import ALWAYS, UNSET, Field, Values
from model.tables.types import hop_row


def stem(index: str) -> str:
    """``client.cgroup`` of ``client.cgroup.index``."""
    return index.removesuffix(".index")


def looked_up(column: Array, value: Callable[[int], Any]) -> Values:
    """What each index stands for, asked once for each that is different."""
    items = column.tolist()
    known = {index: value(index) for index in set(items)}
    return [known[index] for index in items]


def text_field(name: str, table: str, index: str) -> Field:
    """Texts; what is no UTF-8 in them becomes ``?``."""

    def values(columns: Columns, tables: Tables) -> Values:
        texts = tables[table]
        return looked_up(columns[index], lambda number: texts[number].encode(errors="replace").decode())

    return Field(name, values, "", (index,))


def entity_field(name: str, table: str, index: str) -> Field:
    """Attributes of who that is; nothing where nobody knows."""

    def values(columns: Columns, tables: Tables) -> Values:
        column, entities = columns[index], tables[table]
        if not column.any():
            return repeat(UNSET, len(column))
        return looked_up(column, lambda number: dict(entities[number]) or UNSET)

    return Field(name, values, ALWAYS, (index,))


def chain_field(name: str, table: str, index: str) -> Field:
    """Lists of hops; nothing where nothing was rewritten."""

    def values(columns: Columns, tables: Tables) -> Values:
        column, chains = columns[index], tables[table]
        if not column.any():
            return repeat(UNSET, len(column))
        return looked_up(column, lambda number: [hop_row(hop) for hop in chains[number]] or UNSET)

    return Field(name, values, ALWAYS, (index,))


def record_fields(parts: Iterable[tuple[str, int]], table: str, index: str) -> tuple[Field, ...]:
    """One field for each of these parts of records: its name, and its place in the record."""

    def field(name: str, part: int) -> Field:
        def values(columns: Columns, tables: Tables) -> Values:
            column = [record[part] for record in tables[table]]
            return [column[number] for number in columns[index].tolist()]

        return Field(name, values, "", (index,))

    return tuple(field(name, part) for name, part in parts)


def histogram_field(name: str, table: str, index: str, total: str) -> Field:
    """``count``, ``sum`` (the column ``total``), and the buckets that hold something; nothing where none does."""

    def values(columns: Columns, tables: Tables) -> Values:
        column, histograms = columns[index], tables[table]
        if not column.any():
            return repeat(UNSET, len(column))
        begins, buckets, counts = (
            part.tolist() for part in (histograms.begins, histograms.buckets, histograms.counts)
        )

        def one(number: int, total: int) -> dict[str, Any]:
            held = slice(begins[number], begins[number + 1])
            count = sum(counts[held])
            return {
                "count": count,
                "sum": total,
                "scale": SCALE,
                "buckets": buckets[held],
                "counts": counts[held],
            }

        sums = columns[total].tolist()
        return [
            one(number, total) if number else UNSET
            for number, total in zip(column.tolist(), sums, strict=True)
        ]

    return Field(name, values, ALWAYS, (index, total))
