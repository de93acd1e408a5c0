"""Executions of programs are seen, with what they were called with, however short the process lives."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from probes.kernel.layout import structs
from tests.declared import KIND
from tests.kernel.loopback import Seen, until
from tests.kernel.started import Probes

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def probe() -> Iterator[Probes]:
    """A probe for all tests here."""
    probe = Probes(slots=64, ring_bytes=1 << 20)
    probe.start()
    yield probe
    probe.close()


def executions(seen: Seen, pid: int) -> np.ndarray:
    """``struct exec_event`` rows of a process."""
    events = seen.drain()
    rows = events[events["header"]["kind"] == KIND["KIND_EXEC"]]
    events = np.ascontiguousarray(rows).view(structs("process")["exec_event"])
    mine: np.ndarray = events[events["pid"] == pid]
    return mine


def run(seen: Seen, *command: str, count: int = 1) -> np.ndarray:
    """Runs a program to its end; the executions of its process."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    process.wait()
    assert until(lambda: len(executions(seen, process.pid)) >= count)
    return executions(seen, process.pid)


def test_an_execution_has_path_arguments_user_and_times(seen: Seen) -> None:
    """A process that is long gone has its executable, its arguments, its user, and when it began."""
    before = time.monotonic_ns()
    (event,) = run(seen, "/bin/true", "--first", "second argument")
    assert event["executable"] == b"/bin/true"
    assert event["arguments"] == b"/bin/true\0--first\0second argument"
    assert event["arguments_bytes"] == len("/bin/true --first second argument ")
    assert event["uid"] == os.getuid()
    assert before <= event["started_ns"] <= event["header"]["at_ns"] <= time.monotonic_ns()


def test_long_arguments_are_cut_and_say_how_long_they_were(seen: Seen) -> None:
    """As much as fits is there, and the length tells that it is not all."""
    (event,) = run(seen, "/bin/true", "x" * 5000)
    assert event["arguments"] == (b"/bin/true\0" + b"x" * 128)[:128]
    assert event["arguments_bytes"] == len("/bin/true ") + 5001


def test_a_script_is_its_interpreter(seen: Seen, tmp_path: Path) -> None:
    """The executable is what runs; the script is among its arguments."""
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    (event,) = run(seen, str(script), "one")
    assert event["executable"] == b"/bin/sh"
    assert event["arguments"].split(b"\0") == [b"/bin/sh", os.fsencode(script), b"one"]


def test_a_process_that_executes_twice_is_seen_twice(seen: Seen) -> None:
    """Each program has its event, in order, with the beginning of the same process."""
    first, second = run(seen, "/bin/sh", "-c", "exec /bin/echo again >/dev/null", count=2)
    assert (first["executable"], second["executable"]) == (b"/bin/sh", b"/bin/echo")
    assert first["started_ns"] == second["started_ns"]
    assert first["header"]["at_ns"] < second["header"]["at_ns"]


def test_a_failed_execution_is_none(seen: Seen) -> None:
    """What the kernel refused to execute leaves the process what it was."""
    (event,) = run(seen, "/usr/bin/env", "/nonexistent/program")
    assert event["executable"] == b"/usr/bin/env"
