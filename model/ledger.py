"""The loss ledger: what each stage received, delivered, holds and dropped, by reason."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Stage:
    """What one stage did with its units, which it names (events, rows, batches).

    Nothing is missing when ``received == delivered + queued + sum(dropped.values())``.
    """

    unit: str
    received: int = 0
    delivered: int = 0
    queued: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)

    def drop(self, reason: str, count: int = 1) -> None:
        """Count ``count`` units as lost for ``reason``."""
        if count:
            self.dropped[reason] += count

    def note(self, what: str, count: int = 1) -> None:
        """Count something the reader should know that lost nothing (late rows, sockets without a slot)."""
        if count:
            self.noted[what] += count

    @property
    def balanced(self) -> bool:
        """Whether every unit that came in is accounted for."""
        return self.received == self.delivered + self.queued + self.dropped.total()

    def as_dict(self) -> dict[str, object]:
        """The stage as plain types, for messages and ``-o json``."""
        return {
            "unit": self.unit,
            "received": self.received,
            "delivered": self.delivered,
            "queued": self.queued,
            "dropped": dict(self.dropped),
            "noted": dict(self.noted),
            "balanced": self.balanced,
        }


class Ledger:
    """All stages of one process, by name, in the order in which data meets them."""

    def __init__(self) -> None:
        self._stages: dict[str, Stage] = {}

    def stage(self, name: str, unit: str) -> Stage:
        """The stage called ``name``, made at its first use.

        :raises ValueError: if it exists with another unit.
        """
        stage = self._stages.setdefault(name, Stage(unit))
        if stage.unit != unit:
            raise ValueError(f"stage {name} counts {stage.unit}, not {unit}")
        return stage

    def take(self, name: str, counts: Mapping[str, Any]) -> None:
        """Take over the counts of a stage that is kept elsewhere (``Stage.as_dict``)."""
        stage = self.stage(name, counts["unit"])
        stage.received, stage.delivered = counts["received"], counts["delivered"]
        stage.queued = counts["queued"]
        stage.dropped, stage.noted = Counter(counts["dropped"]), Counter(counts["noted"])

    @property
    def stages(self) -> Mapping[str, Stage]:
        """The stages by name."""
        return self._stages

    @property
    def lost(self) -> int:
        """Units dropped at all stages together; 0 is what everyone wants to see."""
        return sum(stage.dropped.total() for stage in self._stages.values())

    def as_dict(self) -> dict[str, dict[str, object]]:
        """Every stage as plain types."""
        return {name: stage.as_dict() for name, stage in self._stages.items()}
