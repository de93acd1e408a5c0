"""Stores as the contract sees them: where they are, who writes to them, and what is read."""

import asyncio
import itertools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

import chdb

from model.batch import Batch
from model.errors import TailraceError
from sinks.clickhouse.connection import Connection, Server
from store.clickhouse.link import Line, Link
from store.clickhouse.reader import ClickHouseStore
from store.clickhouse.writer import ServerWriter
from store.reading import Store
from store.segments.limits import Limits
from store.segments.reader import SegmentStore
from store.segments.writer import Writer
from tests.clickhouse_server import ClickHouseServer

#: Seconds that are kept, by step.
KEEP: Final[Mapping[int, int]] = Limits().keep_s


class Writing(Protocol):
    """Who writes; as ``store.segments.writer.Writer``."""

    def take(self, batch: Batch) -> None:
        """Take a batch."""

    def sync(self) -> None:
        """Make it safe."""

    def lost(self, reason: str, rows: int) -> None:
        """Note a loss."""

    def rotate(self) -> None:
        """Begin another log or part."""

    def drained(self) -> None:
        """Return when those before it are in longer steps."""

    def close(self) -> None:
        """Let go."""

    @property
    def duplicates(self) -> int:
        """Batches that came twice."""


class Site(Protocol):
    """A store that is empty at first."""

    def writer(self) -> Writing:
        """Another writer."""

    def store(self) -> Store:
        """Another reader."""


class SegmentSite:
    """On this machine's disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "store"

    def writer(self) -> Writing:
        return Writer(self._folder)

    def store(self) -> Store:
        return SegmentStore(self._folder)


class WaitingWriter:
    """A writer to a server, for those who wait."""

    def __init__(self, writer: ServerWriter) -> None:
        self._runner = asyncio.Runner()
        self.writer = writer
        try:
            self._runner.run(writer.open())
        except TailraceError:
            self.close()
            raise

    def take(self, batch: Batch) -> None:
        self.writer.take(batch)

    def sync(self) -> None:
        self._runner.run(self.writer.sync())

    def lost(self, reason: str, rows: int) -> None:
        self.writer.lost(reason, rows)

    def rotate(self) -> None:
        self._runner.run(self.writer.seal())

    def drained(self) -> None:
        """It was sealed at once."""

    def close(self) -> None:
        self._runner.run(self.writer.close())
        self._runner.close()

    @property
    def duplicates(self) -> int:
        return self.writer.duplicates


class ServerSite:
    """A database of a real server."""

    _numbers = itertools.count(1)

    def __init__(self, server: ClickHouseServer) -> None:
        self.server = server
        self.database = f"store{next(self._numbers)}"
        self._access = Server(server.url, password=server.password)

    def line(self) -> Line:
        """A connection."""
        return Connection(self._access, 30)

    def writer(self, keep_s: Mapping[int, int] = KEEP, ago_s: int = 0) -> Writing:
        """:param ago_s: seconds that its clock is behind."""
        return WaitingWriter(server_writer(self.line(), self.database, keep_s, ago_s))

    def store(self) -> ClickHouseStore:
        return ClickHouseStore(Link(self.line()), self.database)


class EmbeddedLine:
    """A current ClickHouse in this process, where a connection to a server would be."""

    target = "chdb"

    def __init__(self, session: "chdb.session.Session", folder: Path) -> None:
        self._session = session
        self._folder = folder

    async def open(self) -> None:
        """It is."""

    async def close(self) -> None:
        """The session stays."""

    async def run(self, statement: str) -> str:
        return str(self._session.query(statement, "TabSeparatedRaw")).strip()

    async def ask(self, statement: str) -> bytes:
        found: bytes = self._session.query(statement.removesuffix("FORMAT Native"), "Native").bytes()
        return found

    async def insert(self, statement: str, body: bytes, token: str = "") -> None:
        path = self._folder / "rows.native"
        path.write_bytes(body)
        into = statement.removesuffix("FORMAT Native")
        names = into.partition("(")[2].rpartition(")")[0] or "*"
        self._session.query(f"{into} SELECT {names} FROM file('{path}', Native)")


class EmbeddedSite:
    """A database of a current ClickHouse."""

    _numbers = itertools.count(1)

    def __init__(self, session: "chdb.session.Session", folder: Path) -> None:
        self._line = EmbeddedLine(session, folder)
        self.database = f"store{next(self._numbers)}"

    def writer(self, keep_s: Mapping[int, int] = KEEP, ago_s: int = 0) -> Writing:
        """:param ago_s: seconds that its clock is behind."""
        return WaitingWriter(server_writer(self._line, self.database, keep_s, ago_s))

    def store(self) -> ClickHouseStore:
        return ClickHouseStore(Link(self._line), self.database)

    def drop(self) -> None:
        """Its tables go, and what is open of them in this process."""
        asyncio.run(self._line.run(f"DROP DATABASE IF EXISTS {self.database} SYNC"))


def server_writer(line: Line, database: str, keep_s: Mapping[int, int], ago_s: int = 0) -> ServerWriter:
    """One whose clock is behind."""
    return ServerWriter(line, database, keep_s, lambda: time.time() - ago_s)
