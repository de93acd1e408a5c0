"""What is still to be told to whom, kept in the journal: the newest state of each incident.

At least once; what may come for a second time to a target that would not know it says so (``alerts.in_flight``).

Keys in the journal: ``out/TARGET/INCIDENT`` an alert that waits, ``said/TARGET/INCIDENT`` what was sent last with its
receipt, ``lane/TARGET`` when a target that was away is asked again, ``pace/TARGET`` how many messages it may have,
``dead/TARGET/ID`` what no target will take.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from alerts.counts import Counts
from alerts.in_flight import AGAIN, InFlight
from alerts.journal import Journal
from alerts.pace import PAUSE_S, Bucket, summary, summary_key
from alerts.routing import Wishes
from model.alert import Alert
from model.alert_target import AlertError
from model.ledger import Ledger

#: Seconds between two attempts: doubled each time, up to the longest.
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 300.0
#: What keys of a target begin with; dead letters stay to be read.
_OF_TARGETS: Final = ("out", "said", "lane", "pace", "flight", "group")
#: Dead letters that are kept to be read; older ones are counted only.
_DEAD_KEPT: Final = 100


class Letter(NamedTuple):
    """An alert that is due.

    :param receipt: what the target returned for the one before it.
    :param again: it was on its way when Tailrace was killed, and may have come.
    """

    target: str
    alert: Alert
    receipt: str
    again: bool = False

    @property
    def told(self) -> Alert:
        """What the target is told."""
        if not self.again:
            return self.alert
        return msgspec.structs.replace(self.alert, text=f"{self.alert.text}\n{AGAIN}")


class Outbox:
    """Of all targets.

    :param most: alerts that wait for one target; past it the oldest becomes a dead letter.
    :param wishes: limits, by target; others have none.
    :param ledger: has a stage for each target.
    :ivar counts: by target, what became of alerts.
    """

    def __init__(
        self,
        journal: Journal,
        most: int = 2000,
        wishes: Mapping[str, Wishes] | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self._journal = journal
        self._most = most
        self._wishes = wishes or {}
        self._flights = InFlight(journal)
        self.counts = Counts(ledger or Ledger())
        self.choose(self._wishes)

    def choose(self, wishes: Mapping[str, Wishes]) -> None:
        """These are the targets from now on; what was kept of others is forgotten.

        :param wishes: as of the constructor.
        """
        self._wishes = wishes
        if wishes:
            prefixes = tuple(f"{what}/{target}/" for what in _OF_TARGETS for target in wishes)
            rows = [name for what in _OF_TARGETS for name, _ in self._journal.under(f"{what}/")]
            self._journal.put({name: None for name in rows if not f"{name}/".startswith(prefixes)})
        for target in wishes:
            self.counts.begin(target, self.waiting(target))

    def rows_for(
        self, alert: Alert, targets: Iterable[str], batch: Mapping[str, Any] = MappingProxyType({})
    ) -> dict[str, Any]:
        """Rows with which targets will be told; whoever puts them into the journal may put more in the same batch.

        A state that still waits is overtaken.

        :param batch: what it has already.
        """
        rows: dict[str, Any] = {}
        for target in targets:
            key, prefix = f"out/{target}/{alert.key}", f"out/{target}/"
            self.counts.add(target, "offered")
            others = [each for each, row in batch.items() if row is not None and each.startswith(prefix)]
            self.counts.add(target, "overtaken", key in self._journal or key in others)
            rows[key] = alert
            waiting = [each for each, _ in self._journal.under(prefix) if each != key]
            beside = [each for each in others if each not in (key, *waiting)]
            most = max(self._most - 1 - len(beside), 0)
            for oldest in waiting[: max(len(waiting) - most, 0)]:
                forgotten = _alert(self._journal[oldest])
                rows |= self._dead(target, forgotten, "too many alerts wait for this target")
            self.counts.wait(target, min(len(waiting), most) + len(beside) + 1)
        return rows

    def offer(self, alert: Alert, targets: Iterable[str]) -> None:
        """Tell targets of it, sooner or later; on disk when this returns."""
        self._journal.put(self.rows_for(alert, targets))

    def due(self, target: str, now: float) -> Letter | None:
        """What is to be sent now, the oldest first; None: nothing, or the target is not to be asked yet.

        What may have come already, and need not come twice, is passed over.
        """
        while (letter := self._next(target, now)) and self._needs_no_repeat(letter):
            self._settled(letter, letter.receipt, now, "unsure")
        return letter

    def _next(self, target: str, now: float) -> Letter | None:
        if now < self.asked_again_at(target):
            return None
        limit = self._wishes.get(target, Wishes()).limit
        if limit and self._bucket(target, now).tokens < 1.0:
            return self._without_token(target, now)
        found = next(self._journal.under(f"out/{target}/"), None)
        if found:
            return self._letter(target, _alert(found[1]))
        return self._summary(target, [], now)

    def repeated(self, target: str, now: float, seconds: float) -> list[Letter]:
        """Open incidents that were last sent so long ago, for targets that forget."""
        return [
            self._letter(target, _alert(said["alert"]))
            for _, said in self._journal.under(f"said/{target}/")
            if said["alert"]["event"] != "resolve" and now - said["at"] >= seconds
        ]

    def begin(self, letter: Letter, now: float) -> None:
        """It is about to be sent to a target that does not know alerts by their ids; on disk when this returns."""
        self._flights.begin(letter.target, letter.alert, now)

    def sent(self, letter: Letter, receipt: str, now: float) -> None:
        """The target took it. A newer state that came meanwhile still waits."""
        self.counts.add(letter.target, "told_again", letter.again)
        self._settled(letter, receipt, now, "sent")

    def _needs_no_repeat(self, letter: Letter) -> bool:
        """Of what may have come: changes, unless they are made in place, and all if the target wants it so."""
        if not letter.again:
            return False
        if self._wishes.get(letter.target, Wishes()).after_kill == "skip":
            return True
        known = f"said/{letter.target}/{letter.alert.key}" in self._journal
        return known and letter.alert.event == "update" and not letter.receipt

    def _settled(self, letter: Letter, receipt: str, now: float, how: str) -> None:
        target, alert = letter.target, letter.alert
        self._settle(letter, how)
        over = alert.event == "resolve" and f"incident/{alert.key}" not in self._journal
        said = None if over else {"alert": alert, "receipt": receipt, "at": now}
        rows = {f"said/{target}/{alert.key}": said, f"lane/{target}": None}
        rows |= self._gone(target, alert) | self._paid(letter, now) | self._flights.over(target)
        self._journal.put(rows)
        self.counts.wait(target, self.waiting(target))

    def failed(self, letter: Letter, error: AlertError, now: float) -> None:
        """It did not: it is asked again later, or never."""
        target = letter.target
        if not error.retryable:
            rows = self._dead(target, letter.alert, str(error)) | self._paid(letter, now)
            self._journal.put(rows | self._flights.over(target))
            self.counts.wait(target, self.waiting(target))
            return
        self.counts.add(target, "retried")
        key = f"lane/{target}"
        before = self._journal[key]["pause"] if key in self._journal else 0.0
        pause = min(max(2 * before, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
        rows = {key: {"pause": pause, "until": now + max(pause, error.pause)}}
        self._journal.put(rows | self._flights.failed(target, letter.alert))

    def asked_again_at(self, target: str) -> float:
        """Unix seconds; 0: at any time."""
        key = f"lane/{target}"
        until = float(self._journal[key]["until"]) if key in self._journal else 0.0
        return max(until, self._flights.asked_again_at(target))

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

    def _without_token(self, target: str, now: float) -> Letter | None:
        """The end of what the target knows of; a summary of what else waits."""
        waiting: list[Alert] = []
        over: dict[str, Any] = {}
        for key, value in self._journal.under(f"out/{target}/"):
            alert = _alert(value)
            told = f"said/{target}/{alert.key}" in self._journal or self._flights.may_know(target, alert.key)
            if alert.event == "resolve" and told:
                return self._letter(target, alert)
            if alert.event == "resolve":
                over[key] = None
            elif not told:
                waiting.append(alert)
        self._journal.put(over)
        self.counts.add(target, "folded", len(over))
        self.counts.wait(target, self.waiting(target))
        return self._summary(target, waiting, now)

    def _summary(self, target: str, waiting: list[Alert], now: float) -> Letter | None:
        """That of those that wait, if it says anything new and its time has come."""
        said = self._journal.get(f"said/{target}/{summary_key(target)}")
        before = _alert(said["alert"]) if said else None
        if not waiting and before is None:
            return None
        if waiting and now < self._bucket(target, now).summed_at + PAUSE_S:
            return None
        alert = summary(target, waiting, before, now)
        same = before is not None and alert.text == before.text
        return None if same else self._letter(target, alert)

    def _paid(self, letter: Letter, now: float) -> dict[str, Any]:
        """Rows for a message that was sent: an end and what is sent again cost nothing, a summary its pause."""
        target, alert = letter.target, letter.alert
        said = self._journal.get(f"said/{target}/{alert.key}")
        again = said is not None and said["alert"]["revision"] == alert.revision
        if again or not self._wishes.get(target, Wishes()).limit:
            return {}
        bucket = self._bucket(target, now)
        if alert.key == summary_key(target):
            self.counts.add(target, "summaries")
            bucket = bucket._replace(summed_at=now)
        elif alert.event != "resolve":
            bucket = bucket._replace(tokens=bucket.tokens - 1.0)
        return {f"pace/{target}": bucket._asdict()}

    def _bucket(self, target: str, now: float) -> Bucket:
        wishes = self._wishes[target]
        return Bucket.read(self._journal.get(f"pace/{target}")).filled(
            wishes.limit, wishes.limit_seconds, now
        )

    def _settle(self, letter: Letter, how: str) -> None:
        """Count what became of a letter; what never waited (summaries, repeats) is offered now."""
        target, alert = letter.target, letter.alert
        waits = self._journal.get(f"out/{target}/{alert.key}")
        if waits is None:
            self.counts.add(target, "offered")
        elif waits["revision"] != alert.revision:
            self.counts.add(target, "overtaken", -1)
        self.counts.add(target, how)

    def _letter(self, target: str, alert: Alert) -> Letter:
        said = f"said/{target}/{alert.key}"
        receipt = self._journal[said]["receipt"] if said in self._journal else ""
        return Letter(target, alert, receipt, self._flights.is_unsure(target, alert))

    def _gone(self, target: str, alert: Alert) -> dict[str, Any]:
        key = f"out/{target}/{alert.key}"
        same = key in self._journal and self._journal[key]["revision"] == alert.revision
        return {key: None} if same else {}

    def _dead(self, target: str, alert: Alert, why: str) -> dict[str, Any]:
        self._settle(Letter(target, alert, ""), "dead")
        kept = [key for key, _ in self._journal.under("dead/")]
        rows: dict[str, Any] = dict.fromkeys(kept[: max(len(kept) + 1 - _DEAD_KEPT, 0)])
        rows[f"dead/{target}/{alert.id}"] = {"target": target, "alert": alert, "why": why}
        return rows | self._gone(target, alert)


def _alert(value: Any) -> Alert:
    return msgspec.convert(value, Alert)
