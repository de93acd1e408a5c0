"""How many messages a target gets: a bucket of tokens for each, and one summary of what waits without one."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from model.alert import SEVERITIES, SHORT, Alert, cut

#: Seconds between two summaries of a target.
PAUSE_S: Final = 60.0
#: Incidents that a summary names; others are counted.
_NAMED: Final = 20


class Bucket(NamedTuple):
    """Tokens at a time, kept in the journal.

    :param at: Unix seconds; 0: never.
    :param summed_at: Unix seconds of the last attempt at a summary.
    """

    tokens: float = 0.0
    at: float = 0.0
    summed_at: float = 0.0

    def filled(self, limit: int, seconds: float, now: float) -> "Bucket":
        """As it is now: full at first, and again after ``seconds``. A clock that was put back adds nothing."""
        if not self.at:
            return self._replace(tokens=float(limit), at=now)
        gained = max(now - self.at, 0.0) * limit / seconds
        return self._replace(tokens=min(self.tokens + gained, float(limit)), at=now)

    @classmethod
    def read(cls, kept: Mapping[str, float] | None) -> "Bucket":
        """From the journal."""
        return cls(**kept) if kept else cls()


def summary_key(target: str) -> str:
    """The key of a target's summary; no incident has one like it."""
    return f"tailrace-more-{target}"


def summary(target: str, waiting: Sequence[Alert], before: Alert | None, now: float) -> Alert:
    """One alert for those that wait; the end of the summary if none do.

    :param before: the last one.
    """
    worst = max(waiting, key=lambda each: SEVERITIES.index(each.severity), default=before)
    assert worst is not None, "none wait, and none was told"
    event = ("update" if before else "open") if waiting else "resolve"
    short = _headline(waiting)
    named = [each.short for each in waiting[:_NAMED]]
    if len(waiting) > _NAMED:
        named.append(f"and {len(waiting) - _NAMED:,} more")
    return Alert(
        key=summary_key(target),
        revision=max(int(now), before.revision + 1 if before else 0),
        event=event,  # type: ignore[arg-type]
        severity=worst.severity,
        subject=f"more incidents for {target}",
        symptom="limit",
        short=short,
        text="\n".join([short, *named, "`tailrace incidents` shows all."]),
        since=min((each.since for each in waiting), default=worst.since),
        at=now,
    )


def _headline(waiting: Sequence[Alert]) -> str:
    if not waiting:
        return "RESOLVED: no more incidents wait for the limit of messages"
    worst = max(waiting, key=lambda each: SEVERITIES.index(each.severity))
    noun = "incident waits" if len(waiting) == 1 else "incidents wait"
    subjects = ", ".join(dict.fromkeys(each.subject for each in waiting))
    first = f"{worst.severity.upper()} {len(waiting):,} more {noun} for the limit of messages: {subjects}"
    return cut(first, SHORT)
