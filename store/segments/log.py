"""The newest seconds on disk: one file, appended to and made safe; a frame is whole or not there."""

import contextlib
import os
from pathlib import Path
from typing import Final

from store.segments.frames import Source, frames_of
from store.segments.manifest import Manifest, sync_folder

FOLDER: Final = "log"


class Log:
    """The file that is written.

    :param part: its number.
    :ivar size: bytes that are safe.
    :raises OSError: if it cannot be made.
    """

    def __init__(self, folder: Path, part: int) -> None:
        self.part = part
        self.size = 0
        self.path = log_path(folder, part)
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        sync_folder(self.path.parent)

    def append(self, frame: bytes) -> None:
        """Write a frame; when this returns it is safe.

        :raises OSError: if it cannot be written; the file is as it was then.
        """
        try:
            view = memoryview(frame)
            while view:
                view = view[os.write(self._descriptor, view) :]
            os.fdatasync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
                os.lseek(self._descriptor, self.size, os.SEEK_SET)
            raise
        self.size += len(frame)

    def close(self) -> None:
        """Let go of the file; one without frames is removed."""
        os.close(self._descriptor)
        if not self.size:
            self.path.unlink(missing_ok=True)


def log_path(folder: Path, part: int) -> Path:
    """Where the log of this number is."""
    return folder / FOLDER / f"{part:010}.log"


def logs(folder: Path, after: int) -> list[tuple[int, Path]]:
    """Number and path of the logs above a number, the oldest first."""
    found = sorted((folder / FOLDER).glob("*.log"))
    return [(part, path) for path in found if (part := int(path.stem)) > after]


def recovered(folder: Path, manifest: Manifest) -> tuple[dict[Source, int], int, int]:
    """Cut what is not whole off the ends of logs, and remove those that are sealed.

    :return: the newest number of each source, the second of the last batch, and up to which all is complete.
    :raises OSError: if a log cannot be read or cut.
    """
    for part, path in logs(folder, 0):
        if part <= manifest.part:
            path.unlink()
    marks: dict[Source, int] = {(kind, node, boot): seq for kind, node, boot, seq in manifest.marks}
    newest, complete = manifest.newest_s, manifest.complete_s
    for _, path in logs(folder, manifest.part):
        frames, end = frames_of(path)
        for frame in frames:
            marks |= frame.marks
            newest, complete = frame.newest_s, frame.complete_s
        if end == 0:
            path.unlink()
        elif end < path.stat().st_size:
            os.truncate(path, end)
    return marks, newest, complete
