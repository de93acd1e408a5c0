"""Incidents, silences and what is still to be told, in one journal.

What happened and who will hear of it are one batch. Incidents that are pending are kept from their first tick on: a
restart does not begin their time anew.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from actors.explain.causes import Explanation
from actors.incidents.incidents import Incidents, Times
from actors.incidents.items import Change, EdgeEvent, Incident, Silence, Tick
from alerts.archive import Archive
from alerts.events import EventLog
from alerts.groups import Groups
from alerts.journal import Journal
from alerts.outbox import Outbox
from alerts.routing import Routing
from model.alert import Alert
from model.errors import UsageError
from model.ledger import Ledger

#: Silences at once.
_SILENCES: Final = 1000


class Book:
    """Kept over restarts, and over ``kill -9``.

    :param routing: who is told of what.
    :param message: what targets are told of a change.
    :param explained: what is known of the cause of an incident.
    :param ledger: counts what targets are told.
    :ivar incidents: as they are now; change them by the methods here, or nothing of it is kept.
    :ivar archive: what happened to them, and those that are over.
    :ivar events: what happened to edges and is no alarm.
    """

    def __init__(
        self,
        journal: Journal,
        routing: Routing,
        message: Callable[[Change], Alert],
        times: Times | None = None,
        explained: Callable[[Incident], Explanation] = lambda _: Explanation(),
        ledger: Ledger | None = None,
    ) -> None:
        self._journal = journal
        self._routing = routing
        self._message = message
        self._explained = explained
        self.archive = Archive(journal)
        self.events = EventLog(journal)
        self.outbox = Outbox(journal, wishes=routing.targets, ledger=ledger)
        self._groups = _groups(journal, routing)
        kept = [msgspec.convert(value, Incident) for _, value in journal.under("incident/")]
        silences = [msgspec.convert(value, Silence) for _, value in journal.under("silence/")]
        self.incidents = Incidents(times or Times(), kept, silences)

    def route(self, routing: Routing) -> None:
        """Whom incidents go to from now on; what was kept of targets that are no more is forgotten.

        :raises TailraceError: if the journal takes no more.
        """
        self.outbox.choose(routing.targets)
        self._groups = _groups(self._journal, routing)
        self._routing = routing

    def tick(self, tick: Tick, events: Iterable[EdgeEvent] = ()) -> list[Change]:
        """What one look at everything changes; on disk when this returns.

        :param events: what happened to edges and is no alarm.
        :raises TailraceError: if the journal takes no more.
        """
        changes = self.incidents.tick(tick)
        rows = self._pending() | self._rows(changes) | self.events.rows_for(events)
        self._journal.put(rows | self._forgotten(tick.at, rows))
        return changes

    def acknowledge(self, key: str, who: str, at: float) -> Change:
        """Somebody looks at an incident.

        :raises UsageError: if there is no such incident.
        """
        change = self.incidents.acknowledge(key, who, at)
        self._journal.put(self._rows([change], who))
        return change

    def silence(self, silence: Silence) -> None:
        """From now on; on disk when this returns.

        :raises UsageError: if there are too many.
        """
        others = [each for each in self.incidents.silences if each.id != silence.id]
        if len(others) >= _SILENCES:
            raise UsageError(f"there are {_SILENCES} silences", "lift some: tailrace silence --lift ID")
        self._journal.put({f"silence/{silence.id}": silence})
        self.incidents.silence(silence)

    def lift(self, id: str) -> None:
        """End a silence.

        :raises UsageError: if there is none of this name.
        """
        self.incidents.lift(id)
        self._journal.put({f"silence/{id}": None})

    def kept(self, prefixes: Iterable[str]) -> dict[str, Any]:
        """What the journal has under these prefixes of keys."""
        return {key: value for prefix in prefixes for key, value in self._journal.under(prefix)}

    def _pending(self) -> dict[str, Any]:
        """Rows of those that are new."""
        names = {f"incident/{each.key}": each for each in self.incidents if each.state == "pending"}
        return {name: incident for name, incident in names.items() if name not in self._journal}

    def _rows(self, changes: Iterable[Change], who: str = "") -> dict[str, Any]:
        rows: dict[str, Any] = {}
        for change in changes:
            alert = self._message(change)
            rows[f"incident/{change.incident.key}"] = change.incident
            rows |= self.archive.rows_for(change, alert, self._explained(change.incident), who)
            if not change.silent:
                for target in self._targets(alert):
                    if (told := self._groups.rows_for(alert, target, rows)) is not None:
                        rows |= self.outbox.rows_for(told, [target], rows)
        return rows

    def _targets(self, alert: Alert) -> list[str]:
        """Whose wishes choose it, and who was told of this incident before: they hear its end, too."""
        wanted = self._routing.wanted_by(alert.labels)
        return [
            target
            for target in self._routing.targets
            if target in wanted
            or self.outbox.knows(target, alert.key)
            or self._groups.holds(target, alert.key)
        ]

    def _forgotten(self, at: float, now: Mapping[str, Any]) -> dict[str, Any]:
        """Rows that put away incidents and silences that are no more.

        :param now: rows that are newer than those in the journal.
        """
        alive = {incident.key for incident in self.incidents}
        silences = {silence.id for silence in self.incidents.silences}
        rows: dict[str, Any] = {}
        ended = 0
        for name, value in self._journal.under("incident/"):
            key = name.removeprefix("incident/")
            if key in alive:
                continue
            rows |= {name: None} | self.outbox.forget(key, self._routing.targets)
            last = msgspec.convert(now.get(name, value), Incident)
            if last.state != "pending":  # those that never opened are forgotten
                rows |= self.archive.ended(last)
                ended += 1
        for name, _ in self._journal.under("silence/"):
            if name.removeprefix("silence/") not in silences:
                rows[name] = None
        return self.archive.outdated(at, ended) | rows


def _groups(journal: Journal, routing: Routing) -> Groups:
    return Groups(journal, {name: each.group for name, each in routing.targets.items()})
