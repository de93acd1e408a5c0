"""A recording on disk: written whole record by whole record, and read up to the last whole one."""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from engine.recording.format import (
    FRAME_BYTES,
    HEADER_BYTES,
    LENGTH,
    MAGIC,
    Codec,
    End,
    Frame,
    Header,
    Lost,
    Record,
    decode_header,
    encode_header,
)
from engine.recording.layout import RecordingError
from probes.kernel.event_types import EventTypes

#: The path that stands for standard input.
STDIN: Final = "-"

#: How a recording is called that a crash or a full disk cut short.
CUT: Final = "cut short"

_PIECE_BYTES: Final = 1 << 20
#: Bytes of a record at most: zlib makes what it cannot compress longer, but by less than that.
_RECORD_BYTES: Final = FRAME_BYTES + 2 * HEADER_BYTES


class RecordingWriter:
    """A new file. All calls may block.

    :param event_types: what the probes declare.
    :param force: whether a file of that name is overwritten.
    """

    def __init__(self, path: Path, event_types: EventTypes, *, force: bool = False) -> None:
        self._path = path
        self._event_types = event_types
        self._mode = "wb" if force else "xb"
        self.bytes = 0

    def open(self, header: Header) -> None:
        """Begin the file.

        :raises RecordingError: if it cannot be written.
        """
        self._codec = Codec(header, self._event_types)
        try:
            self._file = self._path.open(self._mode, buffering=0)
            self._write(encode_header(header))
        except OSError as error:
            raise self._refused(error) from error

    def append(self, record: Record) -> None:
        """Write one record; it is the system's when this returns.

        :raises RecordingError: if it could not be written; nothing of it stays.
        """
        encoded = self._codec.encode(record)
        try:
            self._write(encoded)
        except OSError as error:
            os.ftruncate(self._file.fileno(), self.bytes)
            raise self._refused(error) from error

    def close(self) -> None:
        """Let go of the file, if it was opened."""
        if "_file" in vars(self):
            self._file.close()

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) or 0 :]
        self.bytes += len(data)

    def _refused(self, error: OSError) -> RecordingError:
        return RecordingError(
            f"cannot write {self._path} ({error.strerror})", "record to a place that can be written to"
        )


class Recording:
    """A file to read, one record in memory at a time.

    :param path: opened at once; "-" is standard input. A pipe will do.
    :param event_types: what the probes of this program declare; what the recording has of others is left aside.
    :raises RecordingError: if it cannot be read, or is no recording that this program reads.
    """

    def __init__(self, path: Path, event_types: EventTypes) -> None:
        self.path = path
        try:
            self._file = _open(path)
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            self.header = self._read_header()
            self._codec = Codec(self.header, event_types)
        except RecordingError as error:
            self._file.close()
            raise self._damaged(error) from error
        except BaseException:
            self._file.close()
            raise
        #: What is wrong with its end, once it was read to there; empty if nothing is.
        self.complaint = ""
        #: Frames that the recorder lost, as far as was read.
        self.lost = 0

    def frames(self) -> Iterator[Frame]:
        """All frames, in order. A file that ends without an end mark gives what is whole, and a ``complaint``.

        :raises RecordingError: if it is damaged, or cannot be read; frames before that were given.
        """
        while (packed := self._next(_RECORD_BYTES)) is not None:
            try:
                record = self._codec.decode(packed)
            except RecordingError as error:
                raise self._damaged(error) from error
            if isinstance(record, Frame):
                yield record
            elif isinstance(record, Lost):
                self.lost += record.frames
            elif isinstance(record, End):
                return
        self.complaint = CUT

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _read_header(self) -> Header:
        try:
            magic = self._read(len(MAGIC))
        except OSError as error:
            raise self._unreadable(error) from error
        if magic != MAGIC:
            raise RecordingError("it is no recording", "make one with `tailrace record`")
        packed = self._next(HEADER_BYTES)
        if packed is None:
            raise RecordingError("it is cut short in its header", "record again")
        return decode_header(packed)

    def _next(self, limit: int) -> bytes | None:
        """The next record without its length; None if the rest of the file is not as long as it says.

        :param limit: a length above it is none.
        """
        try:
            prefix = self._read(LENGTH.size)
            if len(prefix) < LENGTH.size:
                return None
            (size,) = LENGTH.unpack(prefix)
            record = self._read(size) if size <= limit else b""
        except OSError as error:
            raise self._unreadable(error) from error
        return record if len(record) == size else None

    def _read(self, size: int) -> bytes:
        """So many bytes; fewer at the end. What a damaged file only says that it has takes no memory."""
        data = bytearray()
        while size > len(data) and (part := self._file.read(min(size - len(data), _PIECE_BYTES))):
            data += part
        return bytes(data)

    def _damaged(self, error: RecordingError) -> RecordingError:
        """With the name of the file."""
        return RecordingError(f"cannot replay {self.path}: {error.what}", error.remedy)

    def _unreadable(self, error: OSError) -> RecordingError:
        return RecordingError(f"cannot read {self.path} ({error.strerror})", "name a recording")


def _open(path: Path) -> io.FileIO:
    """Without a buffer, whose lock a thread would hold that waits for a pipe.

    :raises OSError: if it cannot be read.
    """
    return io.FileIO(os.dup(0) if str(path) == STDIN else path, "r")
