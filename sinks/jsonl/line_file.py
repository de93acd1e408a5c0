"""A file of whole lines: mended after a failed write, rotated when full, followed when renamed."""

import errno
import logging
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sinks.descriptor import is_writable, write_all
from sinks.jsonl.compressed import SUFFIX, compress

STDOUT: Final = "-"
_STDOUT_DESCRIPTOR: Final = 1

#: How much of a file's end is searched for the last line end; no line of ours is longer.
_TAIL_BYTES: Final = 1 << 20

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Appended:
    """How many whole lines a call of ``append`` wrote, and the error that ended it early."""

    lines: int
    error: OSError | None = None


class LineFile:
    """Appends to ``path`` ("-" is standard output); ``path.1`` is the newest rotated file. Blocking.

    :param rotate_bytes: no file grows beyond this, unless a single line is longer; 0: never rotated.
    :param keep: rotated files kept; 0: the full file is deleted.
    :param compressed: whether they are compressed (``path.1.zst``).
    """

    def __init__(self, path: str, rotate_bytes: int, keep: int, *, compressed: bool = False) -> None:
        self._path = None if path == STDOUT else Path(path)
        self._rotate_bytes = rotate_bytes
        self._keep = keep
        self._compressed = compressed
        self._rotated: Path | None = None  # a moment ago
        self._descriptor = -1
        self._regular = False
        self._rotates = False
        self._size = 0
        self._torn = False

    def open(self) -> None:
        """Open for appending; half a line that an earlier run left at the end is removed.

        :raises OSError: if that cannot be done.
        """
        self._use(_output() if self._path is None else _open(self._path))

    def follow(self) -> None:
        """Go on with a new file if somebody (logrotate) renamed or removed the one in use; once per batch.

        :raises OSError: if there is no file to write to.
        """
        status = os.fstat(self._descriptor)
        self._size = status.st_size
        self._rotates = self._regular and self._path is not None and self._rotate_bytes > 0
        if self._path is None or not self._regular:
            return
        try:
            named = self._path.stat()
            moved = (named.st_dev, named.st_ino) != (status.st_dev, status.st_ino)
        except FileNotFoundError:
            moved = True
        if moved:
            try:
                self._use(_open(self._path))
            except OSError:
                if not status.st_nlink:
                    raise

    def append(self, lines: bytes, count: int) -> Appended:
        """Write ``lines``, so many whole lines, rotating on the way; after an error the file ends in a line end."""
        if self._torn:
            _, error = write_all(self._descriptor, b"\n")
            if error:
                return Appended(0, error)
            self._torn = False
        done, view = 0, memoryview(lines)
        while done < len(lines):
            end = self._fit(lines, done)
            written, error = write_all(self._descriptor, view[done:end])
            if error:
                whole = lines.rfind(b"\n", done, done + written) + 1 or done
                self._cut(done + written - whole)
                return Appended(lines.count(b"\n", 0, whole), error)
            self._size += written
            done = end
        return Appended(count)

    def rotate(self) -> None:
        """Rename the file to ``path.1`` (and ``.1`` to ``.2`` ...) and begin a new one.

        A symbolic link stays: the file that it leads to is renamed, beside itself. If that fails, the file in use
        grows until the next batch; nothing is lost.
        """
        if self._path is None or not self._rotates:
            return
        try:
            self._shift(self._path.resolve())
            self._use(_open(self._path))
        except OSError as error:
            log.warning("cannot rotate %s (%s): writing goes on in the file in use", self._path, error)
            self._rotates = False
        rotated, self._rotated = self._rotated, None
        if rotated and self._compressed:
            compress(rotated)

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _shift(self, path: Path) -> None:
        """Number the rotated files anew; one number may be there compressed, or not."""
        for number in range(self._keep - 1, 0, -1):
            here, there = (_forms(path, each) for each in (number, number + 1))
            if any(file.exists() for file in here):
                _remove(there)
            for older, newer in zip(here, there, strict=True):
                if older.exists():
                    older.replace(newer)
        if self._keep:
            _remove(_forms(path, 1))
            path.replace(_numbered(path, 1))
            self._rotated = _numbered(path, 1)
        else:
            path.unlink()

    def _use(self, descriptor: int) -> None:
        """Take ``descriptor`` into use, and close the one before."""
        self.close()
        self._descriptor = descriptor
        status = os.fstat(descriptor)
        self._regular = stat.S_ISREG(status.st_mode)
        self._size = status.st_size
        self._torn = False
        if self._regular and self._path is not None and status.st_size:
            self._mend(self._path)

    def _mend(self, path: Path) -> None:
        """Remove half a line of ours at the end; anything else without a line end gets one."""
        begin = max(0, self._size - _TAIL_BYTES)
        try:
            with path.open("rb") as file:
                file.seek(begin)
                tail = file.read()
        except OSError:  # we may write, but not read: the next line begins with a line end
            self._torn = True
            return
        half = tail[tail.rfind(b"\n") + 1 :]
        if half and b'{"kind":'.startswith(half[:8]):
            os.ftruncate(self._descriptor, self._size - len(half))
            self._size -= len(half)
        else:
            self._torn = bool(half)

    def _fit(self, lines: bytes, done: int) -> int:
        """Where in ``lines`` the part from ``done`` ends that the file takes; rotates if it takes none."""
        room = self._rotate_bytes - self._size
        if not self._rotates or len(lines) - done <= room:
            return len(lines)
        if end := lines.rfind(b"\n", done, done + max(room, 0)) + 1:
            return end
        if self._size:
            self.rotate()
            return self._fit(lines, done)
        return lines.index(b"\n", done) + 1

    def _cut(self, extra: int) -> None:
        """Take back the last ``extra`` bytes written; else the next line begins with a line end."""
        if not extra:
            return
        try:
            end = os.lseek(self._descriptor, 0, os.SEEK_CUR) - extra
            os.ftruncate(self._descriptor, end)
            os.lseek(self._descriptor, end, os.SEEK_SET)
        except OSError:
            self._torn = True


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _output() -> int:
    """Standard output under a number of its own.

    :raises OSError: if it is closed.
    """
    if not is_writable(_STDOUT_DESCRIPTOR):
        raise OSError(errno.EBADF, "it is closed")
    return os.dup(_STDOUT_DESCRIPTOR)


def _forms(path: Path, number: int) -> tuple[Path, Path]:
    """A rotated file as it is, and compressed."""
    plain = _numbered(path, number)
    return plain, plain.with_name(plain.name + SUFFIX)


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _open(path: Path) -> int:
    """``path`` opened for appending; does not wait for the reader of a named pipe.

    :raises OSError: if it cannot be; ENXIO: a named pipe that nobody reads.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    descriptor = os.open(path, flags, 0o644)
    os.set_blocking(descriptor, True)
    return descriptor
