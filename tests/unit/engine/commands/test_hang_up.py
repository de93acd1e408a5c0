"""A terminal that goes away ends the program, also where the kernel sends it no signal."""

import os
import pty
import signal
import subprocess
import sys
import time
from typing import Final

PROGRAM: Final = """
import asyncio, signal
from engine.commands.top.app import TopApp

async def show():
    app = TopApp()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, app.exit)
    await app.run_async()

asyncio.run(show())
"""
#: Ample for a busy machine; what hung did so forever.
SECONDS: Final = 60


def test_a_terminal_that_is_gone_ends_top() -> None:
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,  # and no controlling terminal: no signal comes when it goes
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"},
    )
    os.close(terminal)
    try:
        assert b"Connections" in _drawn(screen)
        os.close(screen)
        process.wait(SECONDS)
    finally:
        process.kill()
        process.wait()
    assert process.returncode in (0, -signal.SIGHUP)


def _drawn(screen: int) -> bytes:
    """What was drawn until the tabs are there."""
    text, end = b"", time.monotonic() + SECONDS
    while b"Connections" not in text and time.monotonic() < end:
        text += os.read(screen, 65536)
    return text
