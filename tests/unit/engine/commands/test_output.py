"""Commands that show until they are told to stop do stop."""

import signal
import subprocess
import sys

import pytest

_PROGRAM = """
import asyncio, contextlib, os, sys
from engine.commands.output import UnbufferedOutput

async def work():
    asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), int(sys.argv[1]))
    with contextlib.suppress(asyncio.CancelledError):  # as asyncio.wait_for of Python 3.11 may
        await asyncio.sleep(60)
    await asyncio.sleep(60)

UnbufferedOutput().run(work())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_work_that_took_no_notice_of_it(number: int) -> None:
    """The cancellation is repeated: 0, and not a word, long before the work's minute is over."""
    command = [sys.executable, "-c", _PROGRAM, str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
