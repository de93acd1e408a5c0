"""The JSON lines sink: one object per row, and the loss ledger when it changed."""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec

from model.batch import Batch
from model.errors import SinkError
from model.kind import Kind
from model.settings import PluginConfig
from sinks.descriptor import write_error
from sinks.jsonl.compressed import zstandard
from sinks.jsonl.line_file import STDOUT, LineFile

#: Nodes whose last ledger is remembered, to see whether it changed.
_NODES: Final = 4096

_REMEDIES: Final = {
    errno.EBADF: "name a file",
    errno.ENOENT: "make its folder first",
    errno.EACCES: "choose a path that this user may write to, or change its permissions",
    errno.EPERM: "choose a path that this user may write to, or change its attributes",
    errno.EROFS: "choose a path on a file system that is writable",
    errno.EISDIR: "name a file in it",
    errno.ENXIO: "start the reader of the named pipe first",
    errno.ENOSPC: "make room on its file system",
}


class JsonlConfig(PluginConfig, frozen=True):
    """Where the lines go; ``--sink jsonl:PATH`` sets the path.

    :param path: a file, appended to; "-" is standard output.
    :param rotate_bytes: the file becomes ``PATH.1`` before it grows beyond this; 0: never.
    :param keep: how many rotated files are kept, ``PATH.1`` the newest.
    :param compress: what becomes of rotated files: ``zstd`` makes ``PATH.1.zst`` of them.
    :param rotate_seconds: the file also rotates when it spans this many seconds of windows; 0: never.
    """

    path: Annotated[str, msgspec.Meta(min_length=1)] = STDOUT
    rotate_bytes: Annotated[int, msgspec.Meta(ge=0)] = 256 << 20
    keep: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 5
    rotate_seconds: Annotated[int, msgspec.Meta(ge=0)] = 0
    compress: Literal["none", "zstd"] = "none"


class JsonlSink:
    """Appends one JSON object for each row to a file, or writes them to standard output.

    A full disk costs rows, and never leaves half a line.
    """

    Config: ClassVar[type[PluginConfig]] = JsonlConfig
    ledgers: ClassVar[bool] = True

    def __init__(self, config: JsonlConfig) -> None:
        self._config = config
        self._target = "standard output" if config.path == STDOUT else config.path
        compressed = config.compress == "zstd"
        self._file = LineFile(config.path, config.rotate_bytes, config.keep, compressed=compressed)
        self._since: int | None = None
        self._written: dict[tuple[str, str], dict[str, Any]] = {}

    @property
    def paths(self) -> Sequence[Path]:
        """The file."""
        return () if self._config.path == STDOUT else (Path(self._config.path),)

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Open the file.

        :raises SinkError: if it cannot be written to.
        :raises UsageError: if rotated files are to be compressed, and zstandard is not installed.
        """
        if self._config.compress == "zstd":
            zstandard()
        try:
            self._file.open()
        except OSError as error:
            remedy = _REMEDIES.get(error.errno or 0, "choose another path")
            what = f"cannot open {self._target} ({error.strerror})"
            raise SinkError(what, remedy, reason="not_open") from error

    async def write(self, batch: Batch) -> None:
        """Append the rows of ``batch``, or a ledger that changed.

        :raises SinkError: if rows could not be written, with their exact number; those written stay.
        """
        rows = len(batch)
        try:
            self._file.follow()
        except OSError as error:
            raise write_error(error, self._target, rows) from error
        self._rotate_by_time(batch.window)
        if self._repeats(batch):
            return
        for count, lines in batch.json_lines():
            self._append_lines(lines, count, rows)
            rows -= count
        self._remember(batch)

    async def flush(self) -> None:
        """Nothing is kept back: the kernel has the lines."""

    async def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append_lines(self, lines: bytes, count: int, rows: int) -> None:
        """So many lines.

        :param rows: what is lost with what fails here: the rows of the batch not written yet.
        """
        appended = self._file.append(lines, count)
        if appended.error:
            raise write_error(appended.error, self._target, max(0, rows - appended.lines)) from appended.error

    def _repeats(self, batch: Batch) -> bool:
        """Whether it says what its node said last; a ledger that could not be written comes with the next one."""
        document = batch.document()
        return bool(document) and self._written.get((batch.kind.name, batch.node)) == document

    def _remember(self, batch: Batch) -> None:
        if document := batch.document():
            self._written.pop((batch.kind.name, batch.node), None)
            self._written[batch.kind.name, batch.node] = document
            if len(self._written) > _NODES:
                del self._written[next(iter(self._written))]

    def _rotate_by_time(self, window: int) -> None:
        if self._since is None:
            self._since = window
        elif self._config.rotate_seconds and window - self._since >= self._config.rotate_seconds:
            self._file.rotate()
            self._since = window
