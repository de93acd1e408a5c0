"""DuckDB in memory: a connection, and tables of numpy that go into it and come out."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from store.segments.arrow_stream import ArrowTable
from store.segments.columns import Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: DuckDB's names of types, by numpy's.
TYPES: Final = {
    "<i8": "BIGINT", "<u8": "UBIGINT", "<u2": "USMALLINT", "<i2": "SMALLINT", "<u1": "UTINYINT", "text": "VARCHAR",
}  # fmt: skip
#: Bytes that a connection takes at most which seals and merges.
MEMORY: Final = 384 << 20


def connect(threads: int, memory: int = MEMORY) -> "DuckDBPyConnection":
    """A connection of its own, that reads and writes files of tables and nothing else.

    :param memory: bytes at most; a statement that needs more fails.
    """
    import duckdb

    settings: dict[str, Any] = {
        "threads": threads,
        "memory_limit": f"{memory >> 20}MiB",
        "temp_directory": "",  # what does not fit fails: the disk is not for it
        "autoinstall_known_extensions": False,  # nothing is fetched from anywhere
        "autoload_known_extensions": False,
        "enable_external_file_cache": False,  # the system has the pages of files
    }
    connection = duckdb.connect(":memory:", config=settings)
    connection.execute("set enable_progress_bar = false; set preserve_insertion_order = true")
    connection.execute("set parquet_metadata_cache = true")  # of the extension; within the limit of memory
    return connection


class Connection:
    """A connection that is made when it is first asked for: DuckDB takes 45 MB before it does anything."""

    def __init__(self, threads: int, memory: int) -> None:
        self._limits = threads, memory
        self._made: DuckDBPyConnection | None = None

    def __call__(self) -> "DuckDBPyConnection":
        """The connection."""
        if self._made is None:
            self._made = connect(*self._limits)
        return self._made

    def close(self) -> None:
        """Let go."""
        if self._made is not None:
            self._made.close()


def errors(*names: str) -> tuple[type[Exception], ...]:
    """DuckDB's errors of these names, or all; none as long as it is not loaded: an error is not its own then."""
    duckdb = sys.modules.get("duckdb")
    return tuple(getattr(duckdb, name) for name in names or ("Error",)) if duckdb else ()


def quoted(name: str) -> str:
    """A column's name as it stands in a statement."""
    return f'"{name}"'


def text(value: Path | str) -> str:
    """A text as it stands in a statement."""
    return "'" + str(value).replace("'", "''") + "'"


def files(paths: list[Path], alike: bool = False) -> str:
    """Files of Parquet as a table in a statement; columns that older ones lack are null.

    :param alike: all have the same columns: not each has to be opened before the statement runs.
    """
    together = "" if alike else ", union_by_name = true"
    return f"read_parquet([{', '.join(map(text, paths))}]{together})"


def files_of(paths: list[Path], types: Mapping[str, str]) -> str:
    """Files of one table, with these columns, as a table in a statement; those that files lack are 0 or empty.

    :param types: of the columns, as ``store.segments.tables`` writes them.
    """
    none = ", ".join(f"null::{_type_of(type_)} as {quoted(name)}" for name, type_ in types.items())
    columns = ", ".join(
        f"coalesce({quoted(name)}, {_nothing(type_)}) as {quoted(name)}" for name, type_ in types.items()
    )
    return f"(select {columns} from (select {none} where false union all by name from {files(paths)}))"


def _type_of(type_: str) -> str:
    inner = type_.removesuffix("[]")
    return TYPES[inner] + type_[len(inner) :]


def _nothing(type_: str) -> str:
    return "[]" if type_.endswith("[]") else "''" if type_ == "text" else "0"


def register(connection: "DuckDBPyConnection", name: str, table: Table) -> ArrowTable:
    """Make a table known by a name; the caller keeps the result as long as it is read."""
    arrow = ArrowTable(table)
    connection.register(name, arrow)
    return arrow


def columns_of(connection: "DuckDBPyConnection", statement: str) -> Mapping[str, np.ndarray]:
    """The result in columns; texts and lists are objects. Nothing may be null."""
    return {name: np.asarray(column) for name, column in connection.execute(statement).fetchnumpy().items()}
