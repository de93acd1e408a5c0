"""The history of each incident, and incidents that are over, in the journal: bounded in number and age.

Keys in the journal: ``history/INCIDENT`` what happened to it, ``past/INCIDENT`` one that will not come back.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from actors.explain.causes import Explanation
from actors.incidents.history import History
from actors.incidents.items import Change, Incident
from alerts.journal import Journal
from model.alert import Alert

#: Incidents that are over: so many at most, and for so many seconds.
_MOST: Final = 1000
_KEPT_S: Final = 30 * 86_400.0
#: Edges by name of one that is over.
_EDGES: Final = 100


class Archive:
    """Gives rows; whoever puts them into the journal may put more in the same batch.

    :param most: incidents that are over; past it the oldest is forgotten.
    :ivar forgotten: incidents that were over, and were let go for want of room or for their age.
    """

    def __init__(self, journal: Journal, most: int = _MOST) -> None:
        self._journal = journal
        self._most = most
        self.forgotten = 0

    def __iter__(self) -> Iterator[Incident]:
        """Those that are over, the one that ended first first."""
        return (msgspec.convert(value, Incident) for _, value in self._journal.under("past/"))

    def find(self, key: str) -> Incident | None:
        """One that is over."""
        name = f"past/{key}"
        return msgspec.convert(self._journal[name], Incident) if name in self._journal else None

    def history(self, key: str) -> History:
        """What happened to an incident; empty: nothing that is known."""
        name = f"history/{key}"
        return msgspec.convert(self._journal[name], History) if name in self._journal else History()

    def rows_for(
        self, change: Change, alert: Alert, explanation: Explanation, who: str = ""
    ) -> dict[str, Any]:
        """Rows that add a change to the history of its incident; ``who`` as ``History.take`` has it."""
        history = self.history(change.incident.key)
        history.take(change, alert, explanation, who)
        return {f"history/{change.incident.key}": history}

    def ended(self, incident: Incident) -> dict[str, Any]:
        """Rows that keep one which will not come back."""
        incident.edges = incident.edges[:_EDGES]
        incident.troubles = []
        return {f"past/{incident.key}": incident}

    def outdated(self, at: float, more: int = 0) -> dict[str, Any]:
        """Rows that take away those which were over for too long, or are too many.

        :param more: that are about to come.
        """
        kept = list(self._journal.under("past/"))
        room = max(len(kept) + more - self._most, 0)
        gone = [
            name.removeprefix("past/")
            for place, (name, value) in enumerate(kept)
            if place < room or at - value["ended"] > _KEPT_S
        ]
        self.forgotten += len(gone)
        return {f"{what}/{key}": None for key in gone for what in ("past", "history")}
