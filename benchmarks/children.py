"""Child processes: started with a sign that they are ready, ended by their pid, never left behind."""

import contextlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import IO, Final, TypeVar

from model.errors import TailraceError

READY_SECONDS: Final = 60.0
END_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.05

Child = subprocess.Popen[bytes]
_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")


def find(program: str, package: str) -> str:
    """The path of an installed program, also of those that only root's search path leads to.

    :raises TailraceError: if it is missing, with the package that has it.
    """
    found = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if found is None:
        raise TailraceError(f"{program} is missing", f"apt-get install {package}")
    return found


@contextlib.contextmanager
def running(
    command: Sequence[str | Path],
    *,
    ready: Callable[[Child], bool],
    output: int | IO[bytes] = subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
    end: signal.Signals = signal.SIGTERM,
) -> Iterator[Child]:
    """A process that runs while the block does; ``setpriv`` has the kernel end it if we are killed.

    :param end: the signal that it takes as the wish to leave in good order.
    :raises TailraceError: if it ends early or is not ready in time, with what it said.
    """
    guarded = ["setpriv", "--pdeathsig", "TERM", *command]
    env = {**os.environ, **(environment or {})}
    with tempfile.TemporaryFile() as complaints:
        child = subprocess.Popen(guarded, stdin=subprocess.DEVNULL, stdout=output, stderr=complaints, env=env)
        try:
            _await(child, ready, complaints)
            yield child
        finally:
            _stop(child, end)


def _await(child: Child, ready: Callable[[Child], bool], complaints: IO[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not ready(child):
        if child.poll() is not None or time.monotonic() > deadline:
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip().splitlines()
            what = f"{_name(child)} did not start"
            raise TailraceError(what, said[-1] if said else f"exit code {child.returncode}")
        time.sleep(_LOOK_SECONDS)


def _name(child: Child) -> str:
    assert isinstance(child.args, list)
    return Path(child.args[3]).name


def _stop(child: Child, end: signal.Signals) -> None:
    if child.poll() is None:
        child.send_signal(end)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(END_SECONDS)
    child.kill()
    child.wait()


def holds(*names: str) -> Callable[[Child], bool]:
    """A sign of being ready: the process holds a descriptor with one of these names, as /proc shows them."""

    def holding(child: Child) -> bool:
        return any(name in target for target in _descriptors(child.pid) for name in names)

    return holding


def holds_uprobes(child: Child) -> bool:
    """Whether the process has probes in files: links, or perf events where the kernel has no such links."""
    for entry in Path(f"/proc/{child.pid}/fdinfo").glob("*"):
        with contextlib.suppress(OSError):
            if "uprobe_multi" in entry.read_text():
                return True
    return holds("[perf_event]")(child)


def _descriptors(pid: int) -> Iterator[str]:
    for entry in Path(f"/proc/{pid}/fd").glob("*"):
        with contextlib.suppress(OSError):
            yield str(entry.readlink())


def alone(function: Callable[[_Argument], _Result], argument: _Argument) -> _Result:
    """The result of a function in a fresh process, whose memory no other figure has left in disorder."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(function, argument).result()


def alone_beside(
    function: Callable[[_Argument], _Result], argument: _Argument, meanwhile: Callable[[], None]
) -> _Result:
    """As ``alone``; ``meanwhile`` is done here while it runs."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        result = process.submit(function, argument)
        meanwhile()
        return result.result()


def finish(
    command: Sequence[str | Path], seconds: float, environment: Mapping[str, str] | None = None
) -> str:
    """What a program that ends by itself prints.

    :raises TailraceError: if it fails or takes longer than ``seconds``.
    """
    env = {**os.environ, **(environment or {})}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True, env=env)
    except subprocess.TimeoutExpired as error:
        raise TailraceError(f"{Path(command[0]).name} took longer than {seconds:g} s") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().splitlines()
        what = f"{Path(command[0]).name} failed"
        raise TailraceError(what, said[-1] if said else f"exit code {error.returncode}") from error
    return done.stdout
