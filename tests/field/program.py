"""Tailrace as a user starts it: how it ends, and what it says on standard error."""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from probes.kernel.headers import cache_root
from tests.beds.watch import DEADLINE_SECONDS, TAILRACE, await_that

RECORDINGS = Path(__file__).parents[1] / "recordings"


def ended(
    *arguments: str, before: Sequence[str] = (), environment: Mapping[str, str] | None = None, **more: Any
) -> "subprocess.CompletedProcess[str]":
    """One that ends by itself, started through ``before``."""
    return subprocess.run(
        [*before, TAILRACE, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | dict(environment or {}),
        timeout=DEADLINE_SECONDS,
        **more,
    )


def complaint(done: "subprocess.CompletedProcess[str]") -> tuple[int, str]:
    """The exit code and the last line, which is Tailrace's own, without any traceback."""
    assert "Traceback" not in done.stderr, done.stderr
    *_, last = done.stderr.splitlines()
    assert last.startswith("tailrace: "), done.stderr
    return done.returncode, last.removeprefix("tailrace: ")


class Running:
    """One that runs on."""

    def __init__(self, process: "subprocess.Popen[bytes]", errors: Path) -> None:
        self.process = process
        self._errors = errors

    @property
    def said(self) -> str:
        """On standard error so far."""
        return self._errors.read_text()

    def alive(self) -> None:
        """:raises RuntimeError: if it ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"tailrace ended: {self.said}")

    def await_said(self, text: str) -> None:
        """Returns when it says this."""
        await_that(lambda: text in self.said, self)

    def await_caught(self, number: int) -> None:
        """Returns when it has something to do at this signal; proc_pid_status(5)."""

        def caught() -> bool:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            (mask,) = (int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt"))
            return bool(mask >> (number - 1) & 1)

        await_that(caught, self)

    def await_child(self, word: str) -> int:
        """The process id of the child that has this in its command line, once there is one; proc_pid_task(5)."""
        found: list[int] = []

        def started() -> bool:
            for task in Path(f"/proc/{self.process.pid}/task").iterdir():
                with contextlib.suppress(OSError):  # threads and children come and go
                    children = (task / "children").read_text().split()
                    found.extend(
                        int(child) for child in children if word in Path(f"/proc/{child}/cmdline").read_text()
                    )
            return bool(found)

        await_that(started, self)
        return found[0]

    def await_file(self, path: Path) -> None:
        """Returns when there is something in it: the first window was written."""
        await_that(lambda: path.exists() and path.stat().st_size > 0, self)


def compiling_anew(folder: Path) -> dict[str, str]:
    """The environment of a Tailrace that finds no compiled programs; headers it does find.

    Of HTTP, which has most to compile, nothing is.
    """
    headers = cache_root() / "headers"
    headers.mkdir(parents=True, exist_ok=True)
    (folder / "cache").mkdir()
    (folder / "cache/headers").symlink_to(headers)
    return {"CACHE_DIRECTORY": str(folder / "cache"), "TAILRACE_HTTP_ENABLED": "off"}


@contextlib.contextmanager
def running(errors: Path, *arguments: str, before: Sequence[str] = (), **more: Any) -> Iterator[Running]:
    """Started through ``before``, its standard error in a file; killed at the end if it still runs."""
    with errors.open("wb") as file:
        process: subprocess.Popen[bytes] = subprocess.Popen(
            [*before, TAILRACE, *arguments], stderr=file, **more
        )
    try:
        yield Running(process, errors)
    finally:
        process.kill()
        process.wait()
