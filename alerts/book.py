"""Incidents, silences and what is still to be told, in one journal.

What happened and who will hear of it are one batch. Incidents that are pending are kept from their first tick on: a
restart does not begin their time anew.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from actors.incidents.incidents import Incidents, Times
from actors.incidents.items import Change, Incident, Silence, Tick
from alerts.journal import Journal
from alerts.outbox import Outbox
from model.alert import Alert, Matcher

#: For each target what chooses among alerts: all of them match; none: every alert.
Routes = Mapping[str, Sequence[Matcher]]


class Book:
    """Kept over restarts, and over ``kill -9``.

    :param message: what targets are told of a change.
    :ivar incidents: as they are now; change them by the methods here, or nothing of it is kept.
    """

    def __init__(
        self,
        journal: Journal,
        routes: Routes,
        message: Callable[[Change], Alert],
        times: Times | None = None,
    ) -> None:
        self._journal = journal
        self._routes = routes
        self._message = message
        self.outbox = Outbox(journal)
        kept = [msgspec.convert(value, Incident) for _, value in journal.under("incident/")]
        silences = [msgspec.convert(value, Silence) for _, value in journal.under("silence/")]
        self.incidents = Incidents(times or Times(), kept, silences)

    def tick(self, tick: Tick) -> list[Change]:
        """What one look at everything changes; on disk when this returns.

        :raises TailraceError: if the journal takes no more.
        """
        changes = self.incidents.tick(tick)
        self._journal.put(self._pending() | self._rows(changes) | self._forgotten())
        return changes

    def acknowledge(self, key: str, who: str, at: float) -> Change:
        """Somebody looks at an incident.

        :raises UsageError: if there is no such incident.
        """
        change = self.incidents.acknowledge(key, who, at)
        self._journal.put(self._rows([change]))
        return change

    def silence(self, silence: Silence) -> None:
        """From now on."""
        self.incidents.silence(silence)
        self._journal.put({f"silence/{silence.id}": silence})

    def lift(self, id: str) -> None:
        """End a silence.

        :raises UsageError: if there is none of this name.
        """
        self.incidents.lift(id)
        self._journal.put({f"silence/{id}": None})

    def _pending(self) -> dict[str, Any]:
        """Rows of those that are new."""
        names = {f"incident/{each.key}": each for each in self.incidents if each.state == "pending"}
        return {name: incident for name, incident in names.items() if name not in self._journal}

    def _rows(self, changes: Iterable[Change]) -> dict[str, Any]:
        rows: dict[str, Any] = {}
        for change in changes:
            rows[f"incident/{change.incident.key}"] = change.incident
            if not change.silent:
                alert = self._message(change)
                rows |= self.outbox.rows_for(alert, self._targets(alert))
        return rows

    def _targets(self, alert: Alert) -> list[str]:
        """Whose matchers choose it, and who was told of this incident before: they hear its end, too."""
        return [
            target
            for target, matchers in self._routes.items()
            if all(matcher.matches(alert.labels) for matcher in matchers)
            or self.outbox.knows(target, alert.key)
        ]

    def _forgotten(self) -> dict[str, Any]:
        """Rows that take away incidents and silences that are no more."""
        alive = {incident.key for incident in self.incidents}
        silences = {silence.id for silence in self.incidents.silences}
        rows: dict[str, Any] = {}
        for name, _ in self._journal.under("incident/"):
            key = name.removeprefix("incident/")
            if key not in alive:
                rows |= {name: None} | self.outbox.forget(key, self._routes)
        for name, _ in self._journal.under("silence/"):
            if name.removeprefix("silence/") not in silences:
                rows[name] = None
        return rows
