"""A program on a terminal of its own: what it draws, and keys for it."""

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyte


class Terminal:
    """What a person sees of a program, and keys for it."""

    def __init__(self, screen: int, process: "subprocess.Popen[bytes]", rows: int, columns: int) -> None:
        self.process = process
        self._screen = screen
        self._poll = select.poll()
        self._poll.register(screen, select.POLLIN)
        self._drawn = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._drawn)

    @property
    def text(self) -> str:
        """The lines that are there now."""
        return "\n".join(line.rstrip() for line in self._drawn.display)

    def shows(self, text: str, seconds: float = 60) -> bool:
        """Waits until this is to be seen."""
        deadline = time.monotonic() + seconds
        while text not in self.text:
            if time.monotonic() > deadline or not self._read():
                return text in self.text
        return True

    def press(self, keys: str) -> None:
        """Types."""
        os.write(self._screen, keys.encode())

    def ends(self, seconds: float = 120) -> int:
        """Waits for the end: the exit code."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read()
        while self._read(0):
            pass
        return self.process.wait(1)

    def _read(self, seconds: float = 0.2) -> bool:
        """A little; False at the end, or if nothing came at once."""
        if not self._poll.poll(seconds * 1000):
            return seconds > 0
        try:
            self._stream.feed(os.read(self._screen, 1 << 16))
        except OSError:  # EIO: nobody has the terminal any more
            return False
        return True


@contextmanager
def on_terminal(command: Sequence[str | Path], rows: int = 40, columns: int = 160) -> Iterator[Terminal]:
    """Runs a command there; it is killed if it has not ended with the block."""
    screen, program = pty.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = os.environ | {"TERM": "xterm-256color"}
    process = subprocess.Popen(
        command, stdin=program, stdout=program, stderr=program, env=environment, start_new_session=True
    )
    os.close(program)
    try:
        yield Terminal(screen, process, rows, columns)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        os.close(screen)
