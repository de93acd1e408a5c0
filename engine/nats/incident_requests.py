"""Questions about incidents to whichever engine keeps them, and what people do with them; over NATS."""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec

from engine.nats.address import parse_url
from engine.nats.api import REQUEST_TIMEOUT, Refused, Unanswered
from engine.nats.link import Link
from model.errors import TailraceError, UsageError
from model.silence import SilenceWords
from model.subjects import LogNames
from model.tasks import happens


class Kept(msgspec.Struct, frozen=True):
    """What the journal has under these prefixes of keys is wanted."""

    prefixes: list[str]


class Acknowledge(msgspec.Struct, frozen=True, tag="acknowledge"):
    """Somebody looks at an incident."""

    key: str
    who: str


class AddSilence(msgspec.Struct, frozen=True, tag="silence"):
    """One more; the answer is its row."""

    words: SilenceWords
    who: str


class Lift(msgspec.Struct, frozen=True, tag="lift"):
    """End a silence."""

    id: str


Change = Acknowledge | AddSilence | Lift


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What comes back.

    :param problem: why it is refused; empty: it is not. ``remedy``: what to do next.
    :param asked_wrong: whether whoever asked is to ask otherwise.
    """

    value: Any = None
    problem: str = ""
    remedy: str = ""
    asked_wrong: bool = False


_REQUESTS: Final = {"read": msgspec.msgpack.Decoder(Kept), "change": msgspec.msgpack.Decoder(Change)}
_ANSWER: Final = msgspec.msgpack.Decoder(Answer)


def request_of(subject: str, data: bytes) -> Kept | Change:
    """What came on a subject.

    :raises UsageError: if it is none.
    """
    try:
        request: Kept | Change = _REQUESTS[subject.rpartition(".")[2]].decode(data)
    except msgspec.DecodeError as error:
        raise UsageError(f"no request about incidents: {error}", "ask with the same version") from None
    return request


def refusal_of(error: TailraceError) -> Answer:
    """The same error as an answer."""
    return Answer(None, error.what, error.remedy, isinstance(error, UsageError))


def packed(answer: Answer, most_bytes: int) -> bytes:
    """As it is sent.

    :param most_bytes: of a message of this server.
    """
    data = zlib.compress(msgspec.msgpack.encode(answer), 1)
    if len(data) > most_bytes:
        what = f"there are too many incidents for a message of NATS ({len(data)} bytes)"
        return packed(Answer(None, what, "raise max_payload in the configuration of the server"), most_bytes)
    return data


class IncidentRequests:
    """Asks whichever engine keeps incidents; belongs to one event loop.

    :param url: of the bus that the engines share.
    """

    def __init__(self, url: str) -> None:
        settings, connection = parse_url(url)
        names = LogNames(settings.log)
        self._link = Link(connection)
        self._reads, self._changes = names.incident_reads, names.incident_changes

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Connected while the block runs.

        :raises TailraceError: if the server is not there, or refuses this client.
        """
        await self._link.open()
        try:
            yield
        finally:
            await self._link.close()

    async def run(self) -> None:
        """Connected until it is cancelled, also to a server that comes later.

        :raises TailraceError: if the server refuses this client.
        """
        try:
            await self._link.open(wait=True)
            await asyncio.Event().wait()
        finally:
            await self._link.close()

    async def kept(self, prefixes: Sequence[str]) -> dict[str, Any]:
        """What the journal has under these prefixes of keys.

        :raises TailraceError: if no engine keeps incidents, or none can be asked now.
        """
        value: dict[str, Any] = await self._asked(self._reads, Kept(list(prefixes)))
        return value

    async def change(self, change: Change) -> Any:
        """Have it done; on disk when this returns.

        :raises UsageError: if its words mean nothing.
        :raises TailraceError: as ``kept`` does.
        """
        return await self._asked(self._changes, change)

    async def _asked(self, subject: str, request: Kept | Change) -> Any:
        await happens(self._link.up, REQUEST_TIMEOUT)
        try:
            data = await self._link.request(subject, msgspec.msgpack.encode(request))
        except Refused as error:
            raise TailraceError(
                f"incidents: {error.what}", "give this user of NATS the right (docs/nats.md, Rights)"
            ) from None
        except Unanswered as error:
            raise TailraceError(f"incidents cannot be asked for now: {error.what}", "ask again") from None
        if not data:
            raise TailraceError(
                f"no engine keeps incidents on {self._link.where}",
                "start `tailrace engine` with trouble.enabled: on; if one runs, ask again in a few seconds",
            )
        answer = _ANSWER.decode(zlib.decompress(data))
        if answer.problem:
            raise (UsageError if answer.asked_wrong else TailraceError)(answer.problem, answer.remedy)
        return answer.value
