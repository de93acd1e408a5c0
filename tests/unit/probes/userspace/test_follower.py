"""Files of real processes: found once, held as long as a process runs them, and left behind the last one."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from model.errors import ProbeError
from model.probe import Hook
from probes.tls.finders import FINDERS
from probes.userspace.follower import Follower
from probes.userspace.mapped import identity, mapped_code
from tests.unit.probes.userspace.test_placement import libssl

LOADS = "import ctypes, sys; ctypes.CDLL(sys.argv[1]); print('ready', flush=True); sys.stdin.read()"


class Held:
    """Notes what is attached, and what is taken off."""

    def __init__(self) -> None:
        self.now: list[str] = []
        self.total = 0

    def attach(self, hook: Hook) -> "One":
        assert hook.place
        self.now.append(hook.place.file)
        self.total += 1
        return One(self, hook.place.file)


class One:
    """What holds one file's probes."""

    def __init__(self, held: Held, file: str) -> None:
        self._held, self._file = held, file

    def close(self) -> None:
        self._held.now.remove(self._file)


@contextmanager
def running(library: Path) -> Iterator[int]:
    """A process that has the library loaded, and is in the list of processes; it is gone when the block is left."""
    command = [sys.executable, "-c", LOADS, str(library)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        entry = library.parent / "proc" / str(process.pid)
        entry.symlink_to(f"/proc/{process.pid}")
        yield process.pid


def follower_of(library: Path, held: "Held", linger: int) -> Follower:
    """One that sees no other processes than those of its test."""
    return Follower(FINDERS, held.attach, proc=library.parent / "proc", linger=linger)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A libssl that no other process has; beside it the list of processes."""
    (tmp_path / "proc").mkdir()
    return Path(shutil.copy(libssl(), tmp_path / "libssl-of-this-test.so"))


def of_test(follower: Follower) -> list[dict[str, object]]:
    """What the follower says of that file."""
    return [file for file in follower.state() if "of-this-test" in str(file["file"])]


def test_a_file_is_held_once_for_all_of_its_processes(library: Path) -> None:
    """And left when the last one is gone, not before."""
    held = Held()
    follower = follower_of(library, held, 1)
    with running(library) as first:
        with running(library) as second:
            assert follower.look(first)
            follower.look(second)
            (file,) = of_test(follower)
            assert (file["attached"], file["processes"], file["found"]) == (True, 2, ["OpenSSL"])
            once = held.total
        for _ in range(4):
            follower.tick()
        assert of_test(follower)[0]["processes"] == 1
    for _ in range(3):
        follower.tick()
    assert not of_test(follower)
    assert held.total == once
    follower.close()
    assert held.now == []


def test_a_process_that_comes_back_within_the_time_finds_the_probes_in_place(library: Path) -> None:
    """As those of programs that are run again and again do."""
    held = Held()
    follower = follower_of(library, held, 3)
    for _ in range(3):
        with running(library) as process:
            follower.look(process)
        follower.tick()
        follower.tick()
    assert len(of_test(follower)) == 1
    assert held.total == 1


def test_a_process_that_was_not_looked_at_keeps_a_file(library: Path) -> None:
    """One that was forked, when those that were known are gone."""
    follower = follower_of(library, Held(), 1)
    with running(library):
        with running(library) as known:
            follower.look(known)
        for _ in range(4):
            follower.tick()
        assert of_test(follower)[0]["processes"] == 1


def test_a_file_that_was_deleted_is_found_by_its_mapping(library: Path) -> None:
    """It is what the process runs."""
    held = Held()
    follower = follower_of(library, held, 1)
    with running(library) as process:
        library.unlink()
        follower.look(process)
        assert of_test(follower)[0]["attached"]


def test_probes_that_the_kernel_refuses_are_said(library: Path) -> None:
    """With the reason, and not tried again for each process."""
    tried = []

    def attach(hook: Hook) -> One:
        tried.append(hook)
        raise ProbeError("cannot attach", "see `tailrace doctor`")

    follower = Follower(FINDERS, attach)
    with running(library) as process:
        follower.look(process)
        count = len(tried)
        follower.look(process)
        assert len(tried) == count
        assert of_test(follower)[0]["reason"] == "cannot attach"


def test_mapped_files_are_those_of_the_process(library: Path) -> None:
    """Each once, under a path that leads to the very file."""
    with running(library) as process:
        (found,) = [one for one in mapped_code(process) if one.name == str(library)]
        assert found.paths[1].samefile(library)
        assert identity(found.paths[1]) == identity(library)
    assert mapped_code(process) == []


def test_a_file_that_memory_does_not_suffice_for_is_counted_and_others_go_on(library: Path) -> None:
    def too_large(_: object) -> None:
        raise MemoryError

    held = Held()
    finders = [replace(finder, find=too_large) for finder in FINDERS]
    follower = Follower(finders, held.attach, proc=library.parent / "proc", linger=1)
    with running(library) as process:
        assert not follower.look(process)
    assert follower.counts["files_beyond_memory"] >= 1
    assert held.total == 0
