"""However a run of tests ends, nothing that it started for the virtual machine stays."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.eventually import eventually
from tests.vm.machine import ROOT, kept

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a PID namespace")

#: Starts one more in the background, as the emulator's wrapper does.
COMMAND: Final = ("sh", "-c", "sleep 1000 & echo started; exec sleep 1000")
TESTS: Final = f"""
import pathlib, signal, sys
from tests.vm.machine import kept
with kept({COMMAND}, pathlib.Path(sys.argv[1]), 0):
    signal.pause()
"""


def descendants(process_id: int) -> list[int]:
    """All below a process, the process left out."""
    found = []
    for task in Path("/proc", str(process_id), "task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *descendants(child)]
    return found


def assert_ended(watched: list[int]) -> None:
    """Each of these processes (pidfds) ends."""
    for descriptor in watched:
        assert select.select([descriptor], [], [], 20)[0]
        os.close(descriptor)


def started(process_id: int, console: Path) -> list[int]:
    """Pidfds of all that a process started, once the command is there: two sleeps at least."""
    asyncio.run(eventually(lambda: console.exists() and "started" in console.read_text()))
    processes = descendants(process_id)
    assert len(processes) >= 2, processes
    return [os.pidfd_open(one) for one in processes]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_machine_ends_with_the_tests(number: signal.Signals, tmp_path: Path) -> None:
    """Also when they are killed, and all that it started."""
    console = tmp_path / "console"
    with subprocess.Popen(
        [sys.executable, "-c", TESTS, console], cwd=ROOT, stderr=subprocess.DEVNULL
    ) as tests:
        watched = started(tests.pid, console)
        tests.send_signal(number)
    assert_ended(watched)


def test_the_machine_ends_with_the_block(tmp_path: Path) -> None:
    """Tests that end early do not wait for it; it was behind all others for the processor."""
    console, niceness = tmp_path / "console", min(19, os.nice(0) + 15)
    with kept(COMMAND, console, 15) as process:
        watched = started(process.pid, console)
        assert {os.getpriority(os.PRIO_PROCESS, one) for one in descendants(process.pid)} == {niceness}
        assert Path(f"/proc/{process.pid}/autogroup").read_text().endswith(" nice 15\n")
    assert_ended(watched)
