"""The ways to speak to a server: what a writer and a reader need of a connection, and one that waits."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Final, Protocol, TypeVar

from model.errors import SinkError, TailraceError
from sinks.clickhouse.connection import Connection, Server

#: Seconds for one question.
QUESTION_S: Final = 60.0

Result = TypeVar("Result")


class Line(Protocol):
    """As ``sinks.clickhouse.connection.Connection`` does it."""

    @property
    def target(self) -> str:
        """What errors call the server."""

    async def open(self) -> None:
        """Get ready."""

    async def close(self) -> None:
        """Let go."""

    async def run(self, statement: str) -> str:
        """What a statement answers, as text.

        :raises SinkError: if nobody answers, or it is refused.
        """

    async def ask(self, statement: str) -> bytes:
        """What a statement answers; raises as ``run`` does."""

    async def insert(self, statement: str, body: bytes, token: str = "") -> None:
        """Insert rows; raises as ``run`` does."""


class Link:
    """A line for those who wait for answers; safe to use from any thread. It has an event loop of its own.

    :param line: that it speaks by.
    :raises TailraceError: if the line cannot be opened.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="store.clickhouse", daemon=True)
        self._thread.start()
        try:
            self._wait(line.open())
        except TailraceError:
            self._end()
            raise

    @classmethod
    def to(cls, server: Server) -> "Link":
        """A link to this server."""
        return cls(Connection(server, QUESTION_S))

    def ask(self, statement: str) -> bytes:
        """What a statement answers.

        :raises TailraceError: if nobody answers, or it is refused.
        """
        try:
            return self._wait(self._line.ask(statement))
        except SinkError as error:
            remedy = (
                "start the server, or correct store.url"
                if error.retryable
                else "check store.url, store.user and store.password, and that this user may read its tables"
            )
            raise TailraceError(error.what, remedy) from error

    def close(self) -> None:
        """Let go."""
        self._wait(self._line.close())
        self._end()

    def _wait(self, job: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(job, self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
