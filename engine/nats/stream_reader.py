"""Reading a JetStream stream from any place on, with a bounded number of messages on their way."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext

from engine.nats.api import NO_STREAM, NoStream, Refused, Unanswered, requests_of
from model.subjects import API

#: Messages asked for at once, and seconds that the server may take to have them.
BATCH: Final = 32
WAIT: Final = 10.0

#: Seconds after which the server forgets a reader that does not come back.
_FORGET: Final = 30.0

#: Seconds between the server's signs of life while it has no message, and without one until it counts as away.
_SIGN_OF_LIFE: Final = 1.0
_SILENCE: Final = 3.0

#: Statuses: a sign of life; a request that is over, though nothing is wrong (no messages, time is up).
_ALIVE: Final = "100"
_OVER: Final = ("404", "408")


class Bounds(NamedTuple):
    """Sequences of the oldest and the newest message; ``last < first`` if there is none.

    :param made: when the stream was made, as the server says it: another time is another stream.
    """

    first: int
    last: int
    made: str


class StreamReader:
    """Reads one stream.

    :param client: connected; it stays open.
    """

    def __init__(self, client: Client, stream: str) -> None:
        self._client = client
        self._request = requests_of(client)
        self._stream = stream

    async def bounds(self) -> Bounds | None:
        """Where the stream begins and ends; None if there is no such stream, or no JetStream.

        :raises Unanswered: if the server does not answer.
        """
        try:
            reply = await self._request(f"STREAM.INFO.{self._stream}", {})
        except (Unanswered, Refused) as error:
            if isinstance(error, NoStream) or error.code == NO_STREAM:
                return None
            raise _unanswered(error) from None
        state = reply["state"]
        return Bounds(int(state["first_seq"]), int(state["last_seq"]), str(reply["created"]))

    def cursor(self, subject: str, first: int | None) -> AbstractAsyncContextManager["Cursor"]:
        """Messages of ``subject`` from sequence ``first`` on; None: the last one of each subject.

        :raises Unanswered: if the server does not answer, or the stream is gone.
        """
        if first is None:
            return self._cursor(subject, {"deliver_policy": "last_per_subject"})
        return self._cursor(subject, {"deliver_policy": "by_start_sequence", "opt_start_seq": max(1, first)})

    def cursor_since(self, subject: str, begin: float) -> AbstractAsyncContextManager["Cursor"]:
        """Messages of ``subject`` that were stored since then, in seconds since the epoch.

        :raises Unanswered: likewise.
        """
        if begin <= 0:
            return self._cursor(subject, {"deliver_policy": "all"})
        at = datetime.fromtimestamp(begin, UTC).isoformat()
        return self._cursor(subject, {"deliver_policy": "by_start_time", "opt_start_time": at})

    @contextlib.asynccontextmanager
    async def _cursor(self, subject: str, begin: Mapping[str, Any]) -> AsyncIterator["Cursor"]:
        config: dict[str, Any] = {
            "ack_policy": "none",
            "replay_policy": "instant",
            "filter_subject": subject,
            "inactive_threshold": int(_FORGET * 1e9),
            "mem_storage": True,
            "num_replicas": 1,
            **begin,
        }
        body = {"stream_name": self._stream, "config": config}
        try:
            consumer = await self._request(f"CONSUMER.CREATE.{self._stream}", body)
            subscription = await self._client.subscribe(self._client.new_inbox())
        except (OSError, nats.errors.Error, TimeoutError, Unanswered, Refused) as error:
            raise _unanswered(error) from None
        next_subject = f"{API}.CONSUMER.MSG.NEXT.{self._stream}.{consumer['name']}"
        try:
            yield Cursor(self._client, subscription, next_subject, int(consumer.get("num_pending", 0)))
        finally:
            with contextlib.suppress(OSError, nats.errors.Error, TimeoutError, Unanswered, Refused):
                await subscription.unsubscribe()
                await self._request(f"CONSUMER.DELETE.{self._stream}.{consumer['name']}", {})


class Cursor:
    """A place in a stream.

    :param pending: messages that were there, and not read yet, when last heard of.
    """

    def __init__(self, client: Client, subscription: Subscription, next_subject: str, pending: int) -> None:
        self.pending = pending
        self._client = client
        self._subscription = subscription
        self._next_subject = next_subject
        self._asked = 0

    async def next(self) -> Msg:
        """The next message, as soon as there is one.

        :raises Unanswered: if the server is away or forgot the reader.
        """
        while True:
            try:
                if not self._asked:
                    await self._ask()
                message = await self._subscription.next_msg(_SILENCE)
            except (OSError, nats.errors.Error, TimeoutError) as error:
                raise _unanswered(error) from None
            status = JetStreamContext.is_status_msg(message)
            if status is None:
                self._asked -= 1
                self.pending = message.metadata.num_pending
                return message
            if status in _OVER:
                self._asked = 0
            elif status != _ALIVE:
                raise Unanswered(f"NATS ended the reading ({status})", "try again")

    async def _ask(self) -> None:
        """Ask for what is there, or for whatever comes within the time."""
        self._asked = BATCH
        request = {"batch": BATCH, "expires": int(WAIT * 1e9), "idle_heartbeat": int(_SIGN_OF_LIFE * 1e9)}
        await self._client.publish(
            self._next_subject, json.dumps(request).encode(), self._subscription.subject
        )


def _unanswered(error: Exception) -> Unanswered:
    text = str(error) or type(error).__name__
    return Unanswered(f"NATS does not answer ({text})", "check the server, and what this user may read")


async def pause() -> None:
    """Before another attempt."""
    await asyncio.sleep(0.5)
