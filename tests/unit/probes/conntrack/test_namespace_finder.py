"""Finding network namespaces: names and processes that are new, all of them now and then."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from probes.conntrack import namespace_finder
from probes.conntrack.namespace_finder import FULL_NS, NamespaceFinder
from probes.kernel.namespaces import OWN

MINE = OWN.stat().st_ino


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of those where namespaces have names."""
    monkeypatch.setattr(namespace_finder, "FOLDERS", (tmp_path,))
    return tmp_path


@pytest.fixture
def other() -> Iterator[int]:
    """A process that starts later than the finder."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process.pid
        process.kill()


def test_the_first_look_is_at_everything(folder: Path) -> None:
    """The own namespace is found, through a process."""
    found = NamespaceFinder().look(0)
    assert found[MINE].match("/proc/*/ns/net")


def test_a_new_process_is_looked_at_and_an_old_one_is_not(
    folder: Path, request: pytest.FixtureRequest
) -> None:
    """Until the time for a full look has come, or one is asked for."""
    finder = NamespaceFinder()
    finder.look(0)
    process = request.getfixturevalue("other")
    new = finder._new_processes()
    assert f"/proc/{process}/ns/net" in new
    assert f"/proc/{os.getpid()}/ns/net" not in new
    assert MINE in finder.look(FULL_NS)
    assert MINE in finder.look(FULL_NS + 1, fully=True)


def test_a_new_name_is_found_when_its_folder_changes(folder: Path) -> None:
    """Once; a name whose namespace is still to come is looked at again."""
    finder = NamespaceFinder()
    finder.look(0)
    (folder / "a").touch()
    assert folder / "a" not in finder.look(1).values()
    (folder / "a").unlink()
    (folder / "a").symlink_to(OWN)
    assert str(folder / "a") in finder._changed_names()
    assert finder._changed_names() == []
