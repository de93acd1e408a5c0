"""What the sink ``store`` does with a server."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Final

from model.batch import Batch
from model.errors import SinkError, TailraceError
from sinks.clickhouse.connection import Connection
from store.clickhouse.address import server_of
from store.clickhouse.writer import ServerWriter
from store.config import StoreConfig

#: Seconds for one statement.
_STATEMENT_S: Final = 60.0


@contextlib.contextmanager
def _refused_start() -> Iterator[None]:
    """What keeps a store from being written to is said as sinks say it."""
    try:
        yield
    except SinkError:
        raise
    except TailraceError as error:
        raise SinkError(error.what, error.remedy, reason="not_open") from error


class ServerSink:
    """What was flushed is in the tables. A flush that failed is to be called again; it goes on where it was."""

    def __init__(self, config: StoreConfig) -> None:
        server, database = server_of(config)
        keep_s = {1: config.keep_1s, 10: config.keep_10s, 60: config.keep_60s}
        self._writer = ServerWriter(Connection(server, _STATEMENT_S), database, keep_s)
        self._rows = 0  # since the last flush that succeeded
        self._failed = ""  # why the last flush did not

    async def open(self) -> None:
        """Make the tables, or bring them up to date.

        :raises SinkError: if the server is not there, refuses this user, or has tables of a newer version.
        """
        with _refused_start():
            await self._writer.open()

    async def check(self) -> str:
        """Ask for the version, and look at that of the tables; raises as ``open`` does."""
        with _refused_start():
            return await self._writer.check()

    async def write(self, batch: Batch) -> None:
        """Take a batch. After a flush that failed: what it had is given up."""
        if self._failed:
            self._give_up()
        self._writer.take(batch)
        self._rows += len(batch)

    async def flush(self) -> None:
        """Insert what was taken.

        :raises SinkError: retryable, if the server is away, slow or full; else with the rows that are lost.
        """
        try:
            await self._writer.sync()
        except SinkError as error:
            self._failed = error.reason
            if error.retryable:
                raise
            lost = self._give_up()
            raise SinkError(error.what, error.remedy, reason=error.reason, lost_rows=lost) from error
        self._rows, self._failed = 0, ""

    async def close(self) -> None:
        """Have the part sealed that is written, and disconnect."""
        await self._writer.close()

    @property
    def noted(self) -> Mapping[str, int]:
        """What is no loss on the way in."""
        said = {"duplicates": self._writer.duplicates, "seals_failed": self._writer.failures}
        return {name: count for name, count in said.items() if count}

    def _give_up(self) -> int:
        """Rows that are lost; the store says so with its next frame."""
        rows, reason = self._rows, self._failed
        self._rows, self._failed = 0, ""
        self._writer.lost(reason, rows)
        return rows
