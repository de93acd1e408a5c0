"""The kind: signals that end a program which says nothing of them, and a terminal that is closed."""

import fcntl
import os
import pty
import signal
import termios
from pathlib import Path

import pytest

from tests.beds.watch import DEADLINE_SECONDS
from tests.field.program import compiling_anew, running

pytestmark = pytest.mark.kernel


def test_a_hangup_ends_nothing_and_the_state_is_told(tmp_path: Path) -> None:
    """SIGHUP and SIGUSR1, while it starts and later: it runs on, and says rates, queues, losses and probes."""
    out = tmp_path / "out.jsonl"
    with running(tmp_path / "errors", "run", "--sink", f"jsonl:{out}", "--log-level", "error") as tailrace:
        for number in (signal.SIGHUP, signal.SIGUSR1):
            tailrace.await_caught(number)
            tailrace.process.send_signal(number)
        tailrace.await_file(out)
        for number in (signal.SIGHUP, signal.SIGUSR1):
            tailrace.process.send_signal(number)
        tailrace.await_said("probe socket states: tracepoint inet_sock_set_state")
        tailrace.process.send_signal(signal.SIGTERM)
        assert tailrace.process.wait(DEADLINE_SECONDS) == 0
        lines = tailrace.said.splitlines()
    assert all(" INFO engine.state: " in line for line in lines)
    said = [line.partition(" INFO engine.state: ")[2] for line in lines]
    (actor,) = (line for line in said if line.startswith("actor joiner: "))
    assert actor.endswith(" items wait")
    (sink,) = (line for line in said if line.startswith("sink jsonl: "))
    assert " rows/s in, " in sink
    assert "lost: nothing" in said


@pytest.mark.parametrize(
    ("command", "number", "code", "said"),
    [
        (("run",), signal.SIGTERM, 0, ""),
        (("run",), signal.SIGINT, 0, ""),
        (("record", "rec.tlr"), signal.SIGTERM, 1, "rec.tlr was not begun"),
        (("selftest", "--quick"), signal.SIGINT, 130, ""),
    ],
)
def test_an_end_is_obeyed_while_programs_compile(
    tmp_path: Path, command: tuple[str, ...], number: signal.Signals, code: int, said: str
) -> None:
    """The compiler is stopped, so that it never answers: what ends does not wait for it, and takes it along."""
    environment = os.environ | compiling_anew(tmp_path)
    with running(tmp_path / "errors", *command, cwd=tmp_path, env=environment) as tailrace:
        compiler = tailrace.await_child("compiler.py")
        os.kill(compiler, signal.SIGSTOP)
        tailrace.process.send_signal(number)
        assert tailrace.process.wait(DEADLINE_SECONDS) == code
        assert not Path(f"/proc/{compiler}").exists()
        assert "Traceback" not in tailrace.said
        assert said in tailrace.said


def test_a_terminal_that_is_closed_ends_what_was_shown_there(tmp_path: Path) -> None:
    """Nobody is left who reads: it ends as behind a pipe whose reader left, and does not run on unseen."""
    screen, program = pty.openpty()

    def control() -> None:
        os.setsid()
        fcntl.ioctl(program, termios.TIOCSCTTY, 0)

    with running(tmp_path / "errors", "run", stdin=program, stdout=program, preexec_fn=control) as tailrace:
        os.close(program)
        while b" " not in os.read(screen, 1 << 16):  # the first table, or line
            tailrace.alive()
        os.close(screen)
        assert tailrace.process.wait(DEADLINE_SECONDS) == 0
        assert "Traceback" not in tailrace.said
