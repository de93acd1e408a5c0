"""Ending what another thread does in the middle of it, together with the process that it waits for."""

import contextlib
import subprocess
import threading
from collections.abc import Iterator


class NotWantedError(Exception):
    """Nobody wants the result any more."""


class Interruption:
    """Asked for in one thread, obeyed in another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = False
        self._child: subprocess.Popen[bytes] | None = None

    def ask(self) -> None:
        """Whoever checks or awaits a process ends now, for good."""
        with self._lock:
            self._asked = True
            if self._child:
                self._child.kill()

    def check(self) -> None:
        """:raises NotWantedError: if it was asked for."""
        if self._asked:
            raise NotWantedError

    @contextlib.contextmanager
    def awaiting(self, child: "subprocess.Popen[bytes]") -> Iterator[None]:
        """The block waits for this process, which is killed if it was asked for, or is asked for meanwhile.

        :raises NotWantedError: in the place of what the block raises then.
        """
        with self._lock:
            self._child = child
        try:
            self.check()
            yield
        except Exception:
            self.check()
            raise
        finally:
            with self._lock:
                self._child = None
