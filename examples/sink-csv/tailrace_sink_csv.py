"""A sink that gathers: rows wait in memory until flush, which writes them as CSV and waits for the disk."""

import contextlib
import csv
import errno
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from tailrace.api import Batch, Kind, PluginConfig, SinkError

COLUMNS = (
    *("window", "client.address", "client.process.comm", "server.address", "server.port"),
    *("connection.opened", "connection.closed", "connection.failed", "client.tx_bytes", "client.rx_bytes"),
)


class CsvConfig(PluginConfig, frozen=True):
    """Where the rows go.

    :param path: a file, appended to.
    """

    path: str


class CsvSink:
    """Appends flows to a CSV file, and waits for the disk."""

    Config: ClassVar[type[PluginConfig]] = CsvConfig
    kinds: ClassVar[Sequence[str]] = ("flow",)

    def __init__(self, config: CsvConfig) -> None:
        self._path = Path(config.path)
        self._file: BinaryIO | None = None
        self._gathered: list[Mapping[str, Any]] = []

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Open the file.

        :raises SinkError: if that cannot be done.
        """
        try:
            self._file = self._path.open("ab", buffering=0)
        except OSError as error:
            what = f"cannot open {self._path} ({error.strerror})"
            raise SinkError(what, "choose another path") from error

    async def write(self, batch: Batch) -> None:
        """Gather the rows; ``rows()`` makes a dictionary of each, which is enough for some thousand a second."""
        self._gathered += [{"window": batch.window, **row} for row in batch.rows()]

    async def flush(self) -> None:
        """Write what was gathered, all of it or nothing.

        :raises SinkError: if that cannot be done; the rows are lost.
        """
        assert self._file is not None
        rows, self._gathered = self._gathered, []
        size = os.fstat(self._file.fileno()).st_size
        try:
            _append(self._file, _text(rows, titles=not size))
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(size)
            what = f"cannot write to {self._path} ({error.strerror})"
            raise SinkError(what, "make room", reason="write_failed", lost_rows=len(rows)) from error

    async def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


def _text(rows: Iterable[Mapping[str, Any]], *, titles: bool) -> bytes:
    """Rows as CSV, the names of the columns first if the file is new."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="0", extrasaction="ignore")
    if titles:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(errors="replace")


def _append(file: BinaryIO, data: bytes) -> None:
    if file.write(data) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(file.fileno())
