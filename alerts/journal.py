"""Values by key in one file that outlives ``kill -9`` and the loss of power.

A line is a batch, all or nothing: CRC32, a space, and a JSON object of values by key; null takes a key away.
``put`` returns once the line is on disk. The file is written anew when it grows past twice what is alive.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final
from zlib import crc32

import msgspec

from model.errors import LACKING, TailraceError, UsageError

#: Bytes below which a file is never written anew.
_SMALL: Final = 1 << 18
#: The name of the file in which incidents are kept.
JOURNAL: Final = "incidents.journal"


class Journal:
    """One file, and one writer.

    :param path: of the file; its folder is made.
    :param max_bytes: of what is alive; a batch past it is refused.
    :param copied: is given each batch once it is on disk.
    :raises UsageError: if the file cannot be opened, or another process writes it.
    :ivar torn: bytes of an unfinished last line that were cut off at the start.
    :ivar damaged: lines that were whole and yet not readable.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int = 64 << 20,
        copied: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> None:
        self._copied = copied
        self._path = path
        self._max_bytes = max_bytes
        self._values: dict[str, Any] = {}
        self._sizes: dict[str, int] = {}
        self._alive = 0
        self.torn = 0
        self.damaged = 0
        self.compacted = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            self._lock = self._locked()
            path.with_suffix(".new").unlink(missing_ok=True)
            self._file = _opened(path)
            self._size = self._replay()
            _sync_folder(path.parent)
        except OSError as error:
            remedy = "choose another folder, or let this user write there"
            raise UsageError(f"cannot use {path}: {error.strerror}", remedy) from error

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str) -> Any:
        """Its value; None if there is none."""
        return self._values.get(key)

    def under(self, prefix: str) -> Iterator[tuple[str, Any]]:
        """Keys that begin so, and their values, in the order in which they first came."""
        return ((key, value) for key, value in list(self._values.items()) if key.startswith(prefix))

    @property
    def file_bytes(self) -> int:
        """Of the file."""
        return self._size

    def put(self, batch: Mapping[str, Any]) -> None:
        """Set values, and take keys away whose value is None; on disk when this returns.

        :raises TailraceError: if there is no room; nothing of the batch was kept then.
        """
        if not batch:
            return
        plain = msgspec.to_builtins(dict(batch))
        grown = self._alive + sum(self._growth(key, value) for key, value in plain.items())
        if grown > self._max_bytes and grown > self._alive:
            raise TailraceError(
                f"{self._path} is full ({self._max_bytes} bytes)", "resolve or silence incidents"
            )
        self._append(_line(plain))
        self._take(plain)
        self._copied(plain)
        if self._size > max(_SMALL, 2 * self._alive):
            self._compact()

    def begin(self, values: Mapping[str, Any]) -> None:
        """Hold these in place of what is there; if these are none, all that is there is copied.

        :raises TailraceError: as ``put`` does.
        """
        if values:
            self.put({key: None for key in self._values if key not in values} | dict(values))
        else:
            self._copied(self._values)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        self._lock.close()

    def _locked(self) -> BinaryIO:
        lock = _opened(self._path.with_suffix(".lock"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise UsageError(
                f"another process writes {self._path}", "stop it, or choose another path"
            ) from None
        return lock

    def _replay(self) -> int:
        """The length of what is whole; what is torn behind it is cut off."""
        self._file.seek(0)
        end = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            end += len(line)
            batch = _batch(line)
            if batch is None:
                self.damaged += 1
            else:
                self._take(batch)
        self.torn = self._file.seek(0, os.SEEK_END) - end
        if self.torn:
            self._file.truncate(end)
            os.fsync(self._file.fileno())
        return end

    def _append(self, line: bytes) -> None:
        try:
            self._file.seek(self._size)
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            self._file.close()  # what it had not written yet is given up
            self._file = _opened(self._path)
            self._file.truncate(self._size)
            remedy = LACKING.get(error.errno or 0, "look at the disk")
            raise TailraceError(f"cannot write {self._path}: {error.strerror}", remedy) from error
        self._size += len(line)

    def _growth(self, key: str, value: Any) -> int:
        return _bytes_of(key, value) - self._sizes.get(key, 0)

    def _take(self, batch: Mapping[str, Any]) -> None:
        for key, value in batch.items():
            self._alive += self._growth(key, value)
            if value is None:
                self._values.pop(key, None)
                self._sizes.pop(key, None)
            else:
                self._values[key] = value
                self._sizes[key] = _bytes_of(key, value)

    def _compact(self) -> None:
        """A new file with what is alive takes the place of the old one, once it is on disk.

        A disk without room for it goes on with the old one.
        """
        fresh = self._path.with_suffix(".new")
        try:
            with _opened(fresh) as file:
                file.truncate(0)
                file.writelines(_line({key: value}) for key, value in self._values.items())
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError:
            fresh.unlink(missing_ok=True)
            return
        _sync_folder(self._path.parent)
        self._file.close()
        self._file = _opened(self._path)
        self._size = self._file.seek(0, os.SEEK_END)
        self.compacted += 1


def is_written(path: Path) -> bool:
    """Whether a process of this machine writes a journal now (proc_locks(5)); asked without a lock of one's own."""
    try:
        status = path.with_suffix(".lock").stat()
        locks = Path("/proc/locks").read_text()
    except OSError:
        return False
    file = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    return any(line.split()[1:2] == ["FLOCK"] and file in line.split() for line in locks.splitlines())


def read(path: Path) -> dict[str, Any]:
    """The values in a file that another process may be writing; a line that is not whole yet is left out.

    :raises OSError: if it cannot be read.
    """
    values: dict[str, Any] = {}
    with path.open("rb") as file:
        for line in file:
            values |= _batch(line) or {}
    return {key: value for key, value in values.items() if value is not None}


def _opened(path: Path) -> BinaryIO:
    """To read and write, made if it is not there; nobody else reads it."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")


def _sync_folder(folder: Path) -> None:
    """So that a file's new name is on disk, too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _bytes_of(key: str, value: Any) -> int:
    return 0 if value is None else len(_line({key: value}))


def _line(batch: Mapping[str, Any]) -> bytes:
    text = msgspec.json.encode(batch)
    return b"%08x %s\n" % (crc32(text), text)


def _batch(line: bytes) -> dict[str, Any] | None:
    text = line[9:-1]
    try:
        if int(line[:8], 16) != crc32(text):
            return None
        return msgspec.json.decode(text, type=dict[str, Any])
    except (ValueError, msgspec.DecodeError):
        return None
