"""Normal life of a made-up fleet, which nobody wants to be woken for.

A daily cycle and load that wanders; bursts, blips, rolling deploys in which connects fail and connections are reset,
nightly batches, a zone that is drained for an hour, agents that restart and miss a machine's traffic meanwhile.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

_PER_DAY: Final = 8640
#: Symptoms that an edge has for a tick or two, each as often.
_BLIP_SYMPTOMS: Final = (
    "failed connects",
    "reset connections",
    "failed requests",
    "failed queries",
    "lost datagrams",
)
#: The usual share so many times while there is five times the load.
_IN_BURSTS: Final = {
    "retransmitted segments": 1.5,
    "lost datagrams": 1.5,
    "dropped packets": 1.5,
    "dropped datagrams": 3.0,
}
#: How often on a day: bursts, blips of an edge, deploys of a service; restarts of agents, and of a drained zone.
_BURSTS, _BLIPS, _DEPLOYS = 6, 3, 0.5
_RESTARTS, _DRAINS = 20, 1
_DRAINED_TICKS: Final = 360
_AWAY_TICKS: Final = 3


@dataclass(frozen=True)
class Disturbed:
    """A tick; shape (edges,).

    :param load: around 1.
    :param more: bad ones beyond the usual share, by symptom; ``times``: the usual share that many times.
    :param slower: by how many powers of two.
    :param drained: a zone whose traffic went elsewhere; -1: none. ``away``: a machine whose agent is; -1: none.
    """

    load: np.ndarray
    more: Mapping[str, np.ndarray]
    times: Mapping[str, np.ndarray]
    slower: np.ndarray
    drained: int = -1
    away: int = -1


class Life:
    """Goes on tick by tick.

    :param ends: client and server of each edge.
    :ivar nightly: edges that carry something for half an hour of the night only; bool.
    """

    def __init__(self, random: np.random.Generator, edges: int, ends: np.ndarray, services: int) -> None:
        self._random, self._edges, self._ends = random, edges, ends
        self._phase = random.uniform(-3, 3, edges)
        self.nightly = random.random(edges) < 0.03
        self._wander = np.zeros(edges)
        self._deploys = np.zeros(services, np.int64)
        self._bursts, self._blips = np.zeros(edges, np.int64), np.zeros(edges, np.int64)
        self._blip_share = np.zeros(edges)
        self._blip_symptom = np.zeros(edges, np.int64)
        self._drained, self._away = (-1, 0), (-1, 0)

    def tick(self, tick: int, *, disturbed: bool) -> Disturbed:
        """What happens in it.

        :param disturbed: whether more happens than load that changes.
        """
        load, none = self._load(tick), np.zeros(self._edges)
        if not disturbed:
            return Disturbed(load, {}, {}, none)
        self._begin()
        deploying = self._deploys[self._ends[:, 1]] > 0
        refused, reset = (
            np.where(deploying, self._random.choice([0, 0, 0.01, most], self._edges), 0)
            for most in (0.03, 0.05)
        )
        blips = {
            name: np.where((self._blips > 0) & (self._blip_symptom == number), self._blip_share, 0)
            for number, name in enumerate(_BLIP_SYMPTOMS)
        }
        burst = self._bursts > 0
        told = Disturbed(
            np.where(burst, 5 * load, load),
            {
                **blips,
                "failed connects": blips["failed connects"] + refused,
                "reset connections": blips["reset connections"] + reset,
                "failed requests": blips["failed requests"] + refused / 3,
                "gRPC errors": refused / 3,
            },
            {name: np.where(burst, times, 1) for name, times in _IN_BURSTS.items()},
            np.where(burst, 0.14, 0),
            self._drained[0],
            self._away[0],
        )
        for left in (self._bursts, self._deploys, self._blips):
            np.maximum(left - 1, 0, out=left)
        return told

    def _load(self, tick: int) -> np.ndarray:
        hour = tick / 360
        self._wander = 0.98 * self._wander + self._random.normal(0, 0.05, self._edges)
        day = 1 + 0.6 * np.sin((hour - 9 + self._phase) / 24 * 2 * np.pi)
        at_night = 2 <= hour % 24 < 2.5
        load: np.ndarray = np.where(self.nightly, 50.0 * at_night, day * np.exp(self._wander))
        return load

    def _begin(self) -> None:
        random, edges = self._random, self._edges
        begun = (self._bursts == 0) & (random.random(edges) < _BURSTS / _PER_DAY)
        self._bursts[begun] = random.integers(6, 30, np.count_nonzero(begun))
        begun = random.random(len(self._deploys)) < _DEPLOYS / _PER_DAY
        self._deploys[begun] = 60
        begun = (self._blips == 0) & (random.random(edges) < _BLIPS / _PER_DAY)
        self._blips[begun] = random.integers(1, 3, np.count_nonzero(begun))
        self._blip_share[begun] = random.uniform(0.05, 0.3, np.count_nonzero(begun))
        self._blip_symptom[begun] = random.integers(0, len(_BLIP_SYMPTOMS), np.count_nonzero(begun))
        self._drained = self._rarely(self._drained, _DRAINS, 3, _DRAINED_TICKS)
        self._away = self._rarely(self._away, _RESTARTS, 30, _AWAY_TICKS)

    def _rarely(self, now: tuple[int, int], a_day: int, most: int, ticks: int) -> tuple[int, int]:
        """Which one it is, and ticks that are left; one begins so many times a day."""
        if now[1] > 1:
            return now[0], now[1] - 1
        begins = self._random.random() < a_day / _PER_DAY
        return (int(self._random.integers(most)), ticks) if begins else (-1, 0)
