"""The way of public rows to NATS: kept in a stream if the server gives one, else for whoever listens now."""

import asyncio
import contextlib
import errno
import logging
import math
import os
import time
from collections.abc import Sequence
from typing import Final, NoReturn, Self

import nats.errors
from nats.aio.client import Client

from engine.nats.api import NO_ROOM, NoStream, Refused, Unanswered, ask, requests_of
from engine.nats.connection import NatsConnection, connect
from engine.nats.streams import make, public_rows
from model.errors import SinkError, TailraceError
from model.public import RowPart
from model.subjects import Public

#: Seconds that the server has to take what was sent.
FLUSH_TIMEOUT: Final = 2

#: Messages on their way whose acknowledgement is not here yet.
IN_FLIGHT: Final = 16

#: Seconds between attempts to get a stream where there is none.
STREAM_PAUSE: Final = 30.0

log = logging.getLogger(__name__)


class PublicBus:
    """One connection; when it is gone, make another.

    :param public: what it carries.
    :param max_age: seconds for which the stream keeps a message.
    :param max_bytes: of the stream; the oldest messages make room.
    :param refusals: what the server refused, in its own words.
    """

    def __init__(
        self,
        client: Client,
        where: str,
        public: Public,
        *,
        max_age: float,
        max_bytes: int,
        refusals: list[str],
    ) -> None:
        self._client = client
        self._request = requests_of(client)
        self._where = where
        self._public = public
        self._stream = public_rows(public, max_age, max_bytes)
        self._refusals = refusals
        self._kept = False
        self._try_at = 0.0
        self._taken = 0

    @classmethod
    async def open(cls, connection: NatsConnection, public: Public, max_age: float, max_bytes: int) -> Self:
        """Connect.

        :raises ConnectionRefused: if that fails.
        """
        refusals: list[str] = []
        client = await connect(
            connection,
            name="tailrace sink",
            reconnect=False,
            on_error=lambda error: refusals.append(str(error).lower()),
        )
        where = f"NATS at {', '.join(connection.servers)}"
        bus = cls(client, where, public, max_age=max_age, max_bytes=max_bytes, refusals=refusals)
        await bus._find_stream()
        return bus

    async def close(self) -> None:
        """Disconnect."""
        with contextlib.suppress(OSError, nats.errors.Error, TimeoutError):
            async with asyncio.timeout(FLUSH_TIMEOUT):
                await self._client.close()

    @property
    def max_payload(self) -> int:
        """Bytes of the largest message that the server takes, headers included."""
        return self._client.max_payload

    async def publish(self, parts: Sequence[RowPart]) -> None:
        """Return when the server has taken all of ``parts``.

        :raises SinkError: retryable as ``bus_away`` if it did not answer; ``disk_full`` or ``bus_refused`` if it
            will not take some, with the number of their rows.
        """
        await self._find_stream()
        self._refusals.clear()
        self._taken = 0
        for first in range(0, len(parts), IN_FLIGHT):
            some = parts[first : first + IN_FLIGHT]
            try:
                await (self._store(some) if self._kept else self._send(some))
            except (OSError, nats.errors.Error, TimeoutError, Unanswered, Refused) as error:
                self._explain(error, sum(part.rows for part in parts) - self._taken)

    async def _store(self, parts: Sequence[RowPart]) -> None:
        """Publish to the stream and wait for every acknowledgement."""
        answers = await asyncio.gather(
            *(ask(self._client, part.subject, part.data, {"Nats-Msg-Id": part.id}) for part in parts),
            return_exceptions=True,
        )
        failed = [answer for answer in answers if isinstance(answer, BaseException)]
        self._taken += sum(
            part.rows for part, answer in zip(parts, answers, strict=True) if answer not in failed
        )
        if failed:
            raise failed[0]

    async def _send(self, parts: Sequence[RowPart]) -> None:
        """Publish to whoever listens, and wait until the server has read it."""
        for part in parts:
            await self._client.publish(part.subject, part.data, headers={"Nats-Msg-Id": part.id})
        await self._client.flush(FLUSH_TIMEOUT)
        if self._refused():
            raise nats.errors.Error
        self._taken += sum(part.rows for part in parts)

    async def _find_stream(self) -> None:
        """Make sure of the stream; where there is none, look again from time to time."""
        if not self._kept and time.monotonic() >= self._try_at:
            self._kept = await self._is_kept()
            never = any("permissions violation" in text and "$js.api" in text for text in self._refusals)
            self._try_at = math.inf if never else time.monotonic() + STREAM_PAUSE

    async def _is_kept(self) -> bool:
        """Whether there is a stream, made now or by somebody else."""
        try:
            await make(self._request, self._stream)
        except TailraceError as error:
            return await self._is_there(error)
        return True

    async def _is_there(self, trouble: TailraceError) -> bool:
        try:
            await self._request(f"STREAM.INFO.{self._stream.name}", {})
        except TailraceError:
            log.warning(
                "%s keeps no %s (%s): only those who listen get them", self._where, self._public.rows, trouble
            )
            return False
        log.warning("%s: the stream %s stays as it is (%s)", self._where, self._stream.name, trouble)
        return True

    def _refused(self) -> bool:
        return any(
            "permissions violation" in text and self._public.subject in text for text in self._refusals
        )

    def _explain(self, error: Exception, rows: int) -> NoReturn:
        """Raise ``error`` as a sink's error; ``rows`` are lost unless they may be offered again."""
        if self._refused():
            what, remedy = (
                f"{self._where} refuses {self._public.rows} (permissions)",
                f"allow publishing to {self._public.subject}.>",
            )
            raise SinkError(what, remedy, reason="bus_refused", lost_rows=rows) from None
        if isinstance(error, Unanswered | Refused):
            self._explain_answer(error, rows)
        if isinstance(error, NoStream):
            self._kept, self._try_at = False, 0.0
        raise SinkError(
            f"{self._where} is away ({str(error) or type(error).__name__})",
            "start nats-server; publishing goes on by itself",
            reason="bus_away",
            retryable=True,
        ) from None

    def _explain_answer(self, error: Unanswered | Refused, rows: int) -> None:
        full = os.strerror(errno.ENOSPC)
        if error.code == NO_ROOM or full.lower() in error.what.lower():
            text = full if full.lower() in error.what.lower() else error.what
            what, remedy = (
                f"{self._where} cannot keep {self._public.rows} ({text})",
                "make room on the disk of the server",
            )
            raise SinkError(what, remedy, reason="disk_full", lost_rows=rows) from None
        if isinstance(error, Refused):
            what, remedy = (
                f"{self._where} refuses {self._public.rows} ({error.what})",
                f"see the stream {self._stream.name}",
            )
            raise SinkError(what, remedy, reason="bus_refused", lost_rows=rows) from None
