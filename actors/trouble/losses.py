"""Whether so much was lost on the way that what is missing may be what matters."""

from typing import Any, Final

from model.batch import Batch

#: Stages in which data of connections and requests is lost; what sinks lose was seen here.
_STAGES: Final = ("kernel", "frames", "sockets", "deltas", "join")
#: The share of what came from which on it counts.
_MATTERS: Final = 0.01


class Losses:
    """Sums of ledgers, by who counts."""

    def __init__(self) -> None:
        self._now: dict[tuple[str, str], tuple[int, int]] = {}
        self._before: dict[tuple[str, str], tuple[int, int]] = {}

    def take(self, ledger: Batch) -> None:
        """A ledger came: the counts since its ``boot``."""
        stages = ledger.head["stages"]
        for name in _STAGES:
            if stage := stages.get(name):
                self._now[ledger.node, name] = _counts(stage)

    def since_last(self) -> bool:
        """Whether much was lost in any stage since this was asked last."""
        before, self._before = self._before, dict(self._now)
        return any(
            _much(dropped - before.get(key, (0, 0))[0], received - before.get(key, (0, 0))[1])
            for key, (dropped, received) in self._now.items()
        )


def _counts(stage: dict[str, Any]) -> tuple[int, int]:
    return sum(stage["dropped"].values()), stage["received"]


def _much(dropped: int, received: int) -> bool:
    return dropped > 0 and dropped > _MATTERS * received
