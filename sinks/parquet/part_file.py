"""A Parquet file while it is written: nobody sees it until it is whole."""

import contextlib
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from model.extras import extra
from sinks.joined import Rows

#: Ends the name of a file that is not whole, which begins with a dot: readers of ``*.parquet`` leave it aside.
UNFINISHED: Final = ".unfinished"


def modules() -> tuple[Any, Any]:
    """``pyarrow`` and ``pyarrow.parquet``.

    :raises UsageError: if pyarrow is not installed.
    """
    need = "it needs pyarrow"
    return extra("pyarrow", "parquet", need), extra("pyarrow.parquet", "parquet", need)


class PartFile:
    """One file.

    :param path: that it has when it is whole; its folder is made.
    :ivar rows: written so far.
    :raises OSError: if it cannot be made.
    """

    def __init__(self, path: Path, level: int) -> None:
        self.rows = 0
        self._path = path
        self._level = level
        path.parent.mkdir(parents=True, exist_ok=True)
        self._unfinished = path.with_name(f".{path.name}{UNFINISHED}")
        self._file = self._unfinished.open("wb")
        fcntl.flock(self._file, fcntl.LOCK_EX)  # tells others that somebody writes it
        self._writer: Any = None

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._file.tell()

    def write(self, rows: Sequence[Rows]) -> None:
        """Add rows of one kind.

        :raises OSError: if they cannot be written; the file is of no use then.
        """
        pa, parquet = modules()
        table = pa.concat_tables([_table(pa, each) for each in rows])
        if self._writer is None:
            texts = [field.name for field in table.schema if _is_text(pa, field.type)]
            self._writer = parquet.ParquetWriter(
                self._file,
                table.schema,
                compression="zstd",
                compression_level=self._level,
                use_dictionary=texts,
                write_statistics=["window"],
            )
        self._writer.write_table(table, row_group_size=max(1, len(table)))
        self.rows += len(table)

    def finish(self) -> None:
        """Make it whole and safe, and give it its name.

        :raises OSError: if that cannot be done.
        """
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._unfinished.rename(self._path)
        self._file.close()
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def abandon(self) -> None:
        """Remove it. Raises nothing."""
        with contextlib.suppress(Exception):  # of a writer that cannot end its file
            self._writer.close()
        with contextlib.suppress(OSError):
            self._file.close()
        self._unfinished.unlink(missing_ok=True)


def remove_left_over(folder: Path) -> int:
    """Remove what programs left that were killed; files that somebody writes stay.

    :return: how many.
    """
    found = 0
    for path in folder.rglob(f".*.parquet{UNFINISHED}"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            found += 1
    return found


def _table(pa: Any, rows: Rows) -> Any:
    table = rows.batch.to_arrow()
    return table.set_column(table.schema.get_field_index("seq"), "seq", pa.array(rows.seqs))


def _is_text(pa: Any, type_: Any) -> bool:
    return bool(pa.types.is_dictionary(type_) or pa.types.is_string(type_) or pa.types.is_nested(type_))
