"""What the targets of the Makefile would do in a checkout that is new."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("target", "wanted"), [("run", "-e ."), ("install", "-e ."), ("deb", "-e ."), ("setup", "-e '.[dev]'")]
)
def test_only_tests_bring_test_tools(target: str, wanted: str, tmp_path: Path) -> None:
    """Who wants to see connections installs what that needs."""
    command = ["make", "--dry-run", f"VENV={tmp_path / 'none'}", target]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    installs = [line.strip() for line in done.stdout.splitlines() if "pip install" in line]
    assert [line.partition(" -c constraints.txt ")[2] for line in installs] == [wanted]
