"""The kind: standard input, output or error that is closed, full, or left by its reader."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.beds.watch import DEADLINE_SECONDS, TAILRACE

HERE = Path(__file__).parent
SAID = (["--help"], ["--version"], ["run", "--help"], ["plugins"], ["plugins", "-o", "json"])
#: How it is redirected, what standard error begins with, and the exit code.
OUTPUTS = {
    ">&-": ("tailrace: cannot write to standard output (Bad file descriptor): make room", 1),
    ">/dev/full": ("tailrace: cannot write to standard output (No space left on device): make room", 1),
    "2>&-": ("", 0),
    "2>/dev/full": ("", 0),
    "<&-": ("", 0),
    "| head -1": ("", 0),
    "| true": ("", 0),
    ">&- 2>&- <&-": ("", 1),
}


def run(arguments: list[str], redirection: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Tailrace as a shell starts it."""
    line = f'set -o pipefail; "$@" {redirection}'
    command = ["bash", "-c", line, "bash", TAILRACE, *arguments]
    settings = os.environ | {"PYTHONUNBUFFERED": ""} | environment
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=settings, timeout=DEADLINE_SECONDS
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("redirection", OUTPUTS)
@pytest.mark.parametrize("arguments", SAID, ids=" ".join)
def test_what_cannot_be_printed_is_one_line_and_exit_code_1(
    arguments: list[str], redirection: str, unbuffered: str
) -> None:
    """A reader that left is no failure, and what cannot be told on standard error changes nothing."""
    said, code = OUTPUTS[redirection]
    ended = run(arguments, redirection, PYTHONUNBUFFERED=unbuffered)
    assert (ended.returncode, ended.stderr.count("\n")) == (code, 1 if said else 0)
    assert ended.stderr.startswith(said)


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", ">&- 2>&- <&-"])
@pytest.mark.parametrize(("arguments", "code"), [(["nonsense"], 2), (["replay", "/nonexistent"], 1)])
def test_an_error_that_cannot_be_told_keeps_its_exit_code(
    arguments: list[str], code: int, redirection: str
) -> None:
    """Usage is 2, failure 1, wherever standard error leads."""
    ended = run(arguments, redirection)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "", "")


def test_a_file_is_never_standard_output(tmp_path: Path) -> None:
    """With the descriptors 0 to 2 closed, the first files that are opened have other numbers, children's too."""
    look = (
        "import os, subprocess, sys; subprocess.run(['/bin/echo', 'to nobody'], stderr=2); print('to nobody')"
    )
    program = f"""if True:
        from tailrace import standard_streams
        standard_streams.provide()
        file = open({str(tmp_path / "file")!r}, "w")
        file.write(str(file.fileno()))
        file.flush()
        {look}
    """
    (tmp_path / "program").write_text(program)
    line = '"$0" "$1" <&- >&- 2>&-'
    subprocess.run(["bash", "-c", line, sys.executable, str(tmp_path / "program")], check=False, cwd=HERE)
    assert int((tmp_path / "file").read_text()) > 2


def test_ascii_output_gets_a_question_mark_for_what_it_lacks() -> None:
    """No error of an encoder, whatever is printed."""
    program = "from tailrace import standard_streams; standard_streams.provide(); print('✓ ok')"
    command = [sys.executable, "-c", program]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(command, capture_output=True, env=environment, check=True, cwd=HERE.parents[1])
    assert ended.stdout == b"? ok\n"
