"""Incidents for those who ask over HTTP: of the book that this process writes, or a journal that another one does."""

import secrets
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from time import time
from typing import Final

import msgspec

from actors.incidents.history import History
from actors.incidents.items import EdgeEvent, Incident, Silence
from actors.incidents.message import how_bad
from alerts.book import Book
from alerts.journal import JOURNAL, read
from model.alert import SEVERITIES
from model.errors import TailraceError, UsageError
from model.silence import PlannedSilence, SilenceWords
from web.incident_answers import (
    Acknowledged,
    Entry,
    EventRow,
    IncidentAnswer,
    IncidentCause,
    IncidentRow,
    SilenceRow,
)

#: Ids of silences of the configuration begin so.
_PLANNED: Final = "config-"
#: Who asked for those.
_CONFIGURATION: Final = "the configuration"
_EVENT_WORDS: Final = {
    "new": "{client} began to call {server}",
    "vanished": "{client} fell silent towards {server}",
    "returned": "{client} calls {server} again",
    "more": "far more than usual from {client} to {server}",
    "less": "far less than usual from {client} to {server}",
}


class WrittenIncidents:
    """Those of this process: they can be changed. All in one event loop.

    :param book: gives the book; None while it is not open.
    :param told: is called when targets are to be told of something.
    """

    changeable = True

    def __init__(self, book: Callable[[], Book | None], told: Callable[[], None]) -> None:
        self._given = book
        self._told = told

    def rows(self) -> list[IncidentRow]:
        """All but those that are pending."""
        book = self._book
        return rows_of([*book.incidents, *book.archive])

    def one(self, key: str) -> IncidentAnswer | None:
        """One with its history."""
        book = self._book
        found = next((each for each in book.incidents if each.key == key), None) or book.archive.find(key)
        return answer_of(found, book.archive.history(key)) if found and found.state != "pending" else None

    def events(self) -> list[EventRow]:
        """What happened to edges and is no alarm, the oldest first."""
        return list(map(_event_row, self._book.events.kept()))

    def acknowledge(self, key: str, who: str) -> None:
        """Somebody looks at it.

        :raises UsageError: if there is no such incident.
        :raises TailraceError: if it could not be kept.
        """
        self._book.acknowledge(key, who, time())
        self._told()

    def silences(self) -> list[SilenceRow]:
        """Those that hold now or will."""
        return [_silence_row(each, time()) for each in self._book.incidents.silences]

    def silence(self, asked: SilenceWords, who: str) -> SilenceRow:
        """One more.

        :raises UsageError: if it is over already, or there are too many.
        :raises TailraceError: if it could not be kept.
        """
        now = time()
        made = silence_of(asked, secrets.token_hex(6), who, now)
        if made.over(now):
            raise UsageError("this silence is over already", "let it end later than now")
        self._book.silence(made)
        return _silence_row(made, now)

    def lift(self, id: str) -> None:
        """End a silence.

        :raises UsageError: if there is none of this id, or the configuration has it.
        """
        if id.startswith(_PLANNED):
            raise UsageError(f"{id} is a silence of the configuration", "take it out of trouble.silences")
        self._book.lift(id)

    @property
    def _book(self) -> Book:
        book = self._given()
        if book is None:
            raise TailraceError("incidents are not open yet", "ask again in a second")
        return book


class ReadIncidents:
    """Those that another process keeps in a folder: to be looked at. Read again when the journal has changed."""

    changeable = False

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL
        self._stamp = (0, 0)
        self._values: dict[str, object] = {}

    @property
    def there(self) -> bool:
        """Whether any were ever kept there."""
        return self._path.exists()

    def rows(self) -> list[IncidentRow]:
        """All but those that are pending."""
        values = self._read()
        kept = [value for key, value in values.items() if key.startswith(("incident/", "past/"))]
        return rows_of(msgspec.convert(kept, list[Incident]))

    def one(self, key: str) -> IncidentAnswer | None:
        """One with its history."""
        values = self._read()
        found = values.get(f"incident/{key}") or values.get(f"past/{key}")
        if found is None:
            return None
        incident = msgspec.convert(found, Incident)
        history = msgspec.convert(values.get(f"history/{key}") or {}, History)
        return answer_of(incident, history) if incident.state != "pending" else None

    def silences(self) -> list[SilenceRow]:
        """Those that hold now or will."""
        kept = [value for key, value in self._read().items() if key.startswith("silence/")]
        now = time()
        return [
            _silence_row(each, now) for each in msgspec.convert(kept, list[Silence]) if not each.over(now)
        ]

    def events(self) -> list[EventRow]:
        """What happened to edges and is no alarm, the oldest first."""
        kept = [value for key, value in self._read().items() if key.startswith("event/")]
        return list(map(_event_row, msgspec.convert(kept, list[EdgeEvent])))

    def acknowledge(self, key: str, who: str) -> None:
        """:raises UsageError: always."""
        raise _elsewhere()

    def silence(self, asked: SilenceWords, who: str) -> SilenceRow:
        """:raises UsageError: always."""
        raise _elsewhere()

    def lift(self, id: str) -> None:
        """:raises UsageError: always."""
        raise _elsewhere()

    def _read(self) -> dict[str, object]:
        """:raises TailraceError: if it cannot be read."""
        try:
            status = self._path.stat()
            if (stamp := (status.st_mtime_ns, status.st_size)) != self._stamp:
                self._values, self._stamp = read(self._path), stamp
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise TailraceError(
                f"cannot read {self._path}: {error.strerror}", "serve as the user of Tailrace"
            ) from error
        return self._values


