"""Findings on a day of normal life, time until a fault is found, and what the detector costs."""

import time
from collections.abc import Iterator
from typing import Final

import numpy as np

from actors.detect.detector import Detector
from actors.detect.observations import Known, Observations, State
from actors.detect.symptoms import SYMPTOMS
from benchmarks.detect_fleet import FAILED, TICKS_PER_HOUR, DetectFleet
from benchmarks.figure import NO_BAR, Bar, Reading

#: Fleets that the tuning was never tried on.
SEEDS: Final = (101, 102)
FAULT_SEEDS: Final = range(200, 210)
EDGES: Final = 500
SERVICES: Final = 80
_TEACHING_HOURS: Final = 6
_DAY_HOURS: Final = 24
_FAULT_TICKS: Final = 36
_KINDS: Final = ("version", "machine", "zone", "pod")
_ALL: Final = Known()
_RATE_EDGES: Final = 20_000


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


def day(seed: int, hours: int = _DAY_HOURS) -> dict[str, float]:
    """Findings per 1,000 edges and day without a fault: by symptom, ``events``, and alerts of the peers."""
    fleet, detector = DetectFleet(seed, SERVICES, EDGES), Detector()
    peers: dict[str, AnyFailure | ThreeSigma] = {
        "any failure": AnyFailure(EDGES),
        "3 sigma": ThreeSigma(EDGES),
    }
    counts: dict[str, float] = dict.fromkeys([*(s.name for s in SYMPTOMS), "events", *peers], 0.0)
    for tick in range((_TEACHING_HOURS + hours) * TICKS_PER_HOUR):
        counting = tick >= _TEACHING_HOURS * TICKS_PER_HOUR
        seen = fleet.tick(tick, disturbed=counting)
        findings = detector.step(tick, seen, _ALL)
        bad, total = np.zeros((2, EDGES), np.float32)
        bad[seen.ids], total[seen.ids] = seen.bad[:, FAILED], seen.total[:, FAILED]
        alerts = {name: peer.step(bad, total) for name, peer in peers.items()}
        if counting:
            started = findings.of(State.STARTED)
            for place in findings.symptom[started].tolist():
                counts[SYMPTOMS[place].name] += 1
            counts["events"] += len(findings.event)
            for name, number in alerts.items():
                counts[name] += number
    return {name: number * 1000 / EDGES * 24 / hours for name, number in counts.items()}


def delay(kind: str, seed: int) -> float:
    """Seconds from a fault to the first finding; infinite if there is none in six minutes."""
    fleet, detector = DetectFleet(seed, 60, 300), Detector()
    teaching = 2 * TICKS_PER_HOUR
    for tick in range(teaching):
        detector.step(tick, fleet.tick(tick), _ALL)
    fault = fleet.fault(kind)
    hit = np.unique(fleet.edge[fault.grains])
    for tick in range(teaching, teaching + _FAULT_TICKS):
        findings = detector.step(tick, fleet.tick(tick, fault=fault), _ALL)
        started = findings.of(State.STARTED)
        if np.isin(findings.key[started], hit).any() and (findings.symptom[started] == FAILED).any():
            return 10.0 * (tick - teaching + 1)
    return float("inf")


def cost() -> tuple[float, float]:
    """Rows of edges (with five symptoms each) per second of processor time, and bytes an edge."""
    random = np.random.default_rng(1)
    ids = np.sort(random.choice(1 << 40, _RATE_EDGES, replace=False)).astype(np.uint64)
    total = random.poisson(np.exp(random.normal(2, 1.5, (_RATE_EDGES, len(SYMPTOMS))))).astype(np.float32)
    total[:, -2:] = 0
    bad = random.binomial(total.astype(np.int64), 0.002).astype(np.float32)
    seen, detector = Observations(ids, bad, total, total[:, 1] * 1000), Detector()
    taken = []
    for tick in range(30):
        begin = time.process_time()
        detector.step(tick, seen, _ALL)
        taken.append(time.process_time() - begin)
    return _RATE_EDGES / min(taken[1:]), detector.nbytes / len(detector)


def measure_day() -> Iterator[Reading]:
    """Two fleets, a day each."""
    days = [day(seed) for seed in SEEDS]
    mean = {name: float(np.mean([told[name] for told in days])) for name in days[0]}
    mine = sum(mean[symptom.name] for symptom in SYMPTOMS)
    parts = ", ".join(f"{symptom.name} {mean[symptom.name]:.0f}" for symptom in SYMPTOMS[:4])
    note = f"{EDGES} edges, {len(SEEDS)} days: {parts}; events {mean['events']:.0f}"
    for number, peer in enumerate(("any failure", "3 sigma")):
        bar = NO_BAR if number else Bar(at_most=20)
        yield Reading(mine, "findings/1,000 edges/day", bar, peer, mean[peer], note=note)


def measure_delay() -> Iterator[Reading]:
    """Faults of which 15 to 100 % of the connects fail, at an edge's place that is not told."""
    wide = [delay(kind, seed) for kind in _KINDS[:-1] for seed in FAULT_SEEDS]
    late = np.percentile(wide, 95, method="lower")
    found = f"{np.count_nonzero(np.isfinite(wide))} of {len(wide)} found, p95 {late:.0f} s"
    yield Reading(float(np.median(wide)), "s", Bar(at_most=40), note=f"a version, machine or zone: {found}")
    pod = [delay("pod", seed) for seed in FAULT_SEEDS]
    found = f"{np.count_nonzero(np.isfinite(pod))} of {len(pod)} found"
    yield Reading(float(np.median(pod)), "s", Bar(at_most=60), note=f"one pod of 4 to 12: {found}")


def measure_cost() -> Iterator[Reading]:
    """Rate, and memory."""
    rate, size = cost()
    yield Reading(
        rate, "rows/s", Bar(at_least=1e6), better="more", note=f"{_RATE_EDGES:,} edges, 5 symptoms each"
    )
    yield Reading(size, "B/edge", Bar(at_most=160), note="all seven symptoms; with what presence takes")
