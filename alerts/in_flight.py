"""What was on its way to a target when Tailrace was killed: it may have come, or not.

Key in the journal: ``flight/TARGET`` the message that is being sent, on disk before the target sees any of it.
Targets that know an alert by its id need none: what comes twice is the same to them.
"""

from typing import Any, Final

import msgspec

from alerts.journal import Journal
from alerts.pace import summary_key
from model.alert import Alert

#: Seconds before what was on its way is sent again: doubled each time that it is interrupted, up to the longest.
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 300.0
_MOST_DOUBLINGS: Final = 9
#: What a message ends with that may have come before.
AGAIN: Final = "Told again: Tailrace was stopped while it sent this message."


class Flight(msgspec.Struct, frozen=True):
    """A message that is being sent.

    :param at: Unix seconds at which that began.
    :param attempts: how often it was begun, and not seen to end.
    """

    key: str
    revision: int
    at: float
    attempts: int = 1

    @property
    def pause(self) -> float:
        """Seconds that it waits after it was interrupted."""
        doublings = min(self.attempts - 1, _MOST_DOUBLINGS)
        return min(_FIRST_PAUSE_S * 2.0**doublings, _LONGEST_PAUSE_S)


class InFlight:
    """Of all targets; one message at a time to each."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._interrupted = {
            name.removeprefix("flight/"): msgspec.convert(value, Flight)
            for name, value in journal.under("flight/")
        }

    def begin(self, target: str, alert: Alert, now: float) -> None:
        """It is about to be sent; on disk when this returns."""
        before = self._interrupted[target].attempts if self.is_unsure(target, alert) else 0
        self._journal.put({f"flight/{target}": Flight(alert.key, alert.revision, now, before + 1)})

    def is_unsure(self, target: str, alert: Alert) -> bool:
        """Whether the target may have it already. Of summaries any is the next state of the one before."""
        left = self._interrupted.get(target)
        if left is None or left.key != alert.key:
            return False
        return left.revision == alert.revision or alert.key == summary_key(target)

    def may_know(self, target: str, key: str) -> bool:
        """Whether the target may have been told of an incident by what was interrupted."""
        left = self._interrupted.get(target)
        return left is not None and left.key == key

    def asked_again_at(self, target: str) -> float:
        """Unix seconds; 0: at any time."""
        left = self._interrupted.get(target)
        return left.at + left.pause if left else 0.0

    def over(self, target: str) -> dict[str, Any]:
        """Rows with which it is known what became of the message."""
        self._interrupted.pop(target, None)
        name = f"flight/{target}"
        return {name: None} if name in self._journal else {}

    def failed(self, target: str, alert: Alert) -> dict[str, Any]:
        """Rows after the target did not take it: one that was interrupted before may have come all the same."""
        return {} if self.is_unsure(target, alert) else self.over(target)
