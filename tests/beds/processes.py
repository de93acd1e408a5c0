"""Clients and servers of a bed as their caller has them; they end with the block that started them."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
#: Clients and servers need its standard library only, so that a container can have it.
PYTHON: Final = "/usr/bin/python3"
END_SECONDS: Final = 10.0


#: Files that are read on where the last look ended.
_MOST_LOGS: Final = 4


@dataclass
class _Log:
    """What was read of a file.

    :param inode: of the file.
    :param offset: behind its last whole line.
    """

    inode: int
    offset: int
    rows: list[dict[str, Any]]


_logs: dict[Path, _Log] = {}


def read_log(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a JSON-lines file that is being written; only those are parsed that are new."""
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            log = _logs.pop(path, None)
            if log is None or log.inode != state.st_ino or log.offset > state.st_size:
                log = _Log(state.st_ino, 0, [])
            file.seek(log.offset)
            whole, newline, _ = file.read().rpartition(b"\n")
    except FileNotFoundError:
        return []
    log.offset += len(whole) + len(newline)
    log.rows += map(json.loads, whole.splitlines())
    _logs[path] = log
    if len(_logs) > _MOST_LOGS:
        del _logs[next(iter(_logs))]
    return list(log.rows)


@contextlib.contextmanager
def running(command: Sequence[str]) -> Iterator["subprocess.Popen[str]"]:
    """A process that ends with its standard input; it is killed if it does not."""
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        yield process
    finally:
        with contextlib.suppress(BrokenPipeError, subprocess.TimeoutExpired):
            assert process.stdin is not None
            process.stdin.close()
            process.wait(END_SECONDS)
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def answer(process: "subprocess.Popen[str]") -> str:
    """The next line that it says.

    :raises RuntimeError: if it ended instead.
    """
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        raise RuntimeError(f"{process.args!r} ended with {process.wait()}")
    return line


class Server:
    """A server and its log."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def lines(self) -> list[dict[str, Any]]:
        """The connections that are over."""
        return read_log(self.log)

    @classmethod
    @contextlib.contextmanager
    def started(
        cls, prefix: Sequence[str], log: Path, ports: Sequence[int], dual: bool = False
    ) -> Iterator["Server"]:
        """Listening.

        :param prefix: the beginning of a command line that runs in the namespace.
        """
        families = "dual" if dual else "separate"
        program = [PYTHON, "-m", "tests.beds.server", str(log), ",".join(map(str, ports)), families]
        with running([*prefix, *program]) as process:
            assert answer(process) == "ready"
            yield cls(log)


class Client:
    """A client and its log."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self._process = process
        self.log = log

    @classmethod
    @contextlib.contextmanager
    def started(cls, prefix: Sequence[str], log: Path) -> Iterator["Client"]:
        """Ready for orders."""
        with running([*prefix, PYTHON, "-m", "tests.beds.client", str(log)]) as process:
            yield cls(process, log)

    def call(self, scene: str, address: str, port: int, count: int, hold: bool = False) -> None:
        """Make connections; returns when they are over, or held open after their first round."""
        self._order(scene=scene, address=address, port=port, count=count, hold=hold)

    def again(self) -> None:
        """Another round on each of those that are held."""
        self._order(again=True)

    def release(self) -> None:
        """End those that are held, after a last round."""
        self._order(release=True)

    def end(self) -> None:
        """The process is gone, and so are those that it held."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(END_SECONDS)

    def _order(self, **order: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        assert answer(self._process) == "done"

    def lines(self) -> list[dict[str, Any]]:
        """The connections that are over."""
        return read_log(self.log)
