"""``tailrace run`` keeps what it sees and serves it as a map."""

import contextlib
import json
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.beds.watch import DEADLINE_SECONDS as DEADLINE
from tests.kernel.test_run import TAILRACE, talk

pytestmark = pytest.mark.kernel

CONNECTIONS = 20


def ask(url: str, question: str) -> dict[str, Any]:
    """The data of an answer."""
    with urllib.request.urlopen(f"{url}/api/v1/{question}", timeout=DEADLINE) as response:
        return dict(json.load(response)["data"])


def test_connections_of_this_machine_are_on_the_map_that_run_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is counted once, between the processes that had it; afterwards the store can be asked without it."""
    for name, value in {
        "STORE_ENABLED": "on",
        "STORE_PATH": str(tmp_path / "store"),
        "WEB_LISTEN": "127.0.0.1:0",
    }.items():
        monkeypatch.setenv(f"TAILRACE_{name}", value)
    command = [TAILRACE, "run", "--sink", f"jsonl:{tmp_path / 'rows'}"]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(process.kill)
        assert process.stderr is not None
        said = process.stderr.readline()
        assert said.startswith("tailrace: the map is at http://127.0.0.1:"), said
        url = said.split()[-1]
        _await_first_second(url)
        ports = {talk((1000, 3000))[1] for _ in range(CONNECTIONS)}
        found = _await(url, ports)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    assert sum(edge["opened"] for edge in found) == CONNECTIONS
    assert (sum(edge["bytes"] for edge in found), sum(edge["reply_bytes"] for edge in found)) == (
        1000 * CONNECTIONS,
        3000 * CONNECTIONS,
    )
    assert {edge["status"] for edge in found} == {"ok"}
    done = subprocess.run(
        [TAILRACE, "edges", "--limit", "10000", "--from", "10m", "-o", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = json.loads(done.stdout)["data"]["rows"]
    assert {row["edge"]["port"] for row in rows} >= ports


def _await_first_second(url: str) -> None:
    """Until something is kept: hooks are attached by then."""
    deadline = time.monotonic() + DEADLINE
    while not ask(url, "edges?from=10m")["of"]:
        talk((1, 1))
        assert time.monotonic() < deadline, "nothing was kept"
        time.sleep(0.1)


def _await(url: str, ports: set[int]) -> list[dict[str, Any]]:
    """The edges of these ports, once all are there."""
    deadline = time.monotonic() + DEADLINE
    while True:
        rows = ask(url, "edges?from=10m&limit=10000")["rows"]
        found = [dict(row["edge"]) for row in rows if row["edge"]["port"] in ports]
        if sum(edge["closed"] for edge in found) >= CONNECTIONS:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
