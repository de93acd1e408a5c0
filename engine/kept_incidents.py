"""Incidents that another process keeps: a `tailrace run` in a folder, or whichever engine of a cluster leads."""

from abc import ABC, abstractmethod
from pathlib import Path
from time import time
from typing import Any

import msgspec

from actors.incidents.history import History
from actors.incidents.items import EdgeEvent, Incident, Silence
from alerts.journal import JOURNAL, read
from engine.incident_rows import answer_of, event_row, rows_of, silence_row
from engine.nats.incident_requests import Acknowledge, AddSilence, IncidentRequests, Lift
from model.errors import TailraceError, UsageError
from model.silence import SilenceWords
from web.incident_answers import EventRow, IncidentAnswer, IncidentRow, SilenceRow


class KeptIncidents(ABC):
    """Answers from what is in a journal."""

    @abstractmethod
    async def kept(self, *prefixes: str) -> dict[str, Any]:
        """Values by key, of keys that begin so; there may be more.

        :raises TailraceError: if it cannot be read.
        """

    async def rows(self) -> list[IncidentRow]:
        """All but those that are pending."""
        values = await self._under("incident/", "past/")
        return rows_of(msgspec.convert(values, list[Incident]))

    async def one(self, key: str) -> IncidentAnswer | None:
        """One with its history."""
        values = await self.kept(*(f"{what}/{key}" for what in ("incident", "past", "history")))
        found = values.get(f"incident/{key}") or values.get(f"past/{key}")
        if found is None:
            return None
        incident = msgspec.convert(found, Incident)
        history = msgspec.convert(values.get(f"history/{key}") or {}, History)
        return answer_of(incident, history) if incident.state != "pending" else None

    async def silences(self) -> list[SilenceRow]:
        """Those that hold now or will."""
        kept = msgspec.convert(await self._under("silence/"), list[Silence])
        now = time()
        return [silence_row(each, now) for each in kept if not each.over(now)]

    async def events(self) -> list[EventRow]:
        """What happened to edges and is no alarm, the oldest first."""
        return list(map(event_row, msgspec.convert(await self._under("event/"), list[EdgeEvent])))

    async def _under(self, *prefixes: str) -> list[Any]:
        values = await self.kept(*prefixes)
        return [value for key, value in values.items() if key.startswith(prefixes)]


class ReadIncidents(KeptIncidents):
    """Those in a folder: to be looked at. Read again when the journal has changed."""

    changeable = False

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL
        self._stamp = (0, 0)
        self._values: dict[str, Any] = {}

    @property
    def there(self) -> bool:
        """Whether any were ever kept there."""
        return self._path.exists()

    async def kept(self, *prefixes: str) -> dict[str, Any]:
        """All there is."""
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

    async def acknowledge(self, key: str, who: str) -> None:
        """:raises UsageError: always."""
        raise _elsewhere()

    async def silence(self, asked: SilenceWords, who: str) -> SilenceRow:
        """:raises UsageError: always."""
        raise _elsewhere()

    async def lift(self, id: str) -> None:
        """:raises UsageError: always."""
        raise _elsewhere()


class ClusterIncidents(KeptIncidents):
    """Those of engines that share a bus: whichever leads is asked, and told."""

    changeable = True

    def __init__(self, requests: IncidentRequests) -> None:
        self._requests = requests

    async def kept(self, *prefixes: str) -> dict[str, Any]:
        """As the engine that leads has them now."""
        return await self._requests.kept(prefixes)

    async def acknowledge(self, key: str, who: str) -> None:
        """Somebody looks at it.

        :raises UsageError: if there is no such incident.
        :raises TailraceError: if no engine leads, or it could not be kept.
        """
        await self._requests.change(Acknowledge(key, who))

    async def silence(self, asked: SilenceWords, who: str) -> SilenceRow:
        """One more; raises as ``acknowledge`` does."""
        words = msgspec.convert(asked, SilenceWords, from_attributes=True)
        return msgspec.convert(await self._requests.change(AddSilence(words, who)), SilenceRow)

    async def lift(self, id: str) -> None:
        """End a silence; raises as ``acknowledge`` does."""
        await self._requests.change(Lift(id))


def _elsewhere() -> UsageError:
    return UsageError("incidents are kept by another process", "ask `tailrace run` there")
