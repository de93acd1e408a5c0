"""Files of Parquet: written aside, made safe, and then given their name."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from store.segments.columns import Table
from store.segments.duck import quoted, register, text
from store.segments.manifest import UNFINISHED, sync_folder

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Rows that a reader of one edge has to look at.
GROUP_ROWS: Final = 16_384
_OPTIONS: Final = (
    f"format parquet, compression zstd, compression_level 1, row_group_size {GROUP_ROWS}, use_tmp_file false"
)


def write_table(connection: "DuckDBPyConnection", path: Path, table: Table) -> tuple[int, int]:
    """Write a table as it is.

    :return: rows and bytes.
    :raises OSError: if it cannot be written; there is no file then.
    """
    kept = register(connection, "written", table)
    try:
        names = ", ".join(quoted(name) for name in table)
        return write_query(connection, path, f"select {names} from written")
    finally:
        connection.unregister("written")
        del kept


def write_query(connection: "DuckDBPyConnection", path: Path, query: str) -> tuple[int, int]:
    """Write the result of a query.

    :return: rows and bytes.
    :raises OSError: if it cannot be written; there is no file then.
    """
    import duckdb

    path.parent.mkdir(exist_ok=True)
    aside = path.with_name(f".{path.name}{UNFINISHED}")
    try:
        answer = connection.execute(f"copy ({query}) to {text(aside)} ({_OPTIONS})").fetchone()
        descriptor = os.open(aside, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        aside.rename(path)
        sync_folder(path.parent)
    except (duckdb.Error, OSError) as error:
        aside.unlink(missing_ok=True)
        raise _as_os_error(error) from error
    return (answer[0] if answer else 0), size


def _as_os_error(error: Exception) -> OSError:
    """What the system said; DuckDB has it in its text alone."""
    if isinstance(error, OSError):
        return error
    number = next((number for number in _NUMBERS if os.strerror(number) in str(error)), 0)
    return OSError(number, os.strerror(number) if number else " ".join(str(error).split()))


_NUMBERS: Final = (28, 122, 27, 13, 30, 5)  # ENOSPC, EDQUOT, EFBIG, EACCES, EROFS, EIO
