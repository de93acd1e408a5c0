"""The first command of the README, as it stands there."""

import os
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).parents[2]


def _call_until(seen: threading.Event) -> None:
    """One connection after another, on which a byte is sent, until one is seen."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        while not seen.wait(0.1):
            with socket.create_connection(server.getsockname()) as client:
                accepted, _ = server.accept()
                with accepted:
                    client.sendall(b"x")
                    accepted.recv(1)


def test_make_run_shows_connections() -> None:
    """It says what opens, and who calls whom, until Ctrl-C ends it."""
    command = re.search(r"```\nsudo (make run)\n```", (ROOT / "README.md").read_text())
    assert command is not None
    process = subprocess.Popen(
        command[1].split(), cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    seen, pid = threading.Event(), os.getpid()
    calling = threading.Thread(target=_call_until, args=(seen,))
    calling.start()
    try:
        assert process.stdout is not None
        found = next((line for line in process.stdout if re.search(rf"/{pid} .* -> .*/{pid} ", line)), "")
    finally:
        seen.set()
        calling.join()
        os.killpg(process.pid, signal.SIGINT)
        process.wait()
    assert found
