"""Which network namespaces are reported: names, patterns and paths, as they come and go."""

import os
from pathlib import Path

import numpy as np
import pytest

from probes.kernel import namespaces
from probes.kernel.namespaces import OWN, ChosenNamespaces, inode_of


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of /run/netns."""
    folder = tmp_path / "netns"
    monkeypatch.setattr(namespaces, "NAMED", folder)
    return folder


def test_without_patterns_all_are_reported() -> None:
    """Nothing is looked up, and every namespace is in."""
    chosen = ChosenNamespaces()
    assert not chosen.refresh()
    assert 7 in chosen
    assert chosen.mask(np.array([1, 2], np.uint32)).tolist() == [True, True]


def test_a_path_is_followed() -> None:
    """The own namespace by its path: it is in, others are not."""
    chosen = ChosenNamespaces([str(OWN), "/proc/0/ns/net"])
    own = OWN.stat().st_ino
    assert chosen.refresh()
    assert chosen.inodes == {own}
    assert chosen.mask(np.array([own, 1, own], np.uint32)).tolist() == [True, False, True]


def test_names_are_patterns_and_may_come_later(named: Path) -> None:
    """A name that matches is found when it is made, and forgotten when it goes."""
    chosen = ChosenNamespaces(["web-*"])
    assert not chosen.refresh()
    named.mkdir()
    (named / "web-1").symlink_to(OWN)
    (named / "db-1").symlink_to("/proc/thread-self/ns/net")
    assert chosen.refresh()
    assert chosen.inodes == {OWN.stat().st_ino}
    assert not chosen.refresh()
    (named / "web-1").unlink()
    assert chosen.refresh()
    assert chosen.inodes == frozenset()


def test_a_name_gets_its_namespace_after_its_file(named: Path) -> None:
    """An empty file is no namespace, and is looked at again although the folder does not change."""
    named.mkdir()
    file = named / "web"
    file.touch()
    chosen = ChosenNamespaces(["web"])
    assert not chosen.refresh()
    assert inode_of(file) == 0
    stamp = named.stat()
    file.unlink()
    file.symlink_to(OWN)
    os.utime(named, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert chosen.refresh()
    assert len(chosen.inodes) == 1
