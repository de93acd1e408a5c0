"""The manual page says what the parser offers."""

import shutil
import subprocess

import pytest

from engine.cli import build_parser
from engine.command_line.manual import manual
from engine.command_line.options import commands_of


@pytest.fixture(scope="module")
def shown() -> str:
    """As a terminal shows it; troff has nothing to complain of."""
    if not shutil.which("groff"):
        pytest.skip("no groff: make setup")
    command = ["groff", "-man", "-ww", "-Tascii", "-P-cbou", "-rLL=1000n"]
    done = subprocess.run(command, input=manual(), capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def test_every_command_and_option_is_there(shown: str) -> None:
    """With its text, as ``--help`` has it."""
    words = " ".join(shown.split())
    for command in commands_of(build_parser()):
        assert f"tailrace {command.name}: {' '.join(command.text.split())}." in words, command.name
        for option in command.options:
            assert ", ".join(option.names) in words, option
            assert " ".join(option.text.split()) in words, option


def test_the_page_has_the_chapters_that_are_usual(shown: str) -> None:
    chapters = [line for line in shown.splitlines() if line and not line[0].isspace()]
    for chapter in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "FILES", "SEE ALSO"):
        assert chapter in chapters
