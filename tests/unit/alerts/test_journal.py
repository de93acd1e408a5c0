"""The journal: what ``put`` returned from is there after ``kill -9``, and nothing by halves."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from alerts.journal import Journal
from model.errors import TailraceError, UsageError

#: Puts two keys at a time, and says so after each; values are long, so that lines tear and the file is written anew.
_WRITER = """
import sys
from pathlib import Path
from alerts.journal import Journal
journal = Journal(Path(sys.argv[1]))
number = max((value["n"] for _, value in journal.under("a/")), default=0)
while True:
    number += 1
    value = {"n": number, "text": "x" * (number * 7919 % 9000)}
    journal.put({f"a/{number % 5}": value, f"b/{number % 5}": value})
    print(number, flush=True)
"""


def test_values_are_there_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "deep" / "journal")
    journal.put({"one": {"n": 1}, "two": [2]})
    journal.put({"one": None, "three": "3"})
    journal.close()
    again = Journal(tmp_path / "deep" / "journal")
    assert dict(again.under("")) == {"two": [2], "three": "3"}
    assert "one" not in again
    assert again["two"] == [2]


@pytest.mark.parametrize("cut", range(1, 30, 4))
def test_a_torn_last_line_is_cut_off(cut: int, tmp_path: Path) -> None:
    """The batch of it never was; what comes next is whole."""
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.put({"kept": 1})
    journal.put({"torn": "x" * 20, "with it": 2})
    journal.close()
    path.write_bytes(path.read_bytes()[:-cut])
    again = Journal(path)
    assert (dict(again.under("")), again.torn > 0) == ({"kept": 1}, True)
    again.put({"next": 3})
    again.close()
    assert dict(Journal(path).under("")) == {"kept": 1, "next": 3}


def test_a_line_that_the_disk_changed_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    for number in range(3):
        journal.put({str(number): "value"})
    journal.close()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"value", b"VALUE") + lines[2])
    again = Journal(path)
    assert (list(dict(again.under(""))), again.damaged) == (["0", "2"], 1)


def test_the_file_stays_as_small_as_what_is_alive(tmp_path: Path) -> None:
    """However often a value changes."""
    journal = Journal(tmp_path / "journal")
    for number in range(2000):
        journal.put({"key": "x" * 1000, "last": number})
    assert journal.file_bytes < 300_000
    assert journal.compacted > 0
    journal.close()
    assert Journal(tmp_path / "journal")["last"] == 1999


def test_what_is_alive_is_bounded(tmp_path: Path) -> None:
    """A batch past it is refused as a whole; to take away is always possible."""
    journal = Journal(tmp_path / "journal", max_bytes=1000)
    journal.put({"one": "x" * 900})
    with pytest.raises(TailraceError, match="is full"):
        journal.put({"two": "x" * 200, "three": 3})
    assert [key for key, _ in journal.under("")] == ["one"]
    journal.put({"one": None})
    journal.put({"two": "x" * 200})


def test_one_process_writes(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    with pytest.raises(UsageError, match="another process writes"):
        Journal(tmp_path / "journal")
    journal.close()
    Journal(tmp_path / "journal").close()


def test_a_full_disk_leaves_it_whole() -> None:
    """What could not be written never was."""
    if os.geteuid():
        pytest.skip("mounts a small disk: needs root")
    folder = Path(f"/run/tailrace-journal-{os.getpid()}")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], check=True)
    try:
        journal = Journal(folder / "journal")
        journal.put({"kept": 1})
        with pytest.raises(TailraceError, match="make room"):
            journal.put({"long": "x" * 100_000})
        journal.put({"next": 2})
        journal.close()
        again = Journal(folder / "journal")
        assert (dict(again.under("")), again.torn) == ({"kept": 1, "next": 2}, 0)
        again.close()
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def test_after_kills_at_random_nothing_is_lost_or_halved(tmp_path: Path) -> None:
    """The last number that a writer told of is there, and each batch is there as a whole."""
    path = tmp_path / "journal"
    chance = random.Random(20)
    told = 0
    for _ in range(8):
        command = [sys.executable, "-c", _WRITER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(chance.randrange(1, 12)):
                told = int(writer.stdout.readline())
            writer.kill()
            told = max([told, *map(int, writer.stdout.read().split())])
        journal = Journal(path)
        numbers = [value["n"] for _, value in journal.under("a/")]
        assert max(numbers) in (told, told + 1)
        assert numbers == [value["n"] for _, value in journal.under("b/")]
        assert journal.damaged == 0
        journal.close()
