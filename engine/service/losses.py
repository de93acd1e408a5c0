"""Losses of the ledger as entries of the log: each stage and reason, as often as it helps."""

import logging
from typing import Final

from model.ledger import Ledger

#: Seconds between two entries of one stage and reason.
AGAIN_SECONDS: Final = 60.0
#: Losses in a status line at most.
_SHOWN: Final = 3

log = logging.getLogger(__name__)


class NewLosses:
    """What was lost since it was last logged."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._logged: dict[tuple[str, str], tuple[int, float]] = {}  # count and time, by stage and reason

    def log(self, now: float) -> None:
        """Logs what is new.

        :param now: monotonic, in seconds.
        """
        for (name, reason), count in self._counts().items():
            logged, at = self._logged.get((name, reason), (0, now - AGAIN_SECONDS))
            if count == logged or now - at < AGAIN_SECONDS:
                continue
            self._logged[name, reason] = count, now
            log.warning(
                "%s lost %d %s: %s (%d in all)",
                name,
                count - logged,
                self._ledger.stages[name].unit,
                reason,
                count,
                extra={"stage": name, "reason": reason},
            )

    def text(self) -> str:
        """All that was lost since the start: ``0``, or ``12 (sink.jsonl disk_full 12)``."""
        counts = sorted(self._counts().items(), key=lambda each: -each[1])
        worst = ", ".join(f"{name} {reason} {count:,}" for (name, reason), count in counts[:_SHOWN])
        return f"{self._ledger.lost:,} ({worst})" if counts else "0"

    def _counts(self) -> dict[tuple[str, str], int]:
        stages = dict(self._ledger.stages)
        return {
            (name, reason): count for name, stage in stages.items() for reason, count in stage.dropped.items()
        }
