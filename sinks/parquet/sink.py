"""The Parquet sink: files by kind and time, each there only when it is whole."""

import itertools
import logging
import os
import socket
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec

from model.batch import Batch
from model.errors import SinkError
from model.kind import Kind
from model.settings import PluginConfig
from sinks.descriptor import write_error
from sinks.joined import joined
from sinks.limits import BatchLimits, Limits, QueueLimits
from sinks.parquet.part_file import PartFile, modules, remove_left_over

#: Rows that become one row group.
GROUP_ROWS = 131_072

log = logging.getLogger(__name__)


class ParquetConfig(PluginConfig, frozen=True):
    """Where files are made; ``--sink parquet:FOLDER`` sets the folder.

    How many rows and seconds a file has at most are ``batch.rows`` and ``batch.seconds`` of the sink.

    :param path: a folder; it is made if need be.
    :param partition: folders within: ``kind=flows``, in it by day ``date=2026-11-29``, in that by hour ``hour=14``.
    :param file_bytes: a file that has reached this size is followed by another.
    :param level: of zstd.
    """

    path: Annotated[str, msgspec.Meta(min_length=1)]
    partition: Literal["kind", "date", "hour"] = "hour"
    file_bytes: Annotated[int, msgspec.Meta(ge=1 << 16)] = 256 << 20
    level: Annotated[int, msgspec.Meta(ge=1, le=19)] = 1


class ParquetSink:
    """Writes files that DuckDB, Polars, Spark or pandas read as one table.

    A file has its name once it is whole; what a program that was killed left is removed by the next one.
    """

    Config: ClassVar[type[PluginConfig]] = ParquetConfig
    limits: ClassVar[Limits] = Limits(QueueLimits(rows=1_000_000), batch=BatchLimits(1_000_000, 60))

    def __init__(self, config: ParquetConfig) -> None:
        self._config = config
        self._folder = Path(config.path)
        self._numbers = itertools.count()
        self._who = f"{socket.gethostname()}-{os.getpid()}-{time.time_ns() // 10**6:x}"
        self._files: dict[Path, PartFile] = {}
        self._whole: list[PartFile] = []  # grown to their size, finished with the others
        self._gathered: dict[Path, list[Batch]] = {}
        self._lost = 0

    @property
    def paths(self) -> Sequence[Path]:
        """The folder."""
        return (self._folder,)

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Make the folder, and remove what was left over.

        :raises SinkError: if it cannot be written to.
        :raises UsageError: if pyarrow is not installed.
        """
        modules()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not os.access(self._folder, os.W_OK):
                raise PermissionError(13, "Permission denied")
            if found := remove_left_over(self._folder):
                log.info("sink parquet: removed %d unfinished files of a program that was killed", found)
        except OSError as error:
            what = f"cannot write to {self._folder} ({error.strerror})"
            remedy = "choose a folder that this user may write to"
            raise SinkError(what, remedy, reason="not_open") from error

    async def write(self, batch: Batch) -> None:
        """Gather rows; those of a whole row group go into their file.

        :raises SinkError: if they cannot be written, with the rows of the batch.
        """
        if not len(batch):
            return
        folder = self._folder_of(batch)
        gathered = self._gathered.setdefault(folder, [])
        gathered.append(batch)
        if sum(map(len, gathered)) >= GROUP_ROWS:
            self._write_group(folder, len(batch))

    async def flush(self) -> None:
        """Finish all files.

        :raises SinkError: if some cannot be, with the rows that were in them.
        """
        error: OSError | None = None
        for folder in list(self._gathered):
            try:
                self._write_group(folder, 0)
            except SinkError as failed:
                error = failed.__cause__ if isinstance(failed.__cause__, OSError) else None
        files, self._files, self._whole = [*self._whole, *self._files.values()], {}, []
        for file in files:
            try:
                file.finish()
            except OSError as failed:
                self._lost += file.rows
                file.abandon()
                error = failed
        lost, self._lost = self._lost, 0
        if lost:
            raise write_error(error or OSError(0, "an earlier error"), self._config.path, lost) from error

    async def close(self) -> None:
        """Remove what is not whole."""
        for file in [*self._whole, *self._files.values()]:
            file.abandon()
        self._files, self._whole, self._gathered = {}, [], {}

    def _write_group(self, folder: Path, newest: int) -> None:
        """Write what was gathered for a folder.

        :param newest: rows of it that no call has taken yet; the others count as lost at the next flush.
        """
        batches = self._gathered.pop(folder)
        rows = sum(map(len, batches))
        file = self._files.get(folder)
        try:
            if file is None:
                file = self._files[folder] = PartFile(folder / self._name(batches[0]), self._config.level)
            file.write(list(joined(batches)))
        except OSError as error:
            if broken := self._files.pop(folder, None):
                self._lost += broken.rows
                broken.abandon()
            self._lost += rows - newest
            raise write_error(error, self._config.path, newest) from error
        if file.size >= self._config.file_bytes:
            self._whole.append(self._files.pop(folder))

    def _folder_of(self, batch: Batch) -> Path:
        at = datetime.fromtimestamp(batch.window, UTC)
        parts = (f"kind={batch.kind.plural}", f"date={at:%Y-%m-%d}", f"hour={at:%H}")
        depth = {"kind": 1, "date": 2, "hour": 3}[self._config.partition]
        return self._folder.joinpath(*parts[:depth])

    def _name(self, first: Batch) -> str:
        """Not the name of another file, whoever writes into this folder."""
        at = datetime.fromtimestamp(first.window, UTC)
        return f"{at:%Y%m%dT%H%M%SZ}-{self._who}-{next(self._numbers)}.parquet"
