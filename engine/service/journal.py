"""Entries of the journal with their fields: datagrams of the native protocol of systemd-journald."""

import logging
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from engine.secrets import guarded

SOCKET: Final = "/run/systemd/journal/socket"
#: Levels of syslog(3), by the least level of Python's that has them.
_PRIORITIES: Final = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, 0: 7}
#: Attributes of records that are fields: what a line of the log is about (``extra=`` of the call).
_SUBJECTS: Final = ("stage", "reason", "actor")


def complain(text: str) -> None:
    """Write a line on standard error: an error, where that is the journal (sd-daemon(3))."""
    print(f"<3>{text}" if stderr_is_journal() else text, file=sys.stderr)


def stderr_is_journal(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether what is written to standard error ends in the journal (systemd.exec(5), ``$JOURNAL_STREAM``)."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):  # closed, or replaced by something without a descriptor
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class JournalHandler(logging.Handler):
    """Records of the log as entries: the level is ``PRIORITY``, the place in the code ``CODE_…``, the time its own.

    What the journal cannot take goes to standard error, which ends there as well, without its fields.
    """

    def __init__(self, path: str = SOCKET) -> None:
        super().__init__()
        self._path = path
        self._channel = socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Sends one entry."""
        text = self.format(record)
        try:
            self._channel.sendto(b"".join(map(_field, *zip(*_fields(record, text), strict=True))), self._path)
        except OSError:  # too long, or too many: what does not wait for journald cannot be held up by it
            sys.stderr.write(f"<{_priority(record.levelno)}>{text}\n")

    def close(self) -> None:
        """Closes the socket."""
        self._channel.close()
        super().close()


def _fields(record: logging.LogRecord, text: str) -> Iterator[tuple[str, str]]:
    yield "MESSAGE", text
    yield "PRIORITY", str(_priority(record.levelno))
    yield "SYSLOG_IDENTIFIER", "tailrace"
    yield "CODE_FILE", record.pathname
    yield "CODE_LINE", str(record.lineno)
    yield "CODE_FUNC", record.funcName or ""
    yield "TAILRACE_LOGGER", record.name
    for name in _SUBJECTS:
        if (value := getattr(record, name, None)) is not None:
            yield f"TAILRACE_{name.upper()}", guarded(str(value))


def _priority(level: int) -> int:
    return next(priority for least, priority in _PRIORITIES.items() if level >= least)


def _field(name: str, value: str) -> bytes:
    """``NAME=value``; a value of several lines follows its name and its length, little-endian (64 bits)."""
    data = value.encode(errors="replace")
    if b"\n" not in data:
        return b"%s=%s\n" % (name.encode(), data)
    return b"%s\n%s%s\n" % (name.encode(), len(data).to_bytes(8, "little"), data)
