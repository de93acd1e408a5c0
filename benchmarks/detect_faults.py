"""Faults of a made-up fleet: which pairs of pods are hit, by which symptom, and what an explanation should name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from actors.detect.observations import Observations
from actors.detect.symptoms import SYMPTOMS
from actors.explain.leaves import Either, Leaves, dispersion_of, expected_by_edge
from benchmarks.detect_fleet import PLACES, ZONES, DetectFleet

#: Connections a second from which on a service counts as busy, and pods that it has then.
_BUSY: Final = 3.0
_BUSY_PODS: Final = 4
#: The share that is bad of those hit, at least and at most.
SHARES: Final = {
    "retransmitted segments": (0.05, 0.3),
    "dropped packets": (0.05, 0.3),
    "dropped datagrams": (0.05, 0.5),
    "lost datagrams": (0.1, 0.5),
}
_SHARE: Final = (0.15, 1.0)
#: Attributes of an explanation, of both ends.
_PARTS: Final = ("workload", "version", "zone", "node", "instance")
NAMES: Final = tuple(f"{side}.{part}" for side in ("client", "server") for part in _PARTS)
#: A zone or a machine at either end.
EITHER: Final = (Either("zone", 2, 7), Either("node", 3, 8))


@dataclass(frozen=True)
class Fault:
    """Something that is bad beyond what is normal.

    :param symptom: its place.
    :param grains: which pairs of pods are hit; bool.
    :param share: of theirs that is bad.
    """

    symptom: int
    grains: np.ndarray
    share: float


def fault(fleet: DetectFleet, kind: str, symptom: str = "failed connects") -> Fault:
    """At a place at random.

    :param kind: ``version``, ``machine``, ``zone``, or ``pod`` (one of twelve, or of fewer); pairs are
        ``version in a zone``, and ``zone to zone``, one way.
    """
    random, grains = fleet.random, fleet.grains
    share = float(random.uniform(*SHARES.get(symptom, _SHARE)))
    rate = fleet.habits[symptom].rate * ~fleet.life.nightly
    rates = np.bincount(fleet.ends[:, 1], rate, fleet.services)
    busy = (rates > _BUSY) & (np.bincount(fleet.service, minlength=fleet.services) >= _BUSY_PODS)
    pods = np.flatnonzero(fleet.service == random.choice(np.flatnonzero(busy)))
    if kind == "version":
        new = random.choice(pods, max(2, len(pods) // 2), replace=False)
        fleet.deploy(pods, new)
        return Fault(PLACES[symptom], np.isin(grains.server, new), share)
    if kind == "version in a zone":
        zone = random.choice(np.unique(fleet.zone[pods]))
        here = np.flatnonzero(fleet.zone[pods] == zone)
        new = np.union1d(random.choice(here), random.choice(len(pods), len(pods) // 2, replace=False))
        fleet.deploy(pods, pods[new])
        hit = pods[new][fleet.zone[pods[new]] == zone]
        return Fault(PLACES[symptom], np.isin(grains.server, hit), share)
    if kind == "zone to zone":
        one, other = random.choice(ZONES, 2, replace=False)
        hit = (fleet.zone[grains.client] == one) & (fleet.zone[grains.server] == other)
        return Fault(PLACES[symptom], hit, share)
    if kind == "pod":
        return Fault(PLACES[symptom], grains.server == random.choice(pods), share)
    place = fleet.machine if kind == "machine" else fleet.zone
    value = random.choice(place)
    return Fault(PLACES[symptom], (place[grains.client] == value) | (place[grains.server] == value), share)


class FaultTicks:
    """Ticks with a fault, counted by pairs of pods."""

    def __init__(self, fleet: DetectFleet, fault: Fault) -> None:
        self._fleet, self._fault = fleet, fault
        self.bad, self.total = np.zeros((2, len(fleet.grains.edge)))

    @property
    def hit(self) -> np.ndarray:
        """Ids of edges and nodes that have some of it."""
        fleet = self._fleet
        rows = np.unique(fleet.grains.row[self._fault.grains])
        return np.unique(np.concatenate((fleet.row_edge[rows].astype(np.uint64), fleet.nodes[rows].ravel())))

    def tick(self, tick: int) -> Observations:
        """What is counted, as rows and edges."""
        fleet = self._fleet
        row, rows = fleet.grains.row, len(fleet.row_edge)
        sums = np.zeros((2, rows, len(SYMPTOMS)), np.float32)
        for summed, counts in zip(sums, self.pairs(tick), strict=True):
            for place in map(PLACES.__getitem__, fleet.habits):
                summed[:, place] = np.bincount(row, counts[:, place], rows)
        return fleet.summed(*sums)

    def pairs(self, tick: int) -> tuple[np.ndarray, np.ndarray]:
        """Bad ones and all of each pair of pods; shape (pairs, symptoms) each."""
        fleet, random = self._fleet, self._fleet.random
        grains, life = fleet.grains, fleet.life.tick(tick, disturbed=False)
        bad, total = np.zeros((2, len(grains.edge), len(SYMPTOMS)), np.float32)
        for name, habit in fleet.habits.items():
            place = PLACES[name]
            counted = random.poisson((habit.rate * life.load * 10)[grains.edge] * grains.weight)
            share = fleet.share(name, life)[grains.edge]
            if place == self._fault.symptom:
                share = np.where(self._fault.grains, 1 - (1 - share) * (1 - self._fault.share), share)
            bad[:, place], total[:, place] = random.binomial(counted, share), counted
        self.bad += bad[:, self._fault.symptom]
        self.total += total[:, self._fault.symptom]
        return bad, total

    def leaves(self, usual: np.ndarray, ill: np.ndarray) -> Leaves:
        """All that was counted of the symptom, by attributes of both pods.

        :param usual: the share that is normal for each edge.
        :param ill: edges and nodes with findings; what is not of these is as it always is.
        """
        fleet, grains = self._fleet, self._fleet.grains
        columns, values = [], []
        for pods in (grains.client, grains.server):
            version = fleet.service * 2 + fleet.version
            for codes in (fleet.service, version, fleet.zone, fleet.machine, np.arange(len(fleet.service))):
                columns.append(codes[pods])
                values.append([str(value) for value in range(int(codes.max()) + 1)])
        nodes = np.isin(fleet.nodes, ill).any(axis=1)
        edges = np.union1d(ill[ill < fleet.edges], fleet.row_edge[nodes]).astype(np.int64)
        shares = {int(edge): float(usual[edge]) for edge in edges}
        expected = expected_by_edge(grains.edge, self.bad, self.total, shares)
        spread = dispersion_of(self.bad, self.total, expected)
        codes = np.stack(columns, axis=1)
        return Leaves(NAMES, values, codes, self.bad, self.total, expected, spread)

    def is_right(self, inside: np.ndarray) -> bool:
        """Whether a group of pairs is the very one that is hit, as far as there was traffic."""
        seen = self.total > 0
        return bool(np.array_equal(inside[seen], self._fault.grains[seen]))


def inside(leaves: Leaves, where: Mapping[str, str]) -> np.ndarray:
    """Which leaves have these values; bool."""
    rows = np.ones(len(leaves), np.bool_)
    names = list(leaves.names)
    either = {each.name: (each.first, each.second) for each in EITHER}
    for name, value in where.items():
        ends = either.get(name) or (names.index(name),)
        rows &= np.any([leaves.codes[:, end] == int(value) for end in ends], axis=0)
    return rows
