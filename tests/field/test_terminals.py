"""The kind: output that takes no escape codes, or has no size."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from model.kinds.delta import DELTA
from sinks.console.sink import ConsoleConfig, ConsoleSink
from tailrace.testing.deltas import make_deltas
from tests.beds.watch import TAILRACE


@contextmanager
def terminal(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    """A pseudo-terminal: what a person sees, and the side that programs write to."""
    screen, program = pty.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    try:
        yield screen, program
    finally:
        os.close(program)
        os.close(screen)


async def shown(rows: int, columns: int) -> bytes:
    """What one second looks like on such a terminal."""
    with terminal(rows, columns) as (screen, program):
        sink = ConsoleSink(ConsoleConfig(rows=3), program, wait_seconds=30)
        await sink.open((DELTA,))
        await sink.write(make_deltas(10))
        await sink.close()
        return os.read(screen, 1 << 16)


@pytest.mark.parametrize("name", ["dumb", "unknown", ""])
async def test_a_terminal_without_a_cursor_gets_plain_lines(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Where TERM says that escape codes mean nothing, none are written, and the rows are there all the same."""
    monkeypatch.setenv("TERM", name)
    text = await shown(24, 80)
    assert b"\x1b" not in text
    assert b" summary rows=10 " in text


@pytest.mark.parametrize("name", ["dumb", "unknown", ""])
def test_a_full_screen_without_a_cursor_is_refused(name: str) -> None:
    """One line says what to do, and no escape code is written."""
    with terminal(24, 80) as (screen, program):
        command, environment = [TAILRACE, "top"], os.environ | {"TERM": name}
        done = subprocess.run(
            command, check=False, env=environment, stdin=program, stdout=program, stderr=program
        )
        said = os.read(screen, 1 << 16)
    assert done.returncode == 2
    assert said.startswith(
        f"tailrace: top needs a terminal that moves its cursor, and TERM is {name!r}".encode()
    )
    assert (said.count(b"\n"), b"\x1b" in said) == (1, False)


async def test_a_terminal_without_a_size_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pseudo-terminal of 0 columns, as tools make them, cannot be drawn on."""
    monkeypatch.setenv("TERM", "xterm")
    text = await shown(0, 0)
    assert b"\x1b" not in text
    assert b" summary rows=10 " in text


async def test_no_color_leaves_the_colors_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR the table is still redrawn in place, in one color; without it there are colors."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert b"\x1b[1m" in await shown(24, 80)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = await shown(24, 80)
    assert plain.startswith(b"\x1b[H\x1b[2J")
    assert b"m" not in plain.split(b"\x1b[", 3)[3].split(b"\x1b")[0][:3]
    assert not [
        code for code in plain.split(b"\x1b[")[1:] if code.split(b"m")[0].replace(b";", b"").isdigit()
    ]
