"""Requests to JetStream and what the server answers: a reply, no answer, or a refusal."""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

import nats.errors
from nats.aio.client import Client

from model.errors import TailraceError
from model.subjects import API

#: Seconds after which a request counts as lost.
REQUEST_TIMEOUT: Final = 2.0

#: JetStream's numbers of errors that mean something here.
FULL: Final = 10077
TOO_LARGE: Final = 10054
WRONG_SEQUENCE: Final = 10071
NO_MESSAGE: Final = 10037
NO_STREAM: Final = 10059
OTHER_CONFIGURATION: Final = 10058
OVERLAPPING: Final = 10065
NO_ROOM: Final = 10023

#: In place of such a number: this user may not publish the request.
NO_RIGHT: Final = -1

#: Code of the server for "not now" (no leader, JetStream starting, no resources).
_NOT_NOW: Final = 503

#: Makes a request to the API of JetStream: the call's name and its body; raises as ``reply_of`` does.
Request = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


class Unanswered(TailraceError):
    """The server did not answer, or not now: a retry makes sense. ``code`` is JetStream's number of why, else 0."""

    def __init__(self, what: str, remedy: str = "", *, code: int = 0) -> None:
        super().__init__(what, remedy)
        self.code = code


class NoStream(Unanswered):
    """No stream takes the message: there is none, or JetStream has not started yet."""


class Refused(TailraceError):
    """The server answered that it will not. ``code`` is JetStream's own number of the error, or ``NO_RIGHT``."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(what)
        self.code = code


def reply_of(subject: str, data: bytes) -> dict[str, Any]:
    """What the server replied to a request on ``subject``.

    :raises NoStream: if nobody is there.
    :raises Unanswered: if the reply is "not now".
    :raises Refused: if the reply is an error.
    """
    if not data:
        raise NoStream(f"{subject}: no stream takes it")
    reply: dict[str, Any] = json.loads(data)
    if "error" not in reply:
        return reply
    what, code = f"{subject}: {reply['error'].get('description')}", int(reply["error"].get("err_code", 0))
    # A full stream is an answer though its code says "not now".
    if reply["error"].get("code") == _NOT_NOW and code != FULL:
        raise Unanswered(what, code=code)
    raise Refused(what, code)


def epoch_ns(time: str) -> int:
    """A time as the server writes it (RFC 3339, up to nine digits of a second, UTC), in nanoseconds of the epoch."""
    whole, _, part = time.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(f"{whole}+00:00").timestamp()) * 10**9 + int(part.ljust(9, "0"))


def requests_of(client: Client) -> Request:
    """Requests to the API over a plain connection."""

    async def request(call: str, body: dict[str, Any]) -> dict[str, Any]:
        return await ask(client, f"{API}.{call}", json.dumps(body).encode())

    return request


async def ask(
    client: Client, subject: str, data: bytes, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """One request to JetStream over a plain connection, of which publishing to a stream is one.

    :raises Unanswered: if there is no answer, or the answer is "not now".
    :raises Refused: if the answer is an error.
    """
    try:
        reply = await client.request(subject, data, REQUEST_TIMEOUT, headers=headers)
    except nats.errors.NoRespondersError:
        raise NoStream(f"{subject}: no stream takes it") from None
    except (OSError, nats.errors.Error, TimeoutError) as error:
        raise Unanswered(f"{subject}: {str(error) or type(error).__name__}") from None
    return reply_of(subject, reply.data)
