"""Packages of other people that are called as ours: the program says so in one line, whatever is in them."""

import os
from pathlib import Path

import pytest

from tailrace.packages import PACKAGES
from tests.environment import ROOT, Environment, write_project

BROKEN = "raise RuntimeError('this is another package')\n"


@pytest.mark.parametrize("name", PACKAGES)
def test_each_package_says_whose_it_is(name: str) -> None:
    """By a word in its first file, which another's that overwrote it does not have."""
    assert "Tailrace" in (ROOT / name / "__init__.py").read_text()


@pytest.mark.parametrize("name", PACKAGES)
def test_a_folder_on_the_path_that_hides_a_package_is_named(
    tailrace_alone: Environment, tmp_path: Path, name: str
) -> None:
    """With the folder, and with what to do; nothing of it is imported."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text(BROKEN)
    done = tailrace_alone.tailrace("--version", env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"tailrace: another package hides the package {name} of Tailrace with {tmp_path}/{name}: "
        "install Tailrace in a virtual environment of its own\n"
    )


def test_a_folder_without_code_hides_nothing(tailrace_alone: Environment, tmp_path: Path) -> None:
    """People have folders that are called so."""
    for name in PACKAGES:
        (tmp_path / name).mkdir()
    done = tailrace_alone.tailrace("--version", env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")


def test_a_distribution_that_overwrote_a_package_is_named(
    tailrace_alone: Environment, tmp_path: Path
) -> None:
    """pip installs one over the other without a word; the one that is there now is named with its version."""
    environment = tailrace_alone.copied(tmp_path / "environment")
    environment.install(write_project(tmp_path / "sinks", "kitchen-sinks", {"sinks/__init__.py": BROKEN}))
    done = environment.tailrace("run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"tailrace: kitchen-sinks 1.0 overwrote the package sinks of Tailrace in {environment.packages}/sinks: "
        "install Tailrace in a virtual environment of its own\n"
    )


def test_a_distribution_elsewhere_that_hides_a_package_is_named(
    tailrace_alone: Environment, tmp_path: Path
) -> None:
    """One that stands before ours on the path."""
    other = Environment.made(tmp_path / "other")
    other.install(write_project(tmp_path / "engine", "steam-engine", {"engine/__init__.py": BROKEN}))
    done = tailrace_alone.tailrace("--version", env=os.environ | {"PYTHONPATH": str(other.packages)})
    assert done.returncode == 2
    assert done.stderr.startswith("tailrace: steam-engine 1.0 hides the package engine of Tailrace with")


def test_a_package_that_is_gone_is_named(tailrace_alone: Environment, tmp_path: Path) -> None:
    """As after the other one was uninstalled, which takes its files along."""
    environment = tailrace_alone.copied(tmp_path / "environment")
    (environment.packages / "engine" / "__init__.py").unlink()
    done = environment.tailrace("--version")
    assert done.returncode == 2
    assert done.stderr == "tailrace: the package engine of Tailrace is missing: install Tailrace again\n"


def test_the_installed_command_looks_first(tailrace_alone: Environment) -> None:
    """The console script leads to the check, not to the command line behind it."""
    script = (tailrace_alone.path / "bin" / "tailrace").read_text()
    assert "from tailrace.__main__ import main" in script
