"""The tables of the ClickHouse sink: made where there are none, and given the columns that they lack."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from model.errors import SinkError
from sinks.clickhouse.native import NativeColumn

#: Runs a statement and returns what it answers.
Run = Callable[[str], Awaitable[str]]

#: The first versions with: tokens that tell an insert that comes twice, rows that end by themselves.
TOKENS_SINCE: Final = (22, 2)
TTL_SINCE: Final = (19, 6)
#: Inserts whose tokens are remembered by a table.
_WINDOW: Final = 10_000
_NAME: Final = re.compile(r"[A-Za-z_]\w*")


def version_of(text: str) -> tuple[int, int]:
    """``18.16.1`` as numbers."""
    major, minor, *_ = [*map(int, re.findall(r"\d+", text)), 0, 0]
    return major, minor


def creation(table: str, columns: Sequence[NativeColumn], version: tuple[int, int], keep_days: int) -> str:
    """The statement that makes a table.

    :param keep_days: after which rows end, where the server knows how; 0: never.
    """
    listed = ",\n".join(f"    {quoted(column.name)} {column.type}" for column in columns)
    ttl = f"\nTTL window + INTERVAL {keep_days} DAY" if keep_days and version >= TTL_SINCE else ""
    tokens = f", non_replicated_deduplication_window = {_WINDOW}" if version >= TOKENS_SINCE else ""
    return (
        f"CREATE TABLE IF NOT EXISTS {table} (\n{listed}\n)\nENGINE = MergeTree\nPARTITION BY toYYYYMMDD(window)\n"
        f"ORDER BY (window, node, seq){ttl}\nSETTINGS index_granularity = 8192{tokens}"
    )


def changes(table: str, columns: Sequence[NativeColumn], there: Mapping[str, str]) -> list[str]:
    """The statements that bring a table up to date.

    :param there: name and type of its columns.
    :raises SinkError: if a column has another type, and rows in it would be read wrongly.
    """
    statements = []
    for column in columns:
        old = there.get(column.name)
        if old is None:
            statements.append(f"ALTER TABLE {table} ADD COLUMN {quoted(column.name)} {column.type}")
        elif old != column.type and old.startswith("Enum8") and column.type.startswith("Enum8"):
            statements.append(f"ALTER TABLE {table} MODIFY COLUMN {quoted(column.name)} {column.type}")
        elif old != column.type:
            what = f"column {column.name} of {table} is {old}, not {column.type}"
            raise SinkError(what, "rename the table, or choose another: settings.table", reason="not_open")
    return statements


async def prepare(
    run: Run, table: str, columns: Sequence[NativeColumn], version: tuple[int, int], keep_days: int
) -> None:
    """Make a table, or bring it up to date."""
    await run(creation(table, columns, version, keep_days))
    lines = (await run(f"DESCRIBE TABLE {table} FORMAT TabSeparatedRaw")).splitlines()
    there = dict(line.split("\t")[:2] for line in lines)
    for statement in changes(table, columns, there):
        await run(statement)


def quoted(name: str) -> str:
    """A name as it stands in statements."""
    return f"`{name}`"


def is_name(text: str) -> bool:
    """Whether it is the name of a table or database that needs no quotes."""
    return bool(_NAME.fullmatch(text))
