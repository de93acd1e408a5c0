"""Whether so much was lost on the way that what is missing may be what matters."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from model.batch import Batch

#: Stages in which data of connections and requests is lost; what sinks lose was seen here.
_STAGES: Final = ("kernel", "frames", "sockets", "deltas", "join")
#: The stage that every node has which sees connections, and what stands for an engine, which sees none.
_SEES: Final = "sockets"
_ENGINE: Final = ""
#: The share of what came from which on it counts.
_MATTERS: Final = 0.01
#: Times of asking after which a node that says nothing is no more: an hour of ticks.
_GONE: Final = 360


#: As many times after which nothing waits for it.
_AWAY: Final = 60


class Heard(NamedTuple):
    """What ledgers said since they were asked last.

    :param lossy: whether much was lost in any stage.
    :param whole: nodes that said something, and lost hardly anything; ``nodes`` of which.
    :param silent: nodes that said nothing, and did ten minutes ago; ``away`` likewise, for an hour.
    """

    lossy: bool
    whole: int
    nodes: int
    silent: frozenset[str] = frozenset()
    away: frozenset[str] = frozenset()


class Losses:
    """Sums of ledgers, by who counts."""

    def __init__(self) -> None:
        self._now: dict[tuple[str, str], tuple[int, int]] = {}
        self._before: dict[tuple[str, str], tuple[int, int]] = {}
        self._spoke: set[str] = set()
        self._silences = Silences()
        self._heard = Heard(False, 0, 0)

    def take(self, ledger: Batch) -> None:
        """A ledger came: the counts since its ``boot``."""
        stages = ledger.head["stages"]
        who = ledger.node if _SEES in stages else _ENGINE
        self._spoke.add(who)
        for name in _STAGES:
            if stage := stages.get(name):
                self._now[who, name] = _counts(stage)

    def said(self) -> dict[str, bool]:
        """Nodes that said something since this was asked last, and whether much was lost there."""
        before, self._before = self._before, dict(self._now)
        lossy = {
            node
            for (node, stage), (dropped, received) in self._now.items()
            for past in [before.get((node, stage), (0, 0))]
            if _much(dropped - past[0], received - past[1])
        }
        said = {node: node in lossy for node in self._spoke}
        self._spoke = set()
        self._heard = self._silences.heard(said)
        self._now = {
            key: counts for key, counts in self._now.items() if key[0] in self._silences or key[0] == _ENGINE
        }
        return said

    def since_last(self) -> Heard:
        """What was heard since this was asked last; nodes that left are forgotten after a while."""
        self.said()
        return self._heard


class Silences:
    """Who said something of late, and who does no more."""

    def __init__(self) -> None:
        self._silent: dict[str, int] = {}  # times of asking since it said something, by node

    def __contains__(self, node: str) -> bool:
        return node in self._silent

    def heard(self, said: Mapping[str, bool]) -> Heard:
        """What was heard now.

        :param said: nodes that said something, and whether much was lost there.
        """
        self._silent |= {node: 0 for node in said if node != _ENGINE}
        whole = sum(not silent and not said.get(node) for node, silent in self._silent.items())
        silent, away = (
            frozenset(node for node, silent in self._silent.items() if 0 < silent <= most)
            for most in (_AWAY, _GONE)
        )
        heard = Heard(any(said.values()), whole, len(self._silent), silent, away)
        self._silent = {node: silent + 1 for node, silent in self._silent.items() if silent < _GONE}
        return heard


def _counts(stage: dict[str, Any]) -> tuple[int, int]:
    return sum(stage["dropped"].values()), stage["received"]


def _much(dropped: int, received: int) -> bool:
    return dropped > 0 and dropped > _MATTERS * received
