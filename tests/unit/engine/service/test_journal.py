"""Entries of the journal, read from a socket as journald has it."""

import logging
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.service.journal import JournalHandler, complain, stderr_is_journal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    """Where a journal listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "journal"))
        listening.settimeout(10)
        yield listening


@pytest.fixture
def log(journal: socket.socket) -> Iterator[logging.Logger]:
    """A logger whose records go there."""
    handler = JournalHandler(journal.getsockname())
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("tests.journal")
    log.addHandler(handler)
    log.propagate = False
    yield log
    log.removeHandler(handler)
    handler.close()


def fields(entry: bytes) -> dict[str, str]:
    """The fields of a datagram of the native protocol."""
    found = {}
    while entry:
        line, _, entry = entry.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(entry[:8], "little")
            value, entry = entry[8 : 8 + size], entry[8 + size + 1 :]
        found[name.decode()] = value.decode()
    return found


def test_an_entry_has_its_level_its_place_and_what_it_is_about(
    log: logging.Logger, journal: socket.socket
) -> None:
    """So that `journalctl TAILRACE_REASON=disk_full` finds it; its message has no time and no level."""
    log.warning("%d rows lost", 7, extra={"stage": "sink.jsonl", "reason": "disk_full"})
    entry = fields(journal.recv(4096))
    assert entry["MESSAGE"] == "7 rows lost"
    assert (entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"]) == ("4", "tailrace")
    assert (entry["TAILRACE_STAGE"], entry["TAILRACE_REASON"]) == ("sink.jsonl", "disk_full")
    assert (entry["CODE_FILE"], entry["TAILRACE_LOGGER"]) == (__file__, "tests.journal")
    assert entry["CODE_FUNC"] == "test_an_entry_has_its_level_its_place_and_what_it_is_about"
    assert int(entry["CODE_LINE"]) > 0


def test_a_message_of_several_lines_is_one_entry(log: logging.Logger, journal: socket.socket) -> None:
    """No line of it can pass for a field."""
    log.error("one\nPRIORITY=7\nthree")
    entry = fields(journal.recv(4096))
    assert (entry["MESSAGE"], entry["PRIORITY"]) == ("one\nPRIORITY=7\nthree", "3")


def test_what_the_journal_cannot_take_goes_to_standard_error(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """A message larger than a datagram can be is not lost."""
    log.error("%s", "x" * (64 << 20))
    written = capsys.readouterr().err
    assert written.startswith("<3>xxx")
    assert len(written) > 64 << 20


def test_the_journal_is_known_by_the_file_behind_standard_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A variable that was inherited says nothing of an error stream that leads elsewhere."""
    with (tmp_path / "error").open("w") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setattr(sys, "stderr", stream)
        assert stderr_is_journal({"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        assert not stderr_is_journal({"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino + 1}"})
        assert not stderr_is_journal({})
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        complain("tailrace: no")
    assert (tmp_path / "error").read_text() == "<3>tailrace: no\n"
    assert capsys.readouterr().err == ""
