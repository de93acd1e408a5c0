"""Messages on disk, oldest first, in a SQLite file: whole or not at all, whatever happens to the process."""

import sqlite3
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

from model.errors import UsageError
from model.outgoing import Outgoing

_TABLE = """CREATE TABLE IF NOT EXISTS spool
    (place INTEGER PRIMARY KEY, partition INTEGER, name TEXT, rows INTEGER, data BLOB)"""
_COLUMNS = "partition, name, rows, data"


class Spool:
    """A queue bounded by the bytes of its messages; what a process leaves is there for the next one.

    :raises UsageError: if the file cannot be written, or is no spool.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, isolation_level=None)
            path.chmod(0o600)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute(
                "PRAGMA synchronous=OFF"
            )  # survives us, not the power: the rows are a second old
            self._file.execute(_TABLE)
            totals = "SELECT COUNT(*), COALESCE(SUM(LENGTH(data)), 0), COALESCE(SUM(rows), 0) FROM spool"
            self.messages, self.bytes, self.rows = self._file.execute(totals).fetchone()
        except (sqlite3.Error, OSError) as error:
            raise UsageError(f"cannot use {path} as a spool: {error}", "choose another path") from error

    def append(self, message: Outgoing) -> bool:
        """Puts a message last; False if it does not fit or the disk takes no more."""
        return self._insert("(SELECT COALESCE(MAX(place), 0) + 1 FROM spool)", message)

    def put_back(self, messages: Sequence[Outgoing]) -> int:
        """Puts messages before all others, the newest of them if not all fit; returns how many."""
        kept = 0
        for message in reversed(messages):
            if not self._insert("(SELECT COALESCE(MIN(place), 0) - 1 FROM spool)", message):
                break
            kept += 1
        return kept

    def _insert(self, place: str, message: Outgoing) -> bool:
        if self.bytes + len(message.data) > self._max_bytes:
            return False
        try:
            self._file.execute(f"INSERT INTO spool VALUES ({place}, ?, ?, ?, ?)", astuple(message))
        except sqlite3.OperationalError:  # the disk is full
            return False
        self._count(message, 1)
        return True

    def _count(self, message: Outgoing, sign: int) -> None:
        self.messages += sign
        self.bytes += sign * len(message.data)
        self.rows += sign * message.rows

    def pop(self) -> Outgoing:
        """Takes the oldest message.

        :raises LookupError: if there is none.
        """
        oldest = "(SELECT MIN(place) FROM spool)"
        row = self._file.execute(f"DELETE FROM spool WHERE place = {oldest} RETURNING {_COLUMNS}").fetchone()
        if row is None:
            raise LookupError("the spool is empty")
        message = Outgoing(*row)
        self._count(message, -1)
        return message

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
