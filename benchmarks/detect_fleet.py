"""A made-up fleet that counts as Tailrace does, ten seconds a tick: services whose pods call one another.

Pairs of pods that talk are grains; those of the same edge and pod of the server are one row. Each row counts
connects, segments, latencies, ends of connections, requests and calls. One seed, one fleet.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from actors.detect.observations import NODES, Observations, Parts
from actors.detect.symptoms import SYMPTOMS
from benchmarks.detect_life import Disturbed, Life

TICKS_PER_HOUR: Final = 360
ZONES: Final = 3
_MACHINES: Final = 30
PLACES: Final = {symptom.name: place for place, symptom in enumerate(SYMPTOMS)}
FAILED: Final = PLACES["failed connects"]
#: What is counted of the same: as many connections are opened and closed as are tried.
_SAME: Final = {
    "slow connects": "failed connects",
    "reset connections": "failed connects",
    "full accept queue": "failed connects",
    "dropped packets": "retransmitted segments",
    "dropped datagrams": "lost datagrams",
}
_SLOW: Final = ("slow connects", "slow round trips")
#: Of the traffic, edges that speak HTTP, gRPC and DNS, and that send datagrams.
_HTTP: Final = 0.5
_GRPC: Final = 0.15
_DNS: Final = 0.3
_UDP: Final = 0.3


def _normal(x: np.ndarray) -> np.ndarray:
    """The normal distribution, within 3e-4."""
    below: np.ndarray = 0.5 * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))
    return below


@dataclass
class Habit:
    """What one symptom of each edge is in normal life; shape (edges,).

    :param rate: counted ones a second at the usual load.
    :param share: of them that are bad; of slowness how far, in deviations, the limit is from the usual.
    :param vary: how much the share varies: the variance of a factor whose mean is 1.
    """

    rate: np.ndarray
    share: np.ndarray
    vary: np.ndarray


@dataclass
class Grains:
    """Pairs of pods; shape (n,) each. ``row`` is where they are summed up."""

    edge: np.ndarray
    client: np.ndarray
    server: np.ndarray
    weight: np.ndarray
    row: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


class DetectFleet:
    """Services with pods on machines in zones; half of the services run two versions.

    :ivar ends: client and server of each edge.
    :ivar ids: of edges.
    """

    def __init__(self, seed: int, services: int, edges: int) -> None:
        self.random = random = np.random.default_rng(seed)
        self.edges, self.services = edges, services
        pods = random.integers(2, 13, services)
        self.service = np.repeat(np.arange(services), pods)
        self.machine = random.integers(0, _MACHINES, len(self.service))
        self.zone = self.machine % ZONES
        two = random.random(services) < 0.5
        self.version = (two[self.service] & (random.random(len(self.service)) < 0.4)).astype(np.int64)
        pairs = np.array([(a, b) for a in range(services) for b in range(services) if a != b])
        self.ends = pairs[np.sort(random.choice(len(pairs), edges, replace=False))]
        self.ids = np.arange(edges).astype(np.uint64)
        self.grains = self._grains()
        self._make_rows()
        self.habits = self._habits()
        self.life = Life(random, edges, self.ends, services)

    def _grains(self) -> Grains:
        pods = [np.flatnonzero(self.service == service) for service in range(self.services)]
        grids = [np.meshgrid(pods[a], pods[b], indexing="ij") for a, b in self.ends.tolist()]
        edge = np.repeat(np.arange(self.edges), [grid[0].size for grid in grids])
        client, server = (np.concatenate([g[side].ravel() for g in grids]) for side in (0, 1))
        weight = self.random.gamma(4, 1, len(edge))
        return Grains(edge, client, server, weight / np.bincount(edge, weight)[edge])

    def _make_rows(self) -> None:
        """What is told apart: instances of servers, and the nodes of each."""
        grains, pods = self.grains, len(self.service)
        keys, grains.row = np.unique(grains.edge * pods + grains.server, return_inverse=True)
        self.row_edge, server = keys // pods, keys % pods
        self.row_zone, self.row_machine = self.zone[server], self.machine[server]
        self.weight = np.bincount(grains.row, grains.weight)
        ends = self.ends[self.row_edge]
        kinds = (ends[:, 0], ends[:, 1], self.row_zone, self.row_machine, server)
        begins = np.cumsum([self.edges, self.services, self.services, ZONES, _MACHINES])
        self.nodes = np.zeros((len(keys), NODES), np.uint64)
        for place, begin, codes in zip((0, 1, 3, 5, 7), begins, kinds, strict=True):
            self.nodes[:, place] = begin + codes

    def _habits(self) -> dict[str, Habit]:
        random, edges = self.random, self.edges

        def lognormal(mean: float, sigma: float) -> np.ndarray:
            return np.exp(random.normal(mean, sigma, edges))

        def shares(usual: tuple[float, float], chronic: float) -> np.ndarray:
            """Most are well; some always fail, at 5 to 40 %."""
            always = np.where(random.random(edges) < chronic, random.uniform(0.05, 0.4, edges), 0)
            return np.maximum(10 ** random.uniform(*usual, edges), always)

        rate = lognormal(0.7, 1.8).clip(0.01, 300)
        http, grpc, dns, udp = (random.random(edges) < part for part in (_HTTP, _GRPC, _DNS, _UDP))
        spread, off = random.uniform(0.3, 0.8, edges), random.normal(0, 0.1, edges)
        limit = (0.585 + off) / spread + 1.64
        fails = np.where(random.random(edges) < 0.9, shares((-5, -3), 0.0), shares((-3, -2), 0.3))
        habits = {
            "failed connects": Habit(rate, fails, random.uniform(0.3, 3, edges)),
            "retransmitted segments": Habit(
                rate * lognormal(3.2, 0.8),
                10 ** random.uniform(-4.5, -2.3, edges),
                random.uniform(0.2, 1.5, edges),
            ),
            "slow connects": Habit(np.zeros(edges), limit + random.normal(0, 0.2, edges), 0.05 / spread),
            "slow round trips": Habit(np.maximum(0.1, rate * lognormal(-1.3, 0.7)), limit, 0.05 / spread),
            "reset connections": Habit(
                np.zeros(edges), shares((-4, -2), 0.05), random.uniform(0.3, 2, edges)
            ),
            "failed requests": Habit(
                rate * lognormal(1.5, 1.0) * http, shares((-5, -2.5), 0.03), random.uniform(0.3, 2, edges)
            ),
            "gRPC errors": Habit(
                rate * lognormal(2.0, 1.0) * grpc, shares((-5, -2.5), 0.03), random.uniform(0.3, 2, edges)
            ),
            "full accept queue": Habit(np.zeros(edges), shares((-6, -4), 0.0), random.uniform(0.3, 2, edges)),
            "failed queries": Habit(
                rate * lognormal(0.5, 1.0) * dns, shares((-4, -2.5), 0.03), random.uniform(0.3, 2, edges)
            ),
            "lost datagrams": Habit(
                rate * lognormal(2.5, 1.0) * udp, shares((-5, -2.3), 0.03), random.uniform(0.3, 2, edges)
            ),
            "dropped datagrams": Habit(np.zeros(edges), shares((-6, -3), 0.0), random.uniform(0.3, 2, edges)),
            "dropped packets": Habit(np.zeros(edges), shares((-6, -3), 0.02), random.uniform(0.3, 2, edges)),
        }

        for name, other in _SAME.items():
            habits[name].rate = habits[other].rate
        return habits

    def deploy(self, pods: np.ndarray, new: np.ndarray) -> None:
        """Of a service's pods some are of a new version, the others of one old version."""
        self.version[pods] = 0
        self.version[new] = 1

    def tick(self, tick: int, *, disturbed: bool = False) -> Observations:
        """What is counted in one tick of normal life."""
        life = self.life.tick(tick, disturbed=disturbed)
        weight = self.weights(life)
        edge = self.row_edge
        bad, total = np.zeros((2, len(edge), len(SYMPTOMS)), np.float32)
        for name in self.habits:
            place, share = PLACES[name], self.share(name, life)
            total[:, place] = self._counted(name, life, weight, edge, total)
            bad[:, place] = self.random.binomial(total[:, place].astype(np.int64), share[edge])
        return self.summed(bad, total)

    def _counted(
        self, name: str, life: Disturbed, weight: np.ndarray, edge: np.ndarray, total: np.ndarray
    ) -> np.ndarray:
        """How many."""
        if name in _SAME:
            return total[:, PLACES[_SAME[name]]]
        return np.asarray(self.random.poisson((self.habits[name].rate * life.load * 10)[edge] * weight))

    def weights(self, life: Disturbed) -> np.ndarray:
        """The part of its edge's traffic that each row has: a zone may be drained, an agent away."""
        weight: np.ndarray = self.weight
        if life.drained >= 0:
            kept = np.where(self.row_zone == life.drained, 0.02, 1) * weight
            whole = np.bincount(self.row_edge, kept, self.edges)
            weight = kept / whole[self.row_edge]
        if life.away >= 0:
            weight = weight * (self.row_machine != life.away % _MACHINES)
        return np.asarray(np.clip(weight, 0, 1))

    def share(self, name: str, life: Disturbed) -> np.ndarray:
        """Of bad ones, of each edge, in this tick."""
        habit, random = self.habits[name], self.random
        if name in _SLOW:
            away = random.normal(0, 1, self.edges) * habit.vary + life.slower * habit.vary / 0.05
            return np.asarray(1 - _normal(habit.share - away))
        factor = random.gamma(1 / habit.vary, habit.vary)
        return np.asarray(
            np.clip(habit.share * factor * life.times.get(name, 1) + life.more.get(name, 0), 0, 1)
        )

    def summed(self, bad: np.ndarray, total: np.ndarray) -> Observations:
        """Rows, and what they are of edges; those without traffic are left out."""
        rows = np.flatnonzero(total.any(axis=1))
        edge = self.row_edge[rows]
        parts = Parts(
            rows.astype(np.uint64), edge.astype(np.uint64), self.nodes[rows], bad[rows], total[rows]
        )
        ids, first = np.unique(edge, return_index=True)
        bad, total = (np.add.reduceat(column, first, axis=0) for column in (parts.bad, parts.total))
        traffic = (total[:, PLACES["retransmitted segments"]] * 1000).astype(np.float32)
        return Observations(ids.astype(np.uint64), bad, total, traffic, parts)
