"""What became of alerts, by target, in the ledger: the stage ``alerts.TARGET`` balances."""

from collections import Counter
from typing import Final

from model.ledger import Ledger, Stage

#: Fates of alerts that are never sent.
_DROPPED: Final = frozenset({"overtaken", "folded", "dead", "unsure"})


class Counts:
    """Of all targets.

    What happens: ``offered``, ``sent``, ``overtaken`` by a newer state while it waited, ``folded``: ended while only
    a summary had told of it, ``dead``: refused, or too many waited, ``unsure``: on its way when Tailrace was killed,
    and not told again; and, of messages: ``retried``, ``summaries``, ``told_again`` as they may have come before.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._counts: Counter[tuple[str, str]] = Counter()

    def __getitem__(self, key: tuple[str, str]) -> int:
        """Of a target, by what happened."""
        return self._counts[key]

    def add(self, target: str, what: str, count: int = 1) -> None:
        """It happened so often."""
        if not count:
            return
        self._counts[target, what] += count
        stage = self._stage(target)
        if what == "offered":
            stage.received += count
        elif what == "sent":
            stage.delivered += count
        elif what in _DROPPED:
            stage.drop(what, count)
        else:
            stage.note(what, count)

    def begin(self, target: str, waiting: int) -> None:
        """So many wait from before: what this process counted as waiting when it had them last is among them."""
        stage = self._stage(target)
        self.add(target, "offered", waiting - stage.queued)
        stage.queued = waiting

    def wait(self, target: str, waiting: int) -> None:
        """So many wait now."""
        self._stage(target).queued = waiting

    def _stage(self, target: str) -> Stage:
        return self._ledger.stage(f"alerts.{target}", "alerts")
