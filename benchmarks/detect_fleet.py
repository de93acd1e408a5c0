"""A made-up fleet that counts as Tailrace does, ten seconds a tick: normal life, and faults with a known place.

Normal life is a daily cycle, load that wanders, bursts, failures and losses that vary more than coins do, edges that
always fail (3 %), rolling deploys in which connects fail, nightly batches, and blips. One seed, one fleet.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from actors.detect.observations import Observations
from actors.detect.symptoms import SYMPTOMS

TICKS_PER_HOUR: Final = 360
ZONES: Final = 3
_MACHINES: Final = 30
_PLACES: Final = {symptom.name: place for place, symptom in enumerate(SYMPTOMS)}
FAILED: Final = _PLACES["failed connects"]
_RETRANSMITTED: Final = _PLACES["retransmitted segments"]
_SLOW: Final = _PLACES["slow round trips"]
#: Connections a second from which on a service counts as busy, and pods that it has then.
_BUSY: Final = 3.0
_BUSY_PODS: Final = 4


def _normal(x: np.ndarray) -> np.ndarray:
    """The normal distribution, within 3e-4."""
    below: np.ndarray = 0.5 * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))
    return below


@dataclass
class Fault:
    """Connects that fail beyond what is normal.

    :param grains: which pairs of pods are hit; bool.
    :param share: of their connects that fail.
    """

    grains: np.ndarray
    share: float


class DetectFleet:
    """Services with pods in zones; grains are pairs of pods that talk, and sum up to edges.

    :ivar ids: of edges.
    """

    def __init__(self, seed: int, services: int, edges: int) -> None:
        self.random = random = np.random.default_rng(seed)
        self.edges, self.services = edges, services
        pods = random.integers(2, 13, services)
        self.service = np.repeat(np.arange(services), pods)
        self.machine = random.integers(0, _MACHINES, len(self.service))
        self.zone = self.machine % ZONES
        pairs = np.array([(a, b) for a in range(services) for b in range(services) if a != b])
        self.ends = pairs[np.sort(random.choice(len(pairs), edges, replace=False))]
        self._make_grains()
        self._make_habits()
        self.ids = np.arange(edges).astype(np.uint64)
        self._wander = np.zeros(edges)
        self._deploys = np.zeros(services, np.int64)
        self._bursts, self._blips = np.zeros(edges, np.int64), np.zeros(edges, np.int64)
        self._blip_share = np.zeros(edges)

    def _make_grains(self) -> None:
        pods = [np.flatnonzero(self.service == service) for service in range(self.services)]
        grids = [np.meshgrid(pods[a], pods[b], indexing="ij") for a, b in self.ends.tolist()]
        self.edge = np.repeat(np.arange(self.edges), [grid[0].size for grid in grids])
        self.client, self.server = (np.concatenate([g[side].ravel() for g in grids]) for side in (0, 1))
        weight = self.random.gamma(4, 1, len(self.edge))
        self.weight = weight / np.bincount(self.edge, weight)[self.edge]

    def _make_habits(self) -> None:
        random, edges = self.random, self.edges
        self.rate = np.exp(random.normal(0.7, 1.8, edges)).clip(0.01, 300)
        kind = random.random(edges)
        chronic = np.where(kind < 0.97, 10 ** random.uniform(-3, -2, edges), random.uniform(0.05, 0.4, edges))
        self.fails = np.where(kind < 0.9, 10 ** random.uniform(-5, -3, edges), chronic)
        self.fails_vary = random.uniform(0.3, 3, edges)
        self.segments = self.rate * np.exp(random.normal(3.2, 0.8, edges))
        self.lost = 10 ** random.uniform(-4.5, -2.3, edges)
        self.lost_vary = random.uniform(0.4, 1.0, edges)
        self.round_trips = np.maximum(1, self.rate * np.exp(random.normal(1.0, 0.7, edges)))
        self.spread = random.uniform(0.3, 0.8, edges)
        self.habit = random.normal(0, 0.1, edges)  # how far what was learnt of round trips is off
        self.phase = random.uniform(-3, 3, edges)
        self.nightly = random.random(edges) < 0.03

    def load(self, tick: int) -> np.ndarray:
        """Of each edge, around 1."""
        hour = tick / TICKS_PER_HOUR
        self._wander = 0.98 * self._wander + self.random.normal(0, 0.05, self.edges)
        day = 1 + 0.6 * np.sin((hour - 9 + self.phase) / 24 * 2 * np.pi)
        at_night = 2 <= hour % 24 < 2.5
        load: np.ndarray = np.where(self.nightly, 50.0 * at_night, day * np.exp(self._wander))
        return load

    def disturbed(self, load: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Load with bursts, and connects that fail by deploys and blips."""
        random = self.random
        begun = (self._bursts == 0) & (random.random(self.edges) < 6 / 8640)
        self._bursts[begun] = random.integers(6, 30, np.count_nonzero(begun))
        begun = random.random(self.services) < 0.5 / 8640
        self._deploys[begun] = 60
        begun = (self._blips == 0) & (random.random(self.edges) < 2 / 8640)
        self._blips[begun] = random.integers(1, 3, np.count_nonzero(begun))
        self._blip_share[begun] = random.uniform(0.05, 0.3, np.count_nonzero(begun))
        fails = np.where(self._blips > 0, self._blip_share, 0)
        deploying = self._deploys[self.ends[:, 1]] > 0
        fails += np.where(deploying, random.choice([0, 0, 0.01, 0.03], self.edges), 0)
        load = np.where(self._bursts > 0, 5 * load, load)
        for left in (self._bursts, self._deploys, self._blips):
            np.maximum(left - 1, 0, out=left)
        return load, fails

    def tick(self, tick: int, *, disturbed: bool = False, fault: Fault | None = None) -> Observations:
        """What is counted in one tick."""
        random, load, fails = self.random, self.load(tick), np.zeros(self.edges)
        if disturbed:
            load, fails = self.disturbed(load)
        share = np.clip(self.fails * random.gamma(1 / self.fails_vary, self.fails_vary) + fails, 0, 1)
        connects = self._connects(self.rate * load * 10, share, fault)
        segments = random.poisson(self.segments * load * 10)
        lost = self.lost * np.exp(random.normal(-(self.lost_vary**2) / 2, self.lost_vary))
        resent = random.binomial(segments, np.clip(lost * np.where(self._bursts > 0, 1.5, 1), 0, 0.5))
        trips = random.poisson(self.round_trips * load)
        away = random.normal(0, 0.05, self.edges) + np.where(self._bursts > 0, 0.14, 0)
        beyond = (0.585 + self.habit - away) / self.spread + 1.64
        slow = random.binomial(trips, 1 - _normal(beyond))
        return self._summed(connects, {_RETRANSMITTED: (resent, segments), _SLOW: (slow, trips)})

    def _connects(
        self, rate: np.ndarray, share: np.ndarray, fault: Fault | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Failed and all connects of edges."""
        random = self.random
        if fault is None:
            total = random.poisson(rate)
            failed = random.binomial(total, share)
            return failed, total
        grain = self.edge
        total = random.poisson(rate[grain] * self.weight)
        ill = np.where(fault.grains, 1 - (1 - share[grain]) * (1 - fault.share), share[grain])
        failed = np.bincount(grain, random.binomial(total, ill), self.edges)
        return failed, np.bincount(grain, total, self.edges)

    def _summed(
        self, connects: tuple[np.ndarray, np.ndarray], others: dict[int, tuple[np.ndarray, np.ndarray]]
    ) -> Observations:
        """As columns, edges without traffic left out."""
        bad, total = np.zeros((2, len(self.ids), len(SYMPTOMS)), np.float32)
        for place, pair in {FAILED: connects, **others}.items():
            bad[:, place], total[:, place] = pair
        traffic = (total[:, _RETRANSMITTED] * 1000).astype(np.float32)
        return Observations(self.ids, bad, total, traffic).take(np.flatnonzero(total.any(axis=1)))

    def fault(self, kind: str) -> Fault:
        """A place and a share at random.

        :param kind: ``version``, ``machine``, ``zone``, or ``pod`` (one of twelve, or of fewer).
        """
        random = self.random
        share = float(random.uniform(0.15, 1.0))
        rates = np.bincount(self.ends[:, 1], self.rate, self.services)
        busy = (rates > _BUSY) & (np.bincount(self.service, minlength=self.services) >= _BUSY_PODS)
        pods = np.flatnonzero(self.service == random.choice(np.flatnonzero(busy)))
        if kind == "version":
            chosen = random.choice(pods, max(2, len(pods) // 2), replace=False)
            return Fault(np.isin(self.server, chosen), share)
        if kind == "pod":
            return Fault(self.server == random.choice(pods), share)
        place = self.machine if kind == "machine" else self.zone
        value = random.choice(place)
        return Fault((place[self.client] == value) | (place[self.server] == value), share)
