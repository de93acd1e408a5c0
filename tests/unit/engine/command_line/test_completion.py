"""Completion of shells: asked as the shells ask it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from engine.cli import build_parser
from engine.command_line.completion import SHELLS
from engine.command_line.options import commands_of
from engine.plugins.sinks import sink_names

COMMANDS = {command.name for command in commands_of(build_parser())}


def completed(tmp_path: Path, *words: str) -> set[str]:
    """What bash offers for the last word."""
    (tmp_path / "completion").write_text(SHELLS["bash"]())
    line = " ".join(f"'{word}'" for word in words)
    script = (
        f"source {tmp_path}/completion; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; "
        f"COMP_LINE='{' '.join(words)}'; COMP_POINT=${{#COMP_LINE}}; _tailrace; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-u", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("tailrace", ""), COMMANDS | {"--help", "--version"}),
        (("tailrace", "self"), {"selftest"}),
        (("tailrace", "doctor", "--out"), {"--output"}),
        (("tailrace", "doctor", "-o", ""), {"table", "json"}),
        (("tailrace", "run", "--sink", ""), set(sink_names())),
        (("tailrace", "run", "--stage", "fl"), {"flows"}),
        (("tailrace", "observe", "po"), {"port:", "pod:"}),
    ],
    ids=str,
)
def test_bash_offers_what_the_parser_knows(tmp_path: Path, words: tuple[str, ...], offered: set[str]) -> None:
    assert completed(tmp_path, *words) == offered


def test_bash_offers_files_where_a_file_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "tailrace.yaml").touch()
    assert completed(tmp_path, "tailrace", "run", "--config", "tail") == {"tailrace.yaml"}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_told_of_every_command_and_option(shell: str, tmp_path: Path) -> None:
    """Where the shell is installed, it reads the file without a complaint."""
    text = SHELLS[shell]()
    for command in commands_of(build_parser()):
        assert command.name in text
        for option in command.options:
            for name in option.names:
                assert (f"-l {name[2:]}" if shell == "fish" and name[:2] == "--" else name[1:]) in text, name
    (tmp_path / "completion").write_text(text)
    if shutil.which(shell):
        done = subprocess.run([shell, "-n", str(tmp_path / "completion")], capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
