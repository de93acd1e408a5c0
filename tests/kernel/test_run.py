"""``tailrace run`` as its user runs it: a process with a command line, signals and exit codes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.beds.processes import read_log
from tests.kernel.loopback import unanswered, until
from tests.unprivileged import unprivileged

TAILRACE = str(Path(sys.executable).parent / "tailrace")
DEADLINE = 30.0

pytestmark = pytest.mark.kernel

Start = Callable[..., "subprocess.Popen[str]"]


def wait_for_first_second(path: Path, process: "subprocess.Popen[str]") -> None:
    """Returns when a window has been written: by then every hook is attached."""
    deadline = time.monotonic() + DEADLINE
    while not read_log(path):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "nothing was written"
        time.sleep(0.02)


def talk(sizes: tuple[int, int]) -> tuple[int, int]:
    """One connection on loopback that moves so many bytes each way; returns its two ports."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        with client, accepted:
            for source, target, size in ((client, accepted, sizes[0]), (accepted, client, sizes[1])):
                source.sendall(bytes(size))
                left = size
                while left:
                    left -= len(target.recv(left))
            return client.getsockname()[1], server.getsockname()[1]


def test_sigterm_flushes_the_last_second(start: Start, tmp_path: Path) -> None:
    """A connection made just before SIGTERM is in the file, with its bytes and owner; it ends within 2 s."""
    out = tmp_path / "out.jsonl"
    process = start("run", "--stage", "deltas", "--sink", f"jsonl:{out}")
    wait_for_first_second(out, process)
    client, server = talk((1234, 4321))
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE) == 0
    assert time.monotonic() - asked < 2
    rows = [row for row in read_log(out) if row["kind"] == "delta"]
    ours = {row["network.local.port"]: row for row in rows if row["network.local.port"] in (client, server)}
    assert (ours[client]["tx_bytes"], ours[client]["rx_bytes"]) == (1234, 4321)
    assert (ours[server]["tx_bytes"], ours[server]["rx_bytes"]) == (4321, 1234)
    assert {row["process.pid"] for row in ours.values()} == {os.getpid()}
    assert {row["connection.role"] for row in ours.values()} == {"client", "server"}


def test_a_connection_that_is_long_in_opening_is_one(start: Start, tmp_path: Path) -> None:
    """Told of while its peer does not answer yet, it is the same connection afterwards, and both ends are in it."""
    out = tmp_path / "out.jsonl"
    process = start("run", "--sink", f"jsonl:{out}")
    wait_for_first_second(out, process)
    with unanswered() as (listener, client):
        port, service = client.getsockname()[1], listener.getsockname()[1]
        assert until(lambda: bool(flows_from(out, port)))
        listener.accept()[0].close()
        with listener.accept()[0]:
            assert until(lambda: any(row.get("connection.opened") for row in flows_from(out, port)))
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE) == 0
    rows = flows_from(out, port)
    assert len({row["connection.id"] for row in rows}) == 1
    assert rows[-1]["evidence"] == "both"
    assert [row for row in flows_from(out, 0) if row["service.port"] == service] == []


def flows_from(path: Path, port: int) -> list[dict[str, Any]]:
    """Rows of flows whose client has this port."""
    return [row for row in read_log(path) if row["kind"] == "flow" and row["client.port"] == port]


def test_the_last_ledger_balances_and_shows_no_loss(start: Start, tmp_path: Path) -> None:
    """Everything that was made came out."""
    out = tmp_path / "out.jsonl"
    process = start("run", "--sink", f"jsonl:{out}", "--duration", "2")
    wait_for_first_second(out, process)
    for _ in range(50):
        talk((10, 10))
    assert process.wait(DEADLINE) == 0
    stages = [line["stages"] for line in read_log(out) if line["kind"] == "ledger"][-1]
    assert stages["kernel"]["received"] >= 100
    assert all(stage["balanced"] for stage in stages.values())
    assert sum(sum(stage["dropped"].values()) for stage in stages.values()) == 0


def test_a_second_signal_ends_at_once(start: Start, tmp_path: Path) -> None:
    """Whoever asks twice does not wait for the flush."""
    out = tmp_path / "out.jsonl"
    process = start("run", "--sink", f"jsonl:{out}")
    wait_for_first_second(out, process)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    assert process.wait(DEADLINE) == 130


def test_console_is_plain_when_not_a_terminal(start: Start) -> None:
    """Into a pipe goes text without escape codes, a summary line each second."""
    process = start("run", "--duration", "2.5")
    output, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, errors
    assert "\x1b" not in output
    assert sum(" summary rows=" in line for line in output.splitlines()) >= 2


def test_a_reader_that_leaves_ends_the_program_quietly(start: Start) -> None:
    """``tailrace run | head -1`` ends, without complaint."""
    process = start("run")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(DEADLINE) == 0
    assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "complaint"),
    [
        (("run", "--sink", "nope"), {}, 2, "unknown sink 'nope': installed sinks: "),
        (("run", "--sink", "jsonl:/nonexistent/x"), {}, 2, "sink jsonl: cannot open /nonexistent/x"),
        (("run", "--config", "/nonexistent.yaml"), {}, 2, "No such file"),
        (("run",), {"TAILRACE_TCP_SLOTS": "many"}, 2, "`$.tcp.slots`"),
        (("run", "--duration", "-1"), {}, 2, "no positive number of seconds"),
        (("run",), {"TAILRACE_METRICS_LISTEN": "9464"}, 2, "write address:port"),
    ],
)
def test_what_cannot_be_is_one_line(
    start: Start, arguments: tuple[str, ...], environment: dict[str, str], code: int, complaint: str
) -> None:
    """Bad input ends with the documented exit code and one line that says what to do."""
    process = start(*arguments, env=os.environ | environment)
    _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == code
    assert complaint in errors.splitlines()[-1]
    assert "Traceback" not in errors


def test_without_capabilities_it_says_so() -> None:
    """Who has none is told to become root, in one line."""
    command = [*unprivileged(), TAILRACE, "run", "--duration", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 1
    assert "root" in done.stderr
    assert "Traceback" not in done.stderr
