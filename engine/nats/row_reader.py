"""Reads public flows, or workloads: the newest of the stream, then, if wanted, those that come."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from engine.nats.api import Unanswered
from engine.nats.connection import NatsConnection, connect
from engine.nats.stream_reader import Bounds, StreamReader, pause
from model.errors import TailraceError
from model.public import BadRows, PublicRow, decode_rows
from model.subjects import Public

#: Messages looked at in the first step back; each further step is longer by the factor.
FIRST_STEP: Final = 32
LONGER: Final = 4

#: Bytes of messages that wait while nothing keeps them.
_WAITING_BYTES: Final = 64 << 20

#: Seconds by which a message may have been stored before the second of its rows, as the clock of their node says it.
_CLOCKS_DIFFER: Final = 60.0

#: The rows of a message that are wanted.
Select = Callable[[Sequence[PublicRow]], list[PublicRow]]

#: Called with the flows of one message, at least one.
Show = Callable[[Iterable[PublicRow]], None]

#: Called with one line for whoever watches.
Warn = Callable[[str], None]


@dataclass(frozen=True)
class RowRequest:
    """What to show: the ``last`` newest rows that are wanted, then those that come if ``follow``.

    :param public: which rows.
    :param last: how many at most; None: all.
    :param since: seconds since the epoch from which on rows are looked for; None: in all that is kept.
    """

    public: Public
    select: Select
    last: int | None = 20
    follow: bool = False
    since: float | None = None


async def show_rows(connection: NatsConnection, request: RowRequest, show: Show, warn: Warn) -> None:
    """Shows flows; with ``follow`` without end.

    :raises ConnectionRefused: if the server is not there or refuses this client.
    :raises TailraceError: if nothing was ever published, or the server does not answer.
    """
    client = await connect(connection, name="tailrace observe", on_error=_slow(request.public.rows, warn))
    try:
        reader = RowReader(client, request.public, request.select, warn)
        if request.since is None and request.last is not None:
            shown = await reader.newest(request.last, show)
        else:
            shown = await reader.since(request.since or 0.0, request.last, show)
        if shown is None and not request.follow:
            raise TailraceError(
                f"no {request.public.rows} were published on this server",
                _remedy(request.public),
            )
        if request.follow and shown is None:
            warn(f"nothing keeps {request.public.rows} on this server yet: waiting for those that come")
            await reader.listen(show)
        elif request.follow and shown is not None:
            await reader.follow(shown, show)
    finally:
        with contextlib.suppress(OSError, nats.errors.Error, TimeoutError):
            await client.close()


def _remedy(public: Public) -> str:
    stage = "" if public.rows == "flows" else f" --stage {public.rows}"
    return f"start tailrace engine{stage}, or tailrace run{stage} --sink nats (there is no stream {public.stream})"


def _slow(rows: str, warn: Warn) -> Callable[[Exception], None]:
    def complain(error: Exception) -> None:
        if isinstance(error, nats.errors.SlowConsumerError):
            warn(f"{rows} come faster than they are shown: some were left out")

    return complain


class RowReader:
    """Rows that match, from the stream or as they are published."""

    def __init__(self, client: Client, public: Public, select: Select, warn: Warn) -> None:
        self._client = client
        self._public = public
        self._subject = f"{public.subject}.>"
        self._select = select
        self._reader = StreamReader(client, public.stream)
        self._warn = warn
        self._unreadable = False

    async def newest(self, count: int, show: Show) -> Bounds | None:
        """Shows the ``count`` newest, oldest first: where the stream began and ended then, or None without a stream.

        It goes back in growing steps and keeps ``count`` flows at most.

        :raises Unanswered: if the server does not answer.
        """
        bounds = await self._reader.bounds()
        if bounds is None:
            return None
        found: list[PublicRow] = []
        high, step = bounds.last, FIRST_STEP
        while high >= bounds.first and len(found) < count:
            low = max(bounds.first, high - step + 1)
            found = [*await self._between(low, high, count - len(found)), *found]
            high, step = low - 1, step * LONGER
        if found:
            show(found)
        elif count:
            self._warn(f"no {self._public.kind} that is kept matches")
        return bounds

    async def since(self, begin: float, count: int | None, show: Show) -> Bounds | None:
        """Shows what is wanted of the messages since then, oldest first, the ``count`` newest (None: all).

        :param begin: seconds since the epoch.
        :return: as ``newest``.
        :raises Unanswered: if the server does not answer.
        """
        bounds = await self._reader.bounds()
        if bounds is None:
            return None
        newest: deque[PublicRow] = deque(maxlen=count)
        shown = False
        async with self._reader.cursor_since(self._subject, begin - _CLOCKS_DIFFER) as cursor:
            while cursor.pending:
                message = await cursor.next()
                if message.metadata.sequence.stream > bounds.last:
                    break
                if not (rows := self._select(self._flows(message))):
                    continue
                shown = True
                newest.extend(rows)
                if count is None:
                    show(newest)
                    newest.clear()
        if newest:
            show(newest)
        if not shown:
            self._warn(f"no {self._public.kind} that is kept matches")
        return bounds

    async def follow(self, shown: Bounds, show: Show) -> None:
        """Shows what is in the stream after ``shown``, and all that comes; outlives the server."""
        first, warned = shown.last + 1, False
        while True:
            try:
                if warned and (bounds := await self._reader.bounds()):
                    # Another stream is read from its beginning; one that lost its end with the power, from there.
                    first = min(first, bounds.last + 1) if bounds.made == shown.made else bounds.first
                    shown = bounds
                async with self._reader.cursor(self._subject, first) as cursor:
                    warned = False
                    while True:
                        message = await cursor.next()
                        first = message.metadata.sequence.stream + 1
                        self._show(message, show)
            except Unanswered as error:
                if not warned:
                    self._warn(f"{error.what}: waiting")
                warned = True
                await pause()

    async def listen(self, show: Show) -> None:
        """Shows what is published from now on, whether something keeps it or not."""
        subscription = await self._client.subscribe(self._subject, pending_bytes_limit=_WAITING_BYTES)
        async for message in subscription.messages:
            self._show(message, show)

    async def _between(self, low: int, high: int, count: int) -> Iterable[PublicRow]:
        """The newest ``count`` that match of the messages with these sequences."""
        found: deque[PublicRow] = deque(maxlen=count)
        async with self._reader.cursor(self._subject, low) as cursor:
            while cursor.pending:
                message = await cursor.next()
                if message.metadata.sequence.stream > high:
                    break
                found.extend(self._select(self._flows(message)))
        return found

    def _show(self, message: Msg, show: Show) -> None:
        if flows := self._select(self._flows(message)):
            show(flows)

    def _flows(self, message: Msg) -> list[PublicRow]:
        try:
            return decode_rows(message.data, self._public.kind)
        except BadRows as error:
            if not self._unreadable:
                self._warn(f"a message was left out: {error}")
            self._unreadable = True
            return []
