"""What happened to edges and is no alarm, in the journal: bounded. Keys: ``event/NUMBER``."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from actors.incidents.items import EdgeEvent
from alerts.journal import Journal

#: That are kept; the oldest make room.
_MOST: Final = 2000
#: Seconds within which the same event of an edge is told once: each of several engines sees it.
_ONCE_S: Final = 600.0


class EventLog:
    """Gives rows; whoever puts them into the journal may put more in the same batch.

    :param most: that are kept.
    """

    def __init__(self, journal: Journal, most: int = _MOST) -> None:
        self._journal = journal
        self._most = most
        self._last: dict[tuple[str, str], float] = {}
        self._next = 1 + max((int(key.partition("/")[2]) for key, _ in journal.under("event/")), default=0)

    def rows_for(self, events: Iterable[EdgeEvent]) -> dict[str, Any]:
        """Rows that add these, and take away the oldest beyond the limit."""
        rows: dict[str, Any] = {}
        for event in events:
            same = event.edge, event.what
            if event.at - self._last.get(same, float("-inf")) < _ONCE_S:
                continue
            self._last[same] = event.at
            rows[f"event/{self._next}"] = event
            self._next += 1
        if rows:
            newest = max(event.at for event in rows.values())
            self._last = {same: at for same, at in self._last.items() if newest - at < _ONCE_S}
            kept = [key for key, _ in self._journal.under("event/")]
            rows |= dict.fromkeys(kept[: max(len(kept) + len(rows) - self._most, 0)])
        return rows

    def kept(self) -> list[EdgeEvent]:
        """The oldest first."""
        return [msgspec.convert(value, EdgeEvent) for _, value in self._journal.under("event/")]
