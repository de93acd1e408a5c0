"""What is still to be told to whom, kept in the journal: at least once, the newest state of each incident.

Keys in the journal: ``out/TARGET/INCIDENT`` an alert that waits, ``said/TARGET/INCIDENT`` what was sent last with its
receipt, ``lane/TARGET`` when a target that was away is asked again, ``dead/TARGET/ID`` what no target will take.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from alerts.journal import Journal
from model.alert import Alert
from model.alert_target import AlertError

#: Seconds between two attempts: doubled each time, up to the longest.
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 300.0
#: Dead letters that are kept to be read; older ones are counted only.
_DEAD_KEPT: Final = 100


class Letter(NamedTuple):
    """An alert that is due, and what the target returned for the one before it."""

    target: str
    alert: Alert
    receipt: str


class Outbox:
    """Of all targets.

    :param most: alerts that wait for one target; past it the oldest becomes a dead letter.
    :ivar counts: by target and what became of alerts: offered, overtaken, sent, retried, dead.
    """

    def __init__(self, journal: Journal, most: int = 2000) -> None:
        self._journal = journal
        self._most = most
        self.counts: Counter[tuple[str, str]] = Counter()

    def rows_for(self, alert: Alert, targets: Iterable[str]) -> dict[str, Any]:
        """Rows with which targets will be told; whoever puts them into the journal may put more in the same batch.

        A state that still waits is overtaken.
        """
        rows: dict[str, Any] = {}
        for target in targets:
            key = f"out/{target}/{alert.key}"
            self.counts[target, "offered"] += 1
            if key in self._journal:
                self.counts[target, "overtaken"] += 1
            rows[key] = alert
            waiting = [each for each, _ in self._journal.under(f"out/{target}/") if each != key]
            for oldest in waiting[: max(len(waiting) + 1 - self._most, 0)]:
                rows |= self._dead(
                    target, _alert(self._journal[oldest]), "too many alerts wait for this target"
                )
        return rows

    def offer(self, alert: Alert, targets: Iterable[str]) -> None:
        """Tell targets of it, sooner or later; on disk when this returns."""
        self._journal.put(self.rows_for(alert, targets))

    def due(self, target: str, now: float) -> Letter | None:
        """What is to be sent now, the oldest first; None: nothing, or the target is not to be asked yet."""
        if now < self.asked_again_at(target):
            return None
        found = next(self._journal.under(f"out/{target}/"), None)
        return self._letter(target, _alert(found[1])) if found else None

    def repeated(self, target: str, now: float, seconds: float) -> list[Letter]:
        """Open incidents that were last sent so long ago, for targets that forget."""
        return [
            self._letter(target, _alert(said["alert"]))
            for _, said in self._journal.under(f"said/{target}/")
            if said["alert"]["event"] != "resolve" and now - said["at"] >= seconds
        ]

    def sent(self, letter: Letter, receipt: str, now: float) -> None:
        """The target took it. A newer state that came meanwhile still waits."""
        target, alert = letter.target, letter.alert
        self.counts[target, "sent"] += 1
        said = {"alert": alert, "receipt": receipt, "at": now}
        rows = {f"said/{target}/{alert.key}": said}
        self._journal.put(rows | self._gone(target, alert) | {f"lane/{target}": None})

    def failed(self, letter: Letter, error: AlertError, now: float) -> None:
        """It did not: it is asked again later, or never."""
        target = letter.target
        if not error.retryable:
            self._journal.put(self._dead(target, letter.alert, str(error)))
            return
        self.counts[target, "retried"] += 1
        key = f"lane/{target}"
        before = self._journal[key]["pause"] if key in self._journal else 0.0
        pause = min(max(2 * before, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
        self._journal.put({key: {"pause": pause, "until": now + max(pause, error.pause)}})

    def asked_again_at(self, target: str) -> float:
        """Unix seconds; 0: at any time."""
        key = f"lane/{target}"
        return float(self._journal[key]["until"]) if key in self._journal else 0.0

    def waiting(self, target: str) -> int:
        """Alerts for it."""
        return sum(1 for _ in self._journal.under(f"out/{target}/"))

    def dead_letters(self) -> list[dict[str, Any]]:
        """The last ones: ``target``, ``alert``, ``why``."""
        return [value for _, value in self._journal.under("dead/")]

    def knows(self, target: str, key: str) -> bool:
        """Whether a target was told of an incident, or is about to be."""
        return any(f"{what}/{target}/{key}" in self._journal for what in ("out", "said"))

    def forget(self, key: str, targets: Iterable[str]) -> dict[str, Any]:
        """Rows that take away what was said of an incident that nobody will speak of again."""
        return {f"said/{target}/{key}": None for target in targets if f"said/{target}/{key}" in self._journal}

    def _letter(self, target: str, alert: Alert) -> Letter:
        said = f"said/{target}/{alert.key}"
        return Letter(target, alert, self._journal[said]["receipt"] if said in self._journal else "")

    def _gone(self, target: str, alert: Alert) -> dict[str, Any]:
        key = f"out/{target}/{alert.key}"
        same = key in self._journal and self._journal[key]["revision"] == alert.revision
        return {key: None} if same else {}

    def _dead(self, target: str, alert: Alert, why: str) -> dict[str, Any]:
        self.counts[target, "dead"] += 1
        kept = [key for key, _ in self._journal.under("dead/")]
        rows: dict[str, Any] = dict.fromkeys(kept[: max(len(kept) + 1 - _DEAD_KEPT, 0)])
        rows[f"dead/{target}/{alert.id}"] = {"target": target, "alert": alert, "why": why}
        return rows | self._gone(target, alert)


def _alert(value: Any) -> Alert:
    return msgspec.convert(value, Alert)
