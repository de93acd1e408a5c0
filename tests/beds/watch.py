"""Tailrace as a bed has it: processes with a command line, and the JSON lines that they write."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, Self

from tests.beds.network import Bed
from tests.beds.processes import read_log

TAILRACE: Final = str(Path(sys.executable).parent / "tailrace")
#: Under emulation a start takes minutes.
DEADLINE_SECONDS: Final = 240.0
#: The share of the usual number of connections, for machines that are slow.
SCALE: Final = float(os.environ.get("TEST_SCALE", "1"))


def scaled(count: int) -> int:
    """So many connections on this machine."""
    return max(1, round(count * SCALE))


class Program:
    """A Tailrace process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    @classmethod
    @contextlib.contextmanager
    def started(
        cls, *arguments: str, environment: Mapping[str, str] | None = None, before: Sequence[str] = ()
    ) -> Iterator["Program"]:
        """Running; killed at the end if it still does.

        :param before: the command that starts it.
        """
        command = [*before, TAILRACE, *arguments]
        process = subprocess.Popen(command, text=True, env=_clean() | dict(environment or {}))
        try:
            yield cls(process)
        finally:
            process.kill()
            process.wait()

    def alive(self) -> None:
        """:raises RuntimeError: if it ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"tailrace ended with {self._process.returncode}")

    def signal(self, number: int) -> None:
        """Send it."""
        self._process.send_signal(number)

    def stop(self) -> None:
        """End it in good order, so that it writes out everything.

        :raises RuntimeError: if it does not end well.
        """
        self._process.send_signal(signal.SIGTERM)
        if code := self._process.wait(DEADLINE_SECONDS):
            raise RuntimeError(f"tailrace ended with {code}")


#: Settings that all tests have (tests/conftest.py, tests/vm).
_OF_TESTS: Final = (
    *("TAILRACE_STORE_ENABLED", "TAILRACE_TROUBLE_ENABLED", "TAILRACE_HTTP_LEARNT"),
    *("TAILRACE_HTTP_ENABLED", "TAILRACE_HTTP_TLS", "TAILRACE_ENVOY_ENABLED"),
    *("TAILRACE_UDP_ENABLED", "TAILRACE_DNS_ENABLED", "TAILRACE_DROPS_ENABLED"),
)


def _clean() -> dict[str, str]:
    """The environment without settings of Tailrace, but those of all tests."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TAILRACE_") or name in _OF_TESTS
    }


class Watch:
    """``tailrace run`` and what it wrote."""

    def __init__(self, program: Program, path: Path) -> None:
        self._program = program
        self._path = path

    @classmethod
    @contextlib.contextmanager
    def started(
        cls,
        path: Path,
        namespaces: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> Iterator["Watch"]:
        """Every hook is attached: the first window was written. It looks at no requests: these are tests of flows.

        :param namespaces: patterns of the network namespaces that it is to see; none: all.
        :param environment: further settings.
        :param before: the command that starts it.
        """
        arguments = ["run", "--sink", f"jsonl:{path}"]
        settings = {"TAILRACE_HTTP_ENABLED": "off"} | limited_to(namespaces) | dict(environment or {})
        with Program.started(*arguments, environment=settings, before=before) as program:
            await_that(lambda: bool(read_log(path)), program)
            yield cls(program, path)

    def told(self) -> list[dict[str, Any]]:
        """What it wrote so far."""
        return read_log(self._path)

    def await_that(self, condition: Callable[[], bool]) -> None:
        """Returns when it holds, while Tailrace runs."""
        await_that(condition, self._program)

    def rows(self) -> list[dict[str, Any]]:
        """All that it wrote, after it ended."""
        self._program.stop()
        return read_log(self._path)

    def await_opened(self, ours: Callable[[Mapping[str, Any]], bool], count: int) -> None:
        """Returns when so many connections of ours have been told of."""

        def told() -> bool:
            flows = (row for row in self.told() if row["kind"] == "flow" and ours(row))
            return sum(bool(row.get("connection.opened")) for row in flows) >= count

        self.await_that(told)


def limited_to(namespaces: Sequence[str]) -> dict[str, str]:
    """The environment of a Tailrace that is to see these network namespaces only."""
    return {"TAILRACE_NAMESPACES": f"[{', '.join(namespaces)}]"} if namespaces else {}


class Alive(Protocol):
    """A program that should run."""

    def alive(self) -> None: ...


def await_that(condition: Callable[[], bool], *programs: Alive) -> None:
    """Returns when it holds.

    :raises RuntimeError: if a program ends first, or it takes too long.
    """
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        for program in programs:
            program.alive()
        if time.monotonic() > deadline:
            raise RuntimeError(f"{condition.__qualname__} never came true")
        time.sleep(0.05)


class Territory:
    """Tells rows about a bed from those about the rest of the machine.

    :param prefixes: how the text of its addresses begins.
    :param inodes: of its network namespaces.
    """

    def __init__(self, prefixes: tuple[str, ...], inodes: Iterable[int]) -> None:
        self._prefixes = prefixes
        self._inodes = set(inodes)

    @classmethod
    def of(cls, bed: Bed) -> Self:
        """All of a bed."""
        return cls(bed.ground.prefixes, (place.inode for place in bed.places))

    def __call__(self, row: Mapping[str, Any]) -> bool:
        """By its addresses; loopback by the network namespace of its ends."""
        if any(row[f"{end}.address"].startswith(self._prefixes) for end in ("client", "service", "server")):
            return True
        return any(row.get(f"{side}.netns.id") in self._inodes for side in ("client", "server"))
