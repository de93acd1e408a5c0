"""Questions about incidents, and what people do with them: acknowledge, silence, lift."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from model.alert_filter import AlertFilter
from model.errors import TailraceError
from store.queries.questions import words_as
from store.queries.when import time_of
from web.answering import words_of
from web.incident_answers import (
    AcknowledgeWords,
    AskedSilence,
    EventRow,
    EventsAnswer,
    EventsParameters,
    IncidentRow,
    IncidentsAnswer,
    IncidentSource,
    IncidentsParameters,
    SilencesAnswer,
    envelope,
)
from web.refusal import RefusedError, refusal_of

#: Bytes of a body at most.
BODY_BYTES: Final = 16_384
_JSON: Final = "application/json"

_Body = TypeVar("_Body", bound=msgspec.Struct)


class IncidentRoutes:
    """Paths under ``/api/v1/incidents`` and ``/api/v1/silences``.

    :param source: None: nobody keeps incidents here.
    :param changes: whether they may be changed over HTTP.
    :param who: the name that a request comes under, by the word of a reverse proxy; empty: it has none.
    """

    def __init__(self, source: IncidentSource | None, *, changes: bool, now: Any, who: Any) -> None:
        self._source = source
        self._changes = changes
        self._now = now
        self._who = who

    def add(self, routes: web.UrlDispatcher) -> None:
        """To a server's."""
        routes.add_get("/api/v1/incidents", self._list)
        routes.add_get("/api/v1/incidents/{id}", self._one)
        routes.add_post("/api/v1/incidents/{id}/acknowledge", self._acknowledge)
        routes.add_get("/api/v1/events", self._events)
        routes.add_get("/api/v1/silences", self._silences)
        routes.add_post("/api/v1/silences", self._silence)
        routes.add_delete("/api/v1/silences/{id}", self._lift)

    async def _list(self, request: web.Request) -> web.Response:
        return _answer(await self.listed(words_of(list(request.query.items()))))

    async def _events(self, request: web.Request) -> web.Response:
        try:
            asked = words_as(EventsParameters, "events", words_of(list(request.query.items())))
            kept = [] if self._source is None else await self._source.events()
            found = _happened(kept, asked, self._now())
        except TailraceError as error:
            raise refusal_of(error, "incidents_unreadable") from error
        return _answer(EventsAnswer(found[max(len(found) - asked.limit, 0) :], len(found)))

    async def listed(self, said: Mapping[str, Sequence[str]]) -> IncidentsAnswer:
        """Those that are asked for.

        :raises RefusedError: if a parameter means nothing.
        """
        try:
            asked = words_as(IncidentsParameters, "incidents", said)
            rows = [] if self._source is None else _chosen(await self._source.rows(), asked, self._now())
        except TailraceError as error:
            raise refusal_of(error, "incidents_unreadable") from error
        open_ones = sum(row.state == "open" for row in rows)
        changeable = self._changes and self._source is not None and self._source.changeable
        return IncidentsAnswer(
            self._source is not None, changeable, rows[: asked.limit], len(rows), open_ones
        )

    async def _one(self, request: web.Request) -> web.Response:
        key = request.match_info["id"]
        found = await _done(self._kept().one, key)
        if found is None:
            raise _unknown(key)
        return _answer(found)

    async def _acknowledge(self, request: web.Request) -> web.Response:
        source = self._changeable()
        body = await _body(request, AcknowledgeWords)
        key = request.match_info["id"]
        if await _done(source.one, key) is None:
            raise _unknown(key)
        await _done(source.acknowledge, key, self._named(request, body.who))
        return _answer(await _done(source.one, key))

    async def _silences(self, _: web.Request) -> web.Response:
        return _answer(SilencesAnswer(await _done(self._kept().silences)))

    async def _silence(self, request: web.Request) -> web.Response:
        source = self._changeable()
        body = await _body(request, AskedSilence)
        return _answer(await _done(source.silence, body, self._named(request, body.who)), status=201)

    async def _lift(self, request: web.Request) -> web.Response:
        await _done(self._changeable().lift, request.match_info["id"])
        return web.Response(status=204)

    def _kept(self) -> IncidentSource:
        if self._source is None:
            raise RefusedError(404, "not_found", "incidents are not kept here", "set trouble.enabled: on")
        return self._source

    def _changeable(self) -> IncidentSource:
        if not self._changes:
            raise RefusedError(
                403, "read_only", "incidents are not changed over HTTP here", "set web.changes: on"
            )
        source = self._kept()
        if not source.changeable:
            raise RefusedError(
                403, "read_only", "incidents are kept by another process", "ask `tailrace run` there"
            )
        return source

    def _named(self, request: web.Request, said: str) -> str:
        """Who does it.

        :raises RefusedError: if nobody says so.
        """
        who = str(self._who(request)) or " ".join(said.split())
        if not who:
            raise RefusedError(400, "bad_request", "nobody says who does it", 'say {"who": "NAME"}')
        return who


def _chosen(rows: Sequence[IncidentRow], asked: IncidentsParameters, now: float) -> list[IncidentRow]:
    """:raises TailraceError: if a time or a word of the filter is none."""
    from_s = time_of("from", asked.from_time, now) if asked.from_time else 0.0
    to_s = time_of("to", asked.to, now) if asked.to else float("inf")
    wanted = AlertFilter(asked.q)
    return [
        row
        for row in rows
        if row.since_s < to_s
        and (row.ended_s is None or row.ended_s > from_s)
        and (not asked.state or row.state in asked.state)
        and (not asked.severity or row.severity in asked.severity)
        and wanted.matches(row.labels)
    ]


def _happened(rows: Sequence[EventRow], asked: EventsParameters, now: float) -> list[EventRow]:
    """:raises TailraceError: if a time or a word of the filter is none."""
    from_s = time_of("from", asked.from_time, now) if asked.from_time else 0.0
    to_s = time_of("to", asked.to, now) if asked.to else float("inf")
    wanted = AlertFilter(asked.q)
    return [row for row in rows if from_s <= row.at_s < to_s and wanted.matches(_labels(row))]


def _labels(row: EventRow) -> dict[str, str]:
    """What filters look at."""
    ends = {"client.workload": row.client, "server.workload": row.server}
    return ends | {"subject": row.server, "symptom": row.what, "severity": "info"}


async def _body(request: web.Request, kind: type[_Body]) -> _Body:
    """JSON. Another content type is refused: a form of another site could send it without being asked.

    :raises RefusedError: if it is something else.
    """
    if request.content_type != _JSON:
        raise RefusedError(415, "bad_request", f"{request.content_type} is not {_JSON}", f"send {_JSON}")
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RefusedError(400, "bad_request", str(error), "see /api/v1/openapi.json") from None


async def _done(act: Callable[..., Awaitable[Any]], *words: Any) -> Any:
    """What it returns.

    :raises RefusedError: if it refuses.
    """
    try:
        return await act(*words)
    except TailraceError as error:
        raise refusal_of(error, "incidents_unreadable") from error


def _unknown(key: str) -> RefusedError:
    return RefusedError(404, "not_found", f"there is no incident {key}", "they are kept for 30 days")


def _answer(data: Any, status: int = 200) -> web.Response:
    """Of now: nobody keeps it."""
    return web.Response(
        status=status,
        body=msgspec.json.encode(envelope(data)),
        headers={"Content-Type": _JSON, "Cache-Control": "no-store"},
    )
