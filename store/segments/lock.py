"""One writer for a folder."""

import fcntl
import os
from pathlib import Path
from typing import Final

from model.errors import TailraceError

_NAME: Final = "lock"


class WriterLock:
    """Held while this object lives; however the process ends, it is free.

    :raises TailraceError: if another process writes to the folder.
    :raises OSError: if the file cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            what = f"another process writes to the store {folder}"
            raise TailraceError(what, "give each its own folder; any number may read it") from error

    def release(self) -> None:
        """Let others write."""
        os.close(self._descriptor)
