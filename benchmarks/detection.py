"""Findings on a day of normal life, time until a fault is found, and what the detector costs."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from multiprocessing import cpu_count
from typing import Final, NamedTuple

import numpy as np

from actors.detect.detector import Detector
from actors.detect.evidence import Tuning
from actors.detect.observations import NODES, TICK_S, Findings, Known, Observations, Parts, State
from actors.detect.symptoms import SYMPTOMS
from actors.explain.causes import explain
from actors.incidents.incidents import Incidents, Times
from actors.incidents.items import Tick, Trouble
from benchmarks.detect_faults import EITHER, FaultTicks, fault, inside
from benchmarks.detect_fleet import FAILED, PLACES, TICKS_PER_HOUR, DetectFleet
from benchmarks.figure import NO_BAR, Bar, Reading

#: Fleets that the tuning was never tried on.
SEEDS: Final = (101, 102)
FAULT_SEEDS: Final = range(200, 210)
EDGES: Final = 300
SERVICES: Final = 60
_TEACHING_HOURS: Final = 6
_DAY_HOURS: Final = 24
_LEARNT: Final = 2 * TICKS_PER_HOUR
_FAULT_TICKS: Final = 36
#: Ticks from a finding to its explanation; seconds within which 95 of 100 faults are found.
_EXPLAINED_AFTER: Final = 2
_LATE_S: Final = 90.0
KINDS: Final = ("version", "machine", "zone", "pod")
PAIRS: Final = ("version in a zone", "zone to zone")
#: Those of other symptoms than failed connects.
OF_OTHERS: Final = ("version", "machine", "version in a zone")
_ALL: Final = Known()
_RATE_EDGES: Final = 20_000
#: Ticks that are drawn, and come in turn.
_RATE_TICKS: Final = 10


class AnyFailure:
    """Peer: an alert when an edge has a failed connect and had none in the tick before."""

    def __init__(self, edges: int) -> None:
        self._failing = np.zeros(edges, np.bool_)

    def step(self, bad: np.ndarray, total: np.ndarray) -> int:
        """Alerts of this tick."""
        before, self._failing = self._failing, (bad > 0) & (total > 0)
        return int(np.count_nonzero(self._failing & ~before))


class ThreeSigma:
    """Peer: an alert when the share of failed connects is three deviations above its moving average."""

    def __init__(self, edges: int) -> None:
        self._mean, self._variance = np.zeros(edges), np.full(edges, 1e-6)
        self._out = np.zeros(edges, np.bool_)

    def step(self, bad: np.ndarray, total: np.ndarray) -> int:
        """Alerts of this tick."""
        share = bad / np.maximum(total, 1)
        before = self._out
        self._out = (share > self._mean + 3 * np.sqrt(self._variance)) & (total > 0)
        self._mean = 0.99 * self._mean + 0.01 * share
        self._variance = 0.99 * self._variance + 0.01 * (share - self._mean) ** 2
        return int(np.count_nonzero(self._out & ~before))


@dataclass
class Day:
    """What was found by 1,000 edges and day.

    :param counts: findings by symptom; ``nodes``: those of them that are of nodes; ``events``; alerts of the peers.
    """

    counts: Counter[str]
    incidents: float


def day(seed: int, hours: int = _DAY_HOURS, tuning: Tuning | None = None) -> Day:
    """Normal life without a fault."""
    fleet, detector, incidents = DetectFleet(seed, SERVICES, EDGES), Detector(tuning=tuning), OfIncidents()
    peers: dict[str, AnyFailure | ThreeSigma] = {
        "any failure": AnyFailure(EDGES),
        "3 sigma": ThreeSigma(EDGES),
    }
    counts: Counter[str] = Counter()
    before = 0
    for tick in range((_TEACHING_HOURS + hours) * TICKS_PER_HOUR):
        counting = tick >= _TEACHING_HOURS * TICKS_PER_HOUR
        seen = fleet.tick(tick, disturbed=counting)
        findings = detector.step(tick, seen, _ALL)
        incidents.step(tick, fleet, findings)
        bad, total = np.zeros((2, EDGES), np.float32)
        bad[seen.ids], total[seen.ids] = seen.bad[:, FAILED], seen.total[:, FAILED]
        alerts = {name: peer.step(bad, total) for name, peer in peers.items()}
        before = before if counting else incidents.opened
        if counting:
            started = findings.of(State.STARTED)
            counts.update(SYMPTOMS[place].name for place in findings.symptom[started].tolist())
            counts["nodes"] += int(np.count_nonzero(findings.key[started] >= EDGES))
            counts["events"] += len(findings.event)
            counts.update(alerts)
    scale = 1000 / EDGES * 24 / hours
    return Day(
        Counter({name: number * scale for name, number in counts.items()}),
        (incidents.opened - before) * scale,
    )


class OfIncidents:
    """Incidents of findings: those of one server, or of the same edges, are one."""

    def __init__(self) -> None:
        self._incidents = Incidents(Times(hold=10.0))

    @property
    def opened(self) -> int:
        """So far."""
        return self._incidents.counts["opened"]

    def step(self, tick: int, fleet: DetectFleet, findings: Findings) -> None:
        """Takes findings of a tick."""
        troubles = []
        for row in np.flatnonzero(findings.state != State.ENDED).tolist():
            key, symptom = int(findings.key[row]), SYMPTOMS[int(findings.symptom[row])].name
            share, expected, bad, total = (
                float(column[row])
                for column in (findings.share, findings.expected, findings.bad, findings.total)
            )
            since, edges = float(findings.since[row]), self._edges(fleet, key)
            name = f"{key}/{symptom}"
            troubles.append(Trouble(name, name, symptom, since, share, expected, bad, total, edges))
        self._incidents.tick(Tick(float((tick + 1) * TICK_S), tuple(troubles)))

    def _edges(self, fleet: DetectFleet, key: int) -> frozenset[str]:
        if key < fleet.edges:
            ids = np.flatnonzero(fleet.ends[:, 1] == fleet.ends[key, 1])
        else:
            ids = fleet.row_edge[(fleet.nodes == key).any(axis=1)]
        return frozenset(map(str, ids.tolist()))


class Found(NamedTuple):
    """A fault.

    :param seconds: to the first finding; infinite if there is none in six minutes.
    :param right: whether the first explanation is, 20 s after the finding.
    """

    seconds: float
    right: bool = False


def taught(seed: int, tuning: Tuning | None = None) -> tuple[DetectFleet, Detector]:
    """A fleet that was learnt for two hours."""
    fleet, detector = DetectFleet(seed, 60, 300), Detector(tuning=tuning)
    for tick in range(_LEARNT):
        detector.step(tick, fleet.tick(tick), _ALL)
    return fleet, detector


def found(learnt: tuple[DetectFleet, Detector], kind: str, symptom: str = "failed connects") -> Found:
    """A fault in a fleet that goes on as it was learnt."""
    fleet, detector = deepcopy(learnt)
    ticks = FaultTicks(fleet, fault(fleet, kind, symptom))
    usual = detector.usual(fleet.ids, PLACES[symptom])
    hit, first = ticks.hit, 0
    for number in range(1, _FAULT_TICKS + 1):
        findings = detector.step(_LEARNT + number, ticks.tick(_LEARNT + number), _ALL)
        started = findings.of(State.STARTED)
        same = np.isin(findings.key[started], hit) & (findings.symptom[started] == PLACES[symptom])
        first = first or (number if same.any() else 0)
        if first and number >= first + _EXPLAINED_AFTER:
            on = (findings.state != State.ENDED) & (findings.symptom == PLACES[symptom])
            return Found(10.0 * first, _is_right(ticks, usual, findings.key[on]))
    return Found(float("inf"))


def _is_right(ticks: FaultTicks, usual: np.ndarray, ill: np.ndarray) -> bool:
    leaves = ticks.leaves(usual, ill)
    causes = explain(leaves, either=EITHER).causes
    names = [causes[0].where, *causes[0].also_known_as] if causes else []
    return any(ticks.is_right(inside(leaves, where)) for where in names)


def cost() -> tuple[float, float]:
    """Rows of edges (with ten symptoms each) per second of processor time, and bytes an edge.

    A row is an edge's traffic with one instance of its server, as it comes: it counts for the edge and for six nodes.
    """
    random = np.random.default_rng(1)
    ids = np.sort(random.choice(1 << 40, _RATE_EDGES, replace=False)).astype(np.uint64)
    nodes = np.zeros((_RATE_EDGES, NODES), np.uint64)
    for place, size in zip((0, 1, 2, 3, 5, 7), (1000, 1000, 3, 3, 200, 4000), strict=True):
        nodes[:, place] = (1 << 41) + place * 10_000 + random.integers(0, size, _RATE_EDGES)
    usual = np.exp(random.normal(2, 1.5, (_RATE_EDGES, len(SYMPTOMS))))
    usual[:, -2:] = 0
    ticks = [_rows(random, ids, nodes, usual) for _ in range(_RATE_TICKS)]
    detector, taken = Detector(), []
    for tick in range(80):
        begin = time.process_time()
        detector.step(tick, ticks[tick % _RATE_TICKS], _ALL)
        taken.append(time.process_time() - begin)
    return _RATE_EDGES / min(taken[40:]), detector.nbytes / len(detector)


def _rows(random: np.random.Generator, ids: np.ndarray, nodes: np.ndarray, usual: np.ndarray) -> Observations:
    """A tick, of which two of 1,000 are bad."""
    total = random.poisson(usual).astype(np.float32)
    bad = random.binomial(total.astype(np.int64), 0.002).astype(np.float32)
    return Observations(ids, bad, total, total[:, 1] * 1000, Parts(ids, ids, nodes, bad, total))


@cache
def all_faults() -> list[dict[tuple[str, str], Found]]:
    """Of all fleets: one for each processor at a time."""
    with ProcessPoolExecutor(cpu_count()) as processes:
        return list(processes.map(faults, FAULT_SEEDS))


def faults(seed: int) -> dict[tuple[str, str], Found]:
    """Of one fleet, by kind and symptom."""
    learnt = taught(seed)
    cases = [(kind, SYMPTOMS[FAILED].name) for kind in (*KINDS, *PAIRS)]
    others = [name for name in learnt[0].habits if name != SYMPTOMS[FAILED].name]
    cases += [(kind, name) for name in others for kind in OF_OTHERS]
    return {case: found(learnt, *case) for case in cases}


def measure_day() -> Iterator[Reading]:
    """A few fleets, a day each."""
    with ProcessPoolExecutor(cpu_count()) as processes:
        days = list(processes.map(day, SEEDS))
    mean = {
        name: float(np.mean([told.counts[name] for told in days]))
        for name in [*(symptom.name for symptom in SYMPTOMS), "nodes", "events", "any failure", "3 sigma"]
    }
    mine = sum(mean[symptom.name] for symptom in SYMPTOMS)
    parts = ", ".join(f"{symptom.name} {mean[symptom.name]:.0f}" for symptom in SYMPTOMS)
    note = f"{EDGES} edges, {len(SEEDS)} days: {parts}; of nodes {mean['nodes']:.0f}; events {mean['events']:.0f}"
    for number, peer in enumerate(("any failure", "3 sigma")):
        bar = NO_BAR if number else Bar(at_most=20)
        yield Reading(mine, "findings/1,000 edges/day", bar, peer, mean[peer], note=note)
    incidents = float(np.mean([told.incidents for told in days]))
    yield Reading(incidents, "incidents/1,000 edges/day", Bar(at_most=2), note="of these findings")


def measure_delay() -> Iterator[Reading]:
    """Faults of which 15 to 100 % of the connects fail, at an edge's place that is not told."""
    failed = SYMPTOMS[FAILED].name
    wide = [told[kind, failed].seconds for told in all_faults() for kind in KINDS if kind != "pod"]
    late = np.percentile(wide, 95, method="lower")
    note = f"{np.count_nonzero(np.isfinite(wide))} of {len(wide)} found, p95 {late:.0f} s"
    bar = Bar(at_most=40 if late <= _LATE_S else 0)
    yield Reading(float(np.median(wide)), "s", bar, note=f"a version, machine or zone: {note}")
    pod = [told["pod", failed].seconds for told in all_faults()]
    note = f"{np.count_nonzero(np.isfinite(pod))} of {len(pod)} found"
    yield Reading(float(np.median(pod)), "s", Bar(at_most=60), note=f"one pod of 4 to 12: {note}")


