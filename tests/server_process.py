"""A server as a process of its own, for tests: started, killed, and started again on the same folder."""

import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import pytest


def required(program: str, package: str) -> None:
    """Skip the test where a program is not there; ``make setup`` installs its package."""
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed: apt-get install {package}")


class ServerProcess:
    """One server.

    :param command: that runs it in the foreground.
    :param ready: whether it answers.
    """

    def __init__(self, command: Sequence[str], folder: Path, ready: Callable[[], bool]) -> None:
        self._command = command
        self._folder = folder
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, seconds: float = 120) -> Self:
        """Start it and wait until it answers.

        :raises RuntimeError: if it ends, or does not answer in time.
        """
        log = self._folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )
        until = time.monotonic() + seconds
        while not self._ready():
            if time.monotonic() > until or self._process.poll() is not None:
                self.kill()
                raise RuntimeError(f"{self._command[0]} did not start: {log.read_text()[-2000:]}")
            time.sleep(0.02)
        return self

    def signal(self, number: int) -> None:
        """Send a signal to it."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash would."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()
