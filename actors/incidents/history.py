"""What happened to an incident, one line after the other, and what was last known of its cause. Bounded."""

from typing import Final

import msgspec

from actors.explain.causes import Cause, Explanation
from actors.incidents.items import Change
from model.alert import Alert

#: Lines that are kept: the first ones, which say how it began, and the last.
FIRST: Final = 20
LAST: Final = 80
#: Causes, and other names of each, that are kept.
_CAUSES: Final = 5
_NAMES: Final = 10


class Entry(msgspec.Struct, frozen=True):
    """One line.

    :param at: Unix seconds.
    :param what: ``open``, ``update``, ``resolve`` or ``acknowledge``.
    :param text: in words.
    :param who: did it; empty: the detector.
    :param muted_by: the silence for which nobody was told of it; empty: targets were.
    """

    at: float
    what: str
    text: str
    who: str = ""
    muted_by: str = ""


class CauseKept(msgspec.Struct, frozen=True):
    """A cause in figures, as ``Cause`` has them."""

    where: dict[str, str]
    explains: float
    score: float
    bad: float
    total: float
    expected: float
    rate_outside: float
    also_known_as: list[dict[str, str]]


class History(msgspec.Struct):
    """Of one incident.

    :ivar left_out: lines between the first and the last ones, which were let go.
    :ivar text: the newest message.
    :ivar causes: of the newest explanation, best first; ``no_difference``: attributes that it is not;
        ``just_before``: what began just before, in words.
    """

    entries: list[Entry] = []
    left_out: int = 0
    text: str = ""
    causes: list[CauseKept] = []
    no_difference: list[str] = []
    just_before: list[str] = []

    def note(self, entry: Entry) -> None:
        """One more line."""
        self.entries = [*self.entries, entry]
        if len(self.entries) > FIRST + LAST:
            del self.entries[FIRST]
            self.left_out += 1

    def take(self, change: Change, alert: Alert, explanation: Explanation, who: str = "") -> None:
        """What a change says. The last explanation stays if there is no newer one.

        :param who: acknowledges it with this change; empty: the detector made it.
        """
        what, muted_by = "acknowledge" if who else change.event, change.incident.muted_by
        self.note(Entry(change.incident.at, what, alert.short, who, muted_by if change.silent else ""))
        self.text = alert.text
        if explanation.causes:
            self.causes = [_kept(cause) for cause in explanation.causes[:_CAUSES]]
            self.no_difference = list(explanation.no_difference)
            self.just_before = list(explanation.just_before[:_CAUSES])

    @property
    def explanation(self) -> Explanation:
        """The newest one."""
        causes = [
            Cause(
                each.where, each.score, each.bad, each.total, each.expected, each.explains, each.rate_outside,
                each.also_known_as,
            )
            for each in self.causes
        ]  # fmt: skip
        return Explanation(causes, self.no_difference, self.just_before)


def _kept(cause: Cause) -> CauseKept:
    return CauseKept(
        cause.where,
        cause.explains,
        cause.score,
        cause.bad,
        cause.total,
        cause.expected,
        cause.rate_outside,
        cause.also_known_as[:_NAMES],
    )
