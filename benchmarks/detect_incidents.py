"""How many incidents one fault makes: all of what judges, from counts of pairs of pods to what targets would hear."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from multiprocessing import cpu_count
from typing import Final, NamedTuple

import numpy as np

from actors.detect.symptoms import SYMPTOMS
from actors.incidents.incidents import Incidents, Times
from actors.rules.rules import Rules
from actors.trouble.counted import Counted, CountedRows
from actors.trouble.counting import names_of
from actors.trouble.instances import Instance
from actors.trouble.items import Look
from actors.trouble.shared_watch import SharedWatch
from benchmarks.detect_faults import Fault, FaultTicks, fault
from benchmarks.detect_fleet import PLACES, DetectFleet
from benchmarks.figure import NO_BAR, Bar, Reading
from model.kinds.workload import FAILURES, OTHER
from model.ledger import Ledger

#: Fleets that nothing was tuned on.
SEEDS: Final = range(450, 456)
SERVICES: Final = 60
EDGES: Final = 300
_TICK_S: Final = 10
_LEARNT: Final = 150
_FAULT_TICKS: Final = 20
#: Edges from which on a fault is a wide one.
_MANY: Final = 200
#: Failed requests are explained by the counts of endpoints.
_REQUESTS: Final = PLACES["failed requests"]
_OF_REQUESTS: Final = [_REQUESTS, len(SYMPTOMS) + _REQUESTS]
_FAULTS: Final = (
    ("version", "failed connects"),
    ("machine", "failed connects"),
    ("zone", "failed connects"),
    ("pod", "failed connects"),
    ("zone to zone", "failed connects"),
    ("machine", "dropped packets"),
    ("zone", "retransmitted segments"),
    ("zone", "lost datagrams"),
    ("version", "failed requests"),
    ("version", "failed queries"),
)


class Opened(NamedTuple):
    """Of a fault: edges that are hit, and incidents that it opened."""

    edges: int
    incidents: int


class Judged:
    """A fleet, what judges it, and its incidents."""

    def __init__(self, seed: int) -> None:
        self.fleet = DetectFleet(seed, SERVICES, EDGES)
        self._watch = SharedWatch(Ledger(), {}, _TICK_S, Rules(()))
        self._incidents = Incidents(Times(hold=10.0))
        self._tick = 0

    @property
    def opened(self) -> int:
        """Incidents so far."""
        return self._incidents.counts["opened"]

    def step(self, ticks: FaultTicks) -> None:
        """One more tick."""
        self._tick += 1
        for item in self._watch.add("engine", _counted(self.fleet, self._tick, *ticks.pairs(self._tick))):
            if isinstance(item, Look):
                self._incidents.tick(item.tick)


def _counted(fleet: DetectFleet, tick: int, bad: np.ndarray, total: np.ndarray) -> Counted:
    grains = fleet.grains
    rows = np.flatnonzero(total.any(axis=1))
    counts = np.zeros((len(rows), 2 * len(SYMPTOMS) + len(FAILURES) + 1), np.float32)
    counts[:, : len(SYMPTOMS)], counts[:, len(SYMPTOMS) : 2 * len(SYMPTOMS)] = bad[rows], total[rows]
    counts[:, 2 * len(SYMPTOMS)] = bad[rows, PLACES["failed connects"]]
    counts[:, -1] = 1000 * total[rows, PLACES["retransmitted segments"]]
    connections = CountedRows(
        1 + grains.client[rows], 1 + grains.server[rows], np.zeros(len(rows), np.int64), counts
    )
    asked = np.flatnonzero(total[rows, _REQUESTS] > 0)
    of_requests = np.zeros_like(counts[asked])
    of_requests[:, _OF_REQUESTS] = counts[asked][:, _OF_REQUESTS]
    client, server, what = (column[asked] for column in connections[:3])
    requests = CountedRows(client, server, what, of_requests)
    return Counted(
        tick=tick,
        complete=True,
        names=names_of(Rules(())),
        said={},
        ends=[tuple(OTHER), *_ends(fleet)],
        whats=[("8080", "", "")],
        connections=connections,
        requests=requests,
    )


def _ends(fleet: DetectFleet) -> list[Instance]:
    """Who each pod is."""
    pods = (fleet.service.tolist(), fleet.zone.tolist(), fleet.version.tolist(), fleet.machine.tolist())
    return [
        Instance(
            f"service-{service}", "Deployment", "shop", f"zone-{zone}", f"v{version}", f"node-{machine}",
            "", f"pod-{pod}",
        )
        for pod, (service, zone, version, machine) in enumerate(zip(*pods, strict=True))
    ]  # fmt: skip


def faults(seed: int) -> list[Opened]:
    """Of one fleet, each after it was learnt."""
    learnt = Judged(seed)
    nothing = Fault(-1, np.zeros(len(learnt.fleet.grains.edge), np.bool_), 0.0)
    ticks = FaultTicks(learnt.fleet, nothing)
    for _ in range(_LEARNT):
        learnt.step(ticks)
    return [_of_fault(learnt, *each) for each in _FAULTS]


def _of_fault(learnt: Judged, kind: str, symptom: str) -> Opened:
    judged = deepcopy(learnt)
    its = fault(judged.fleet, kind, symptom)
    ticks, before = FaultTicks(judged.fleet, its), judged.opened
    for _ in range(_FAULT_TICKS):
        judged.step(ticks)
    return Opened(len(np.unique(judged.fleet.grains.edge[its.grains])), judged.opened - before)


def measure() -> Iterator[Reading]:
    """Of faults that open incidents within 200 s, those that open one."""
    with ProcessPoolExecutor(cpu_count()) as processes:
        every = [each for of in processes.map(faults, SEEDS) for each in of]
    yield _reading("faults", every, Bar(at_least=95))
    yield _reading(
        f"faults that hit {_MANY} edges or more",
        [each for each in every if each.edges >= _MANY],
        Bar(at_least=95),
    )
    yield Reading(float(max(each.incidents for each in every)), "incidents of a fault at most", NO_BAR)


def _reading(what: str, of: list[Opened], bar: Bar) -> Reading:
    found = [each.incidents for each in of if each.incidents]
    one = 100 * found.count(1) / len(found) if found else None
    edges = np.median([each.edges for each in of]) if of else 0
    note = f"{what}: {len(found)} of {len(of)} found; half of them hit more than {edges:.0f} edges"
    return Reading(one, "% are one incident", bar, better="more", note=note)
