"""The kind: a recording that is damaged, cut, none at all, or comes through a pipe."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.beds.watch import DEADLINE_SECONDS, TAILRACE
from tests.field.program import RECORDINGS, complaint, ended, running

GOOD = RECORDINGS / "long.tlr"
TO_OUTPUT = ("--speed", "max", "--stage", "deltas", "--sink", "jsonl:-")


def flipped(data: bytes, place: int) -> bytes:
    """With one byte changed."""
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


WHOLE = GOOD.read_bytes()
DAMAGED = {
    "empty": (b"", "it is no recording: make one with `tailrace record`"),
    "text": (b"host\n", "it is no recording: make one with `tailrace record`"),
    "magic": (WHOLE[:8], "it is cut short in its header"),
    "header": (WHOLE[:40], "it is cut short in its header"),
    "flipped_header": (flipped(WHOLE, 60), "its header is damaged ("),
    "flipped_record": (flipped(WHOLE, len(WHOLE) // 2), "a record is damaged ("),
    "zeros": (WHOLE[:8] + bytes(4096), "its header is damaged ("),
}


@pytest.mark.parametrize("pipe", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("kind", DAMAGED)
def test_a_recording_that_cannot_be_replayed_is_named(tmp_path: Path, kind: str, *, pipe: bool) -> None:
    """One line, with the file's name and what is wrong with it; exit code 1."""
    data, said = DAMAGED[kind]
    file = tmp_path / "r.tlr"
    file.write_bytes(data)
    with file.open() as input_:
        name = "-" if pipe else str(file)
        code, line = complaint(ended("replay", name, *TO_OUTPUT, stdin=input_))
    assert code == 1
    assert line.startswith(f"cannot replay {name}: {said}")


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_a_pipe_is_replayed_as_a_file_is(name: str) -> None:
    """The same rows, to the byte."""
    through = subprocess.run(
        [TAILRACE, "replay", name, *TO_OUTPUT],
        input=WHOLE,
        capture_output=True,
        check=True,
        timeout=DEADLINE_SECONDS,
    )
    whole = ended("replay", str(GOOD), *TO_OUTPUT)
    assert through.stdout.decode() == whole.stdout != ""


def test_a_pipe_that_gives_nothing_more_keeps_nobody_waiting(tmp_path: Path) -> None:
    """SIGTERM ends it while it waits for the rest of a record."""
    reader, writer = os.pipe()
    os.write(writer, WHOLE[:-40])
    out = tmp_path / "rows"
    with running(
        tmp_path / "errors", "replay", "-", "--speed", "max", "--sink", f"jsonl:{out}", stdin=reader
    ) as one:
        os.close(reader)
        one.await_file(out)
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(DEADLINE_SECONDS) == 0
        assert "Traceback" not in one.said
    os.close(writer)
