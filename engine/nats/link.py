"""A connection that comes back for ever, with what is listened to; requests fail clearly meanwhile."""

import asyncio
import contextlib
import itertools
import json
import math
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from engine.log_record import Wake
from engine.nats import connection as nats_connection
from engine.nats.api import NO_RIGHT, REQUEST_TIMEOUT, Refused, Unanswered, reply_of
from engine.nats.connection import ConnectionRefused, NatsConnection
from engine.nats.outage import Outage
from model.errors import TailraceError
from model.subjects import API
from model.tasks import end, happens

#: Seconds between looks at the connection, and between attempts of requests that nobody answered.
PAUSE: Final = 0.25
#: Seconds that servers of a cluster get to elect who leads JetStream.
ELECTION_SECONDS: Final = 60.0

Callback = Callable[[Msg], Awaitable[None]]

T = TypeVar("T")

#: How the server refuses to publish.
_NO_RIGHT: Final = re.compile(r'permissions violation for publish to "([^"]+)"', re.IGNORECASE)


@dataclass(slots=True, eq=False)
class Listening:
    """A subject that is listened to, over all connections."""

    subject: str
    callback: Callback
    subscription: Subscription | None = None


@dataclass(slots=True)
class _Request:
    """A request that is under way."""

    subject: str
    answer: asyncio.Future[Msg]


