"""The kind: a program that is executed by a link of the kernel (``/proc/self/exe``, a descriptor), not by path."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.beds.watch import DEADLINE_SECONDS, Watch
from tests.field.services import listener

pytestmark = pytest.mark.kernel

#: How the client executes itself a second time.
EXECUTE = {
    "itself": "os.execv('/proc/self/exe', names)",
    "a descriptor": "os.execve(os.open(sys.executable, os.O_RDONLY), names, os.environ)",
}
CLIENT = """
import os, socket, sys
if sys.argv[1] == "first":
    names = [sys.executable, sys.argv[0], "second", sys.argv[2]]
    {execute}
talking = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
while talking.recv(6):
    talking.sendall(b"hello")
"""


@pytest.mark.parametrize("execute", EXECUTE.values(), ids=EXECUTE.keys())
def test_the_program_is_named_and_not_the_link(tmp_path: Path, execute: str) -> None:
    """While the process lives its rows come to name what it really runs; none names the link."""
    client = tmp_path / "client.py"
    client.write_text(CLIENT.format(execute=execute))
    program = str(Path(sys.executable).resolve())
    with Watch.started(tmp_path / "rows.jsonl") as watch, listener("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with subprocess.Popen([sys.executable, str(client), "first", str(port)]) as talking:
            accepted, _ = listening.accept()
            accepted.settimeout(DEADLINE_SECONDS)
            with accepted:
                named = paths_of(watch, port)

                def known() -> bool:
                    accepted.sendall(b"hello\n")
                    assert accepted.recv(5, 0x100) == b"hello"  # MSG_WAITALL
                    return program in named()

                watch.await_that(known)
            assert talking.wait(DEADLINE_SECONDS) == 0
        assert named() == {program} | (named() & {""})


def paths_of(watch: Watch, port: int) -> "Callable[[], set[str]]":
    """Asks what the rows of a service's clients have as their executable; empty where it is not known."""

    def paths() -> set[str]:
        rows: list[dict[str, Any]] = [
            row for row in watch.told() if row["kind"] == "flow" and row["service.port"] == port
        ]
        return {row.get("client.entity", {}).get("process.executable.path", "") for row in rows}

    return paths