def silence_of(asked: SilenceWords, id: str, who: str, now: float) -> Silence:
    """As incidents know it."""
    span = asked.span(now)
    return Silence(
        id, asked.where.strip(), span.begins, span.until, asked.reason, who, now, span.every_s, span.ends
    )


def settle_planned(book: Book, planned: Sequence[PlannedSilence], now: float) -> None:
    """Silences of the configuration are those that it has now; others stay."""
    ids = {f"{_PLANNED}{each.name}": each for each in planned}
    made = {id: silence_of(each, id, _CONFIGURATION, now) for id, each in ids.items()}
    known = {silence.id: silence for silence in book.incidents.silences}
    for id in known.keys() - made.keys():
        if id.startswith(_PLANNED):
            book.lift(id)
    for id, silence in made.items():
        same = id in known and msgspec.structs.replace(known[id], at=now) == silence
        if not same and not silence.over(now):
            book.silence(silence)


def rows_of(incidents: Iterable[Incident]) -> list[IncidentRow]:
    """Open ones first, the worst of them first; then the latest first. Pending ones are none yet."""

    def place(each: Incident) -> tuple[int, float, str]:
        is_open = each.state == "open"
        return -1 - SEVERITIES.index(each.severity) if is_open else 0, -each.since, each.key

    return list(map(row_of, sorted((each for each in incidents if each.state != "pending"), key=place)))


def row_of(incident: Incident) -> IncidentRow:
    """One line."""
    by = incident.acknowledged_by
    return IncidentRow(
        id=incident.key,
        state="open" if incident.state == "open" else "resolved",
        severity=incident.severity,
        subject=incident.subject,
        symptom=incident.symptom,
        summary=how_bad(incident),
        since_s=int(incident.since),
        ended_s=int(incident.ended) or None,
        updated_s=int(incident.at),
        share=incident.share,
        expected=incident.expected,
        bad=int(incident.bad),
        total=int(incident.total),
        where=incident.where,
        edges=incident.edge_count,
        acknowledged=Acknowledged(by, int(incident.acknowledged_at)) if by else None,
        silenced_by=incident.muted_by if incident.state == "open" else "",
        no_data_since_s=int(incident.blind_since) or None,
        merged_into=incident.merged_into,
        labels=incident.labels,
    )


def answer_of(incident: Incident, history: History) -> IncidentAnswer:
    """All that is known."""
    return IncidentAnswer(
        incident=row_of(incident),
        text=history.text,
        symptoms=incident.symptoms,
        causes=[
            IncidentCause(
                each.where,
                each.explains,
                each.score,
                int(each.bad),
                int(each.total),
                each.bad / each.total if each.total else 0.0,
                each.rate_outside,
                each.also_known_as,
            )
            for each in history.causes
        ],
        no_difference=history.no_difference,
        just_before=history.just_before,
        edges=[edge.replace(" > ", ">", 1) for edge in incident.edges],
        timeline=[
            Entry(int(each.at), each.what, each.text, each.who, each.muted_by) for each in history.entries
        ],
        left_out=history.left_out,
    )


def _silence_row(silence: Silence, now: float) -> SilenceRow:
    return SilenceRow(
        id=silence.id,
        where=silence.where,
        from_s=int(silence.begins),
        until_s=int(silence.until),
        every_s=int(silence.every_s),
        ends_s=int(silence.ends) or None,
        reason=silence.reason,
        who=silence.who,
        at_s=int(silence.at),
        active=silence.active(now),
    )


def _event_row(event: EdgeEvent) -> EventRow:
    words = _EVENT_WORDS.get(event.what, event.what)
    text = words.format(client=event.client, server=f"{event.server}:{event.port}")
    return EventRow(int(event.at), event.what, event.edge, event.client, event.server, text)


def _elsewhere() -> UsageError:
    return UsageError("incidents are kept by another process", "ask `tailrace run` there")
