"""A connection that comes back for ever, with what is listened to; requests fail clearly meanwhile."""

import asyncio
import contextlib
import itertools
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from engine.log_record import Wake
from engine.nats import connection as nats_connection
from engine.nats.connection import NatsConnection
from model.errors import TailraceError
from model.subjects import API
from model.tasks import end, happens

log = logging.getLogger(__name__)

#: Seconds between attempts to come back, and between attempts of requests that nobody answered.
PAUSE = 0.25

#: Seconds after which a request counts as lost.
REQUEST_TIMEOUT = 2.0

#: JetStream's numbers of errors that mean something here.
FULL = 10077
TOO_LARGE = 10054
WRONG_SEQUENCE = 10071
NO_MESSAGE = 10037
NO_STREAM = 10059
OTHER_CONFIGURATION = 10058

#: Code of the server for "not now" (no leader, JetStream starting, no resources).
_NOT_NOW = 503

Callback = Callable[[Msg], Awaitable[None]]


class Unanswered(TailraceError):
    """The server did not answer, or not now: a retry makes sense."""


class Refused(TailraceError):
    """The server answered that it will not. ``code`` is JetStream's own number of the error."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(what)
        self.code = code


@dataclass(slots=True, eq=False)
class Listening:
    """A subject that is listened to, over all connections."""

    subject: str
    callback: Callback
    subscription: Subscription | None = None


class Link:
    """The connection of one log."""

    def __init__(self, settings: NatsConnection) -> None:
        self.settings = settings
        self.reconnects = 0
        self.last_error = ""
        self.on_reconnect: set[Wake] = set()
        self.up = asyncio.Event()
        self._client = Client()
        self._closed = asyncio.Event()
        self._listening: set[Listening] = set()
        self._inbox = ""
        self._answers: dict[str, asyncio.Future[Msg]] = {}
        self._numbers = itertools.count()
        self._keeper: asyncio.Task[None] | None = None

    # -- life

    async def open(self) -> None:
        """Connect.

        :raises ConnectionRefused: if that fails, quickly.
        :raises TailraceError: if the server has no JetStream.
        """
        self._inbox = self._client.new_inbox()
        self._listening.add(Listening(f"{self._inbox}.*", self._on_answer))
        await self._connect()
        try:
            await self.api("INFO", {})
        except (Unanswered, Refused):
            await self._client.close()
            where = ", ".join(self.settings.servers)
            raise TailraceError(f"NATS at {where} has no JetStream", "start nats-server with -js") from None
        self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Disconnect."""
        if self._keeper is not None:
            await end(self._keeper)
        self._go_down()
        with contextlib.suppress(OSError, nats.errors.Error):
            await self._client.close()
        # The tasks of the client, cancelled, end in the next turns of the loop.
        for _ in range(3):
            await asyncio.sleep(0)

    async def _connect(self) -> None:
        self._closed.clear()
        self._client = await nats_connection.connect(
            self.settings, reconnect=False, on_error=self.note, on_closed=self._on_closed
        )
        for listening in tuple(self._listening):
            await self._subscribe(listening)
        self.up.set()

    async def _on_closed(self) -> None:
        self._go_down()
        self._closed.set()

    def _go_down(self) -> None:
        """Answers to what was asked will not come any more."""
        self.up.clear()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(nats.errors.ConnectionClosedError())

    async def _keep(self) -> None:
        while True:
            # The client may end without calling back, when its last bytes cannot be written.
            await happens(self._closed, PAUSE)
            if self._client.is_closed:
                await self._come_back()

    async def _come_back(self) -> None:
        self._go_down()
        log.warning("NATS at %s is gone: trying to come back", ", ".join(self.settings.servers))
        while not self.up.is_set():
            try:
                await self._connect()
            except (TailraceError, OSError, nats.errors.Error) as error:
                self.note(error)
                await asyncio.sleep(PAUSE)
        self.reconnects += 1
        log.warning("NATS at %s is back", ", ".join(self.settings.servers))
        for wake in tuple(self.on_reconnect):
            wake()

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
        self,
        subject: str,
        payload: bytes,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """One request to JetStream.

        :raises Unanswered: if there is no answer, or the answer is "not now".
        :raises Refused: if the answer is an error.
        """
        if not self.up.is_set():
            raise Unanswered(f"no connection to NATS at {', '.join(self.settings.servers)}")
        try:
            answer = await self._answer(subject, payload, headers)
        except (OSError, nats.errors.Error, TimeoutError) as error:
            self.note(error)
            raise Unanswered(f"{subject}: {str(error) or type(error).__name__}") from None
        reply: dict[str, Any] = json.loads(answer.data)
        if "error" in reply:
            raise self._failure(subject, reply["error"])
        return reply

    async def _answer(self, subject: str, payload: bytes, headers: dict[str, str] | None) -> Msg:
        number = str(next(self._numbers))
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                await self._client.publish(subject, payload, reply=f"{self._inbox}.{number}", headers=headers)
                message: Msg = await answer
        finally:
            del self._answers[number]
        if not message.data:
            raise nats.errors.NoRespondersError
        return message

    async def _on_answer(self, message: Msg) -> None:
        answer = self._answers.get(message.subject.rsplit(".", 1)[1])
        if answer and not answer.done():
            answer.set_result(message)

    def _failure(self, subject: str, error: dict[str, Any]) -> TailraceError:
        what, code = f"{subject}: {error.get('description')}", int(error.get("err_code", 0))
        # 10077 is a full stream, which is an answer though its code says "not now".
        if error.get("code") == _NOT_NOW and code != FULL:
            self.note(Unanswered(what))
            return Unanswered(what)
        return Refused(what, code)

    async def api(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        """One request to the API of JetStream; raises as ``ask`` does."""
        return await self.ask(f"{API}.{call}", json.dumps(body).encode())

    async def insist(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        """Request until there is an answer.

        :raises Refused: if the answer is an error.
        """
        while True:
            try:
                return await self.api(call, body)
            except Unanswered:
                await self.pause()

    async def pause(self) -> None:
        """Wait a little, and until there is a connection."""
        await asyncio.sleep(PAUSE)
        await self.up.wait()
