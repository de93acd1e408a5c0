"""The terminal that ``tailrace top`` draws on: when it is gone, the program ends."""

import os
import signal
from typing import IO, Any

from textual.drivers.linux_driver import LinuxDriver


class HangUpDriver(LinuxDriver):
    """Textual's own, for terminals that may go away.

    Its thread ends at the first write that fails, and the program would wait forever to hand it the next one.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self._file is not None:
            self._file = _Screen(self._file)  # type: ignore[assignment]  # what is used of a file is there


class _Screen:
    """A file whose end is a hang-up.

    Kernels send one only to programs whose controlling terminal it was.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._gone = False

    def write(self, text: str) -> None:
        """Writes, as long as there is a terminal."""
        if not self._gone:
            try:
                self._file.write(text)
            except OSError:
                self._hang_up()

    def flush(self) -> None:
        """Likewise."""
        if not self._gone:
            try:
                self._file.flush()
            except OSError:
                self._hang_up()

    def fileno(self) -> int:
        """Its descriptor."""
        return self._file.fileno()

    def _hang_up(self) -> None:
        self._gone = True
        os.kill(os.getpid(), signal.SIGHUP)