def measure_kinds() -> Iterator[Reading]:
    """First explanations that are right of faults of one attribute, and of pairs; then each symptom and place."""
    every: dict[tuple[str, str], list[Found]] = defaultdict(list)
    for told in all_faults():
        for case, each in told.items():
            every[case].append(each)
    for what, pairs, least in (("one attribute", False, 95), ("pairs", True, 80)):
        of = [each for (kind, _), each_of in every.items() if (kind in PAIRS) == pairs for each in each_of]
        yield _right(what, of, Bar(at_least=least))
    for (kind, symptom), of in every.items():
        yield _right(f"{kind}, {symptom}", of, NO_BAR)


def _right(what: str, of: Sequence[Found], bar: Bar) -> Reading:
    """Of faults that were found, those whose place is named."""
    seen = [each for each in of if np.isfinite(each.seconds)]
    right = 100 * float(np.mean([each.right for each in seen])) if seen else None
    took = float(np.median([each.seconds for each in of]))
    note = f"{what}: {len(seen)} of {len(of)} found, median {took:.0f} s"
    return Reading(right, "%", bar, better="more", note=note)


def measure_cost() -> Iterator[Reading]:
    """Rate, and memory."""
    rate, size = cost()
    yield Reading(
        rate,
        "rows/s",
        Bar(at_least=1e6),
        better="more",
        note=f"{_RATE_EDGES:,} edges, {len(SYMPTOMS) - 2} symptoms each",
    )
    yield Reading(
        size, "B/edge", Bar(at_most=160), note=f"all {len(SYMPTOMS)} symptoms; with what presence takes"
    )
