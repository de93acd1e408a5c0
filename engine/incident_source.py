"""Incidents for those who ask over HTTP: of the book that this process writes."""

import secrets
from collections.abc import Callable, Sequence
from time import time
from typing import Final

import msgspec

from actors.incidents.items import Silence
from alerts.book import Book
from engine.incident_rows import answer_of, event_row, rows_of, silence_row
from model.errors import TailraceError, UsageError
from model.silence import PlannedSilence, SilenceWords
from web.incident_answers import EventRow, IncidentAnswer, IncidentRow, SilenceRow

#: Ids of silences of the configuration begin so.
_PLANNED: Final = "config-"
#: Who asked for those.
_CONFIGURATION: Final = "the configuration"


class WrittenIncidents:
    """Those of this process: they can be changed. All in one event loop.

    :param book: gives the book; None while it is not open.
    :param told: is called when targets are to be told of something.
    """

    changeable = True

    def __init__(self, book: Callable[[], Book | None], told: Callable[[], None]) -> None:
        self._given = book
        self._told = told

    async def rows(self) -> list[IncidentRow]:
        """All but those that are pending."""
        book = self._book
        return rows_of([*book.incidents, *book.archive])

    async def one(self, key: str) -> IncidentAnswer | None:
        """One with its history."""
        book = self._book
        found = next((each for each in book.incidents if each.key == key), None) or book.archive.find(key)
        return answer_of(found, book.archive.history(key)) if found and found.state != "pending" else None

    async def events(self) -> list[EventRow]:
        """What happened to edges and is no alarm, the oldest first."""
        return list(map(event_row, self._book.events.kept()))

    async def acknowledge(self, key: str, who: str) -> None:
        """Somebody looks at it.

        :raises UsageError: if there is no such incident.
        :raises TailraceError: if it could not be kept.
        """
        self._book.acknowledge(key, who, time())
        self._told()

    async def silences(self) -> list[SilenceRow]:
        """Those that hold now or will."""
        return [silence_row(each, time()) for each in self._book.incidents.silences]

    async def silence(self, asked: SilenceWords, who: str) -> SilenceRow:
        """One more.

        :raises UsageError: if it is over already, or there are too many.
        :raises TailraceError: if it could not be kept.
        """
        now = time()
        made = silence_of(asked, secrets.token_hex(6), who, now)
        if made.over(now):
            raise UsageError("this silence is over already", "let it end later than now")
        self._book.silence(made)
        return silence_row(made, now)

    async def lift(self, id: str) -> None:
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