class Link:
    """The connection of one log.

    ``returned_at`` is when the last connection was there again after one was lost, in seconds of the monotonic clock.

    :param waiting: says, for the log, what waits while the server is away.
    """

    def __init__(self, settings: NatsConnection, waiting: Callable[[], str] = lambda: "") -> None:
        self.settings = settings
        self.reconnects = 0
        self.returned_at = float("-inf")
        self.last_error = ""
        self.on_reconnect: set[Wake] = set()
        self.up = asyncio.Event()
        self._outage = Outage(waiting)
        self._client = Client()
        self._closed = asyncio.Event()
        self._hurry = asyncio.Event()
        self._listening: set[Listening] = set()
        self._inbox = ""
        self._requests: dict[str, _Request] = {}
        self._numbers = itertools.count()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def where(self) -> str:
        """The server, for sentences."""
        return f"NATS at {', '.join(self.settings.servers)}"

    # -- life

    async def open(self, *, wait: bool = False) -> None:
        """Connect.

        :param wait: for a server that is not there yet, as long as it takes.
        :raises ConnectionRefused: if that fails, quickly.
        :raises TailraceError: if the server has no JetStream, or it does not answer for a minute.
        """
        self._inbox = self._client.new_inbox()
        self._listening.add(Listening(f"{self._inbox}.*", self._on_answer))
        await (self._connect_some_time() if wait else self._connect())
        self._keeper = asyncio.create_task(self._keep())
        try:
            await self._await_jetstream(ELECTION_SECONDS if not wait else None)
        except (Unanswered, Refused, TimeoutError):
            enabled = self._jetstream_enabled()
            await self.close()
            if enabled:
                what = f"JetStream of {self.where} does not answer"
                raise TailraceError(what, "see the log of the server: a cluster needs a leader") from None
            raise TailraceError(f"{self.where} has no JetStream", "start nats-server with -js") from None

    async def _await_jetstream(self, seconds: float | None) -> None:
        """Returns once it answers; servers of a cluster that has just begun elect a leader first.

        :param seconds: for which a server that has it may leave it unanswered; None: as long as it takes.
        """
        async with asyncio.timeout(seconds):
            while True:
                try:
                    await self.api("INFO", {})
                except (Unanswered, Refused):
                    if not self._jetstream_enabled():
                        raise
                    await self.pause()
                else:
                    return

    def _jetstream_enabled(self) -> bool:
        """As the server said it when we connected (protocol of NATS clients: INFO, jetstream)."""
        return bool(self._client._server_info.get("jetstream"))

    async def close(self) -> None:
        """Disconnect, if there is a connection."""
        if self._keeper is None:
            return
        await end(self._keeper)
        self._go_down()
        with contextlib.suppress(OSError, nats.errors.Error):
            await self._client.close()
        # The tasks of the client, cancelled, end in the next turns of the loop.
        for _ in range(3):
            await asyncio.sleep(0)

    async def _connect(self) -> None:
        closed = self._closed = asyncio.Event()

        async def on_closed() -> None:
            closed.set()
            if closed is self._closed:  # the callback of a connection may come after the next one is there
                self._go_down()

        self._client = await nats_connection.connect(
            self.settings, reconnect=False, on_error=self._on_error, on_closed=on_closed
        )
        for listening in tuple(self._listening):
            await self._subscribe(listening)
        self.up.set()

    async def _connect_some_time(self, *, again: bool = False) -> None:
        """Connect, for as long as that takes.

        :param again: whether a refusal is but another failure: a server may start without its users.
        :raises ConnectionRefused: if the server refuses this client, unless ``again``.
        """
        while not self.up.is_set():
            try:
                await self._connect()
            except (TailraceError, OSError, nats.errors.Error) as error:
                if isinstance(error, ConnectionRefused) and not error.absent and not again:
                    raise
                self.note(error)
                await happens(self._hurry, self._outage.failed(self.last_error))
                self._hurry.clear()
        self._outage.over(self.where)

    def try_now(self) -> None:
        """Have no pause before the next attempt to connect, if there is no connection."""
        self._hurry.set()

    def _go_down(self) -> None:
        """Answers to what was asked will not come any more."""
        self.up.clear()
        for request in self._requests.values():
            if not request.answer.done():
                request.answer.set_exception(nats.errors.ConnectionClosedError())

    async def _keep(self) -> None:
        while True:
            # Looked at as well: for a client that ended without calling back one would wait for ever.
            await happens(self._closed, PAUSE)
            if self._closed.is_set() or self._client.is_closed:
                self._go_down()
                await self._connect_some_time(again=True)
                self.reconnects += 1
                self.returned_at = time.monotonic()
                for wake in tuple(self.on_reconnect):
                    wake()

    def _on_error(self, error: Exception) -> None:
        """A refusal to publish is the answer to the request, which has no other."""
        self.note(error)
        if found := _NO_RIGHT.search(str(error)):
            for request in self._requests.values():
                if request.subject.lower() == found[1].lower() and not request.answer.done():
                    refusal = Refused(f"this user may not publish {request.subject}", NO_RIGHT)
                    request.answer.set_exception(refusal)

    def note(self, error: Exception) -> None:
        """Remember the last thing that went wrong."""
        self.last_error = str(error) or type(error).__name__

    # -- messages

    @property
    def max_payload(self) -> int:
        """Bytes of the largest message that the server takes, headers included."""
        return self._client.max_payload

    def new_inbox(self) -> str:
        """A subject of one's own."""
        return self._client.new_inbox()

    async def listen(self, subject: str, callback: Callback) -> Listening:
        """Call back for every message on the subject, until ``unlisten``."""
        listening = Listening(subject, callback)
        self._listening.add(listening)
        if self.up.is_set():
            with contextlib.suppress(OSError, nats.errors.Error):
                await self._subscribe(listening)
        return listening

    async def _subscribe(self, listening: Listening) -> None:
        listening.subscription = await self._client.subscribe(
            listening.subject, cb=listening.callback, pending_msgs_limit=-1, pending_bytes_limit=-1
        )

    async def heard(self) -> None:
        """Returns once the server knows what is listened for, if it can be asked."""
        if self.up.is_set():
            with contextlib.suppress(OSError, nats.errors.Error, TimeoutError):
                await self._client.flush(math.ceil(REQUEST_TIMEOUT))

    async def unlisten(self, listening: Listening) -> None:
        """Call back no more."""
        self._listening.discard(listening)
        if listening.subscription is not None and self.up.is_set():
            with contextlib.suppress(OSError, nats.errors.Error):
                await listening.subscription.unsubscribe()

    async def publish(
        self, subject: str, payload: bytes = b"", headers: dict[str, str] | None = None, *, reply: str = ""
    ) -> None:
        """Send a message that may get lost: without a connection it is."""
        if self.up.is_set():
            try:
                await self._client.publish(subject, payload, reply=reply, headers=headers)
            except (OSError, nats.errors.Error) as error:
                self.note(error)

    async def ask(
        self, subject: str, payload: bytes, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """One request to JetStream.

        :raises Unanswered: if there is no answer, or the answer is "not now".
        :raises Refused: if the answer is an error, or this user may not ask.
        """
        data = await self.request(subject, payload, headers)
        try:
            return reply_of(subject, data)
        except Unanswered as error:
            self.note(error)
            raise

    async def request(self, subject: str, payload: bytes, headers: dict[str, str] | None = None) -> bytes:
        """One request to whoever listens; empty: nobody does.

        :raises Unanswered: if there is no answer.
        :raises Refused: if this user may not ask.
        """
        if not self.up.is_set():
            raise Unanswered(f"no connection to {self.where}")
        try:
            return (await self._answer(subject, payload, headers)).data
        except (OSError, nats.errors.Error, TimeoutError) as error:
            self.note(error)
            raise Unanswered(f"{subject}: {str(error) or type(error).__name__}") from None

    async def _answer(self, subject: str, payload: bytes, headers: dict[str, str] | None) -> Msg:
        number = str(next(self._numbers))
        request = _Request(subject, asyncio.get_running_loop().create_future())
        self._requests[number] = request
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                await self._client.publish(subject, payload, reply=f"{self._inbox}.{number}", headers=headers)
                return await request.answer
        finally:
            del self._requests[number]

    async def _on_answer(self, message: Msg) -> None:
        request = self._requests.get(message.subject.rsplit(".", 1)[1])
        if request and not request.answer.done():
            request.answer.set_result(message)

    async def api(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        """One request to the API of JetStream; raises as ``ask`` does."""
        return await self.ask(f"{API}.{call}", json.dumps(body).encode())

    async def until_answered(self, step: Callable[[], Awaitable[T]]) -> T:
        """Repeat a step until there is an answer.

        :raises Refused: if the answer is an error.
        """
        while True:
            try:
                return await step()
            except Unanswered:
                await self.pause()

    async def insist(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        """Request until there is an answer; raises as ``until_answered`` does."""
        return await self.until_answered(lambda: self.api(call, body))

    async def pause(self) -> None:
        """Wait a little, and until there is a connection."""
        await asyncio.sleep(PAUSE)
        await self.up.wait()
