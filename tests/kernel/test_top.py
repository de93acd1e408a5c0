"""``tailrace top`` on a real terminal, with the kernel's connections."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kernel.loopback import connect, listening
from tests.terminal import on_terminal

pytestmark = pytest.mark.kernel

TAILRACE = Path(sys.executable).parent / "tailrace"


@contextmanager
def talk() -> Iterator[int]:
    """A connection that carries bytes all the time; its server's port."""
    stop = threading.Event()
    with listening() as listener:
        connection = connect(listener)

        def exchange() -> None:
            while not stop.wait(0.1):
                connection.client.sendall(b"x")
                assert connection.server.recv(1) == b"x"

        thread = threading.Thread(target=exchange)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            thread.join()
            connection.client.close()
            connection.server.close()


def test_it_shows_this_machine_and_ends_when_it_is_left() -> None:
    """A connection is there, opens with all it says, and another filter hides it; Ctrl+Q ends it from anywhere."""
    with (
        talk() as port,
        on_terminal([TAILRACE, "top", "--page", "connections", f"port:{port}"]) as terminal,
    ):
        assert terminal.shows("flows 1 of "), terminal.text
        terminal.press("\r")
        assert terminal.shows("process.pid"), terminal.text
        terminal.press("q")
        assert terminal.shows("flows 1 of "), terminal.text
        terminal.press("/ failed>0")
        assert terminal.shows("flows 0 of "), terminal.text
        terminal.press("\x11")
        assert terminal.ends() == 0
        assert "Traceback" not in terminal.text


def test_it_says_what_it_needs_in_a_pipe() -> None:
    """Without a terminal: one line, and the exit code of wrong usage."""
    ended = subprocess.run([TAILRACE, "top"], capture_output=True, stdin=subprocess.DEVNULL, check=False)
    assert ended.returncode == 2
    assert ended.stderr.decode().splitlines() == [
        "tailrace: top needs a terminal: use tailrace run, or tailrace observe -f, in pipes and files"
    ]
