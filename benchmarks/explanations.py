"""Causes of failures put into counts: how many are named right, and how long it takes, beside Adtributor."""

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any, Final

import numpy as np

from actors.explain.causes import explain
from actors.explain.leaves import Leaves, expected_by_rate
from benchmarks.figure import Bar, Reading
from benchmarks.peers.adtributor import adtributor

#: Values of each attribute; those of the first five follow from the pod.
SIZES: Final = (3, 24, 6, 3, 4, 4, 12, 8)
NAMES: Final = ("version", "pod", "node", "zone", "image", "port", "route", "client")
PODS: Final = 24
SEEDS: Final = range(1000, 1040)
LEAVES: Final = 4000
#: For the time.
MANY: Final = 100_000
MANY_SIZES: Final = (3, 3, 3, 3, 20, 60, 60, 200, 500, 8, 12, 40)
REPEATS: Final = 7
NORMAL: Final = 0.002

Fault = dict[int, int]


def counts(codes: np.ndarray, sizes: tuple[int, ...], fault: Fault, rate: float, random: Any) -> Leaves:
    """Leaves of which some fail at a rate, and an earlier time of the same length in which none did."""
    total, before = (random.poisson(12, len(codes)).astype(np.float64) for _ in range(2))
    ill = np.all([codes[:, place] == value for place, value in fault.items()], axis=0)
    bad = random.binomial(total.astype(np.int64), np.where(ill, rate, NORMAL)).astype(np.float64)
    expected = expected_by_rate(total, random.binomial(before.astype(np.int64), NORMAL), before)
    names = NAMES if sizes == SIZES else [f"a{place}" for place in range(len(sizes))]
    values = [[str(value) for value in range(size)] for size in sizes]
    return Leaves(names, values, codes, bad, total, expected, np.ones(len(codes)))


def fleet(seed: int, attributes: int) -> tuple[Leaves, dict[str, str]]:
    """A fleet with a fault of one attribute, or of a pair of these, and what is right."""
    random = np.random.default_rng(seed)
    pod = random.integers(0, PODS, LEAVES)
    of_pods = [random.integers(0, size, PODS) for size in SIZES]
    of_pods[1] = np.arange(PODS)
    of_pods[4] = of_pods[0]  # an image is another name of a version
    codes = np.stack(
        [of[pod] if at < 5 else random.integers(0, SIZES[at], LEAVES) for at, of in enumerate(of_pods)], 1
    )
    first = int(random.choice([0, 1, 2, 3] if attributes == 1 else [0, 2, 3]))
    places = [first, *([int(random.choice([5, 6, 7]))] if attributes == 2 else [])]
    row = codes[int(random.integers(LEAVES))]
    fault = {place: int(row[place]) for place in places}
    rate = float(random.uniform(0.15, 0.9))
    right = {NAMES[place]: str(value) for place, value in fault.items()}
    return counts(codes, SIZES, fault, rate, random), right


def _is_ours_right(leaves: Leaves, right: dict[str, str]) -> bool:
    causes = explain(leaves).causes
    return bool(causes) and _same(leaves, right, [causes[0].where, *causes[0].also_known_as])


def _is_peer_right(leaves: Leaves, right: dict[str, str]) -> bool:
    name, values = adtributor(leaves)
    return len(values) == 1 and _same(leaves, right, [{name: next(iter(values))}])


def _same(leaves: Leaves, right: dict[str, str], told: list[dict[str, str]]) -> bool:
    """Whether one of the names is of the very leaves that were made ill."""
    wanted = _inside(leaves, right)
    return any(np.array_equal(_inside(leaves, where), wanted) for where in told)


def _inside(leaves: Leaves, where: dict[str, str]) -> np.ndarray:
    names = list(leaves.names)
    parts = [leaves.codes[:, names.index(name)] == int(value) for name, value in where.items()]
    return np.all(parts, axis=0) if parts else np.ones(len(leaves), np.bool_)


def measure_right() -> Iterator[Reading]:
    """Of faults of one attribute, and of pairs: first answers that name the very traffic."""
    for attributes, bar, what in ((1, 95, "one attribute"), (2, 80, "a pair")):
        made = [fleet(seed, attributes) for seed in SEEDS]
        ours, peer = (
            100 * float(np.mean([is_right(*each) for each in made]))
            for is_right in (_is_ours_right, _is_peer_right)
        )
        note = f"{what} of {len(NAMES)}, {len(made)} fleets of {LEAVES:,} leaves, 15 to 90 % ill"
        yield Reading(ours, "%", Bar(at_least=bar), "Adtributor", peer, "more", note)


def measure_time() -> Iterator[Reading]:
    """Processor time for 100,000 leaves of 12 attributes."""
    random = np.random.default_rng(1)
    codes = np.stack([random.integers(0, size, MANY) for size in MANY_SIZES], axis=1)
    leaves = counts(codes, MANY_SIZES, {0: 1, 4: 3}, 0.3, random)
    peer = _milliseconds(lambda: adtributor(leaves))
    for depth in (1, 2, 3):
        value = _milliseconds(lambda: explain(leaves, depth))  # noqa: B023 - called at once
        bar = Bar(at_most=150) if depth < 3 else Bar()
        note = f"{MANY:,} leaves of {len(MANY_SIZES)} attributes, at most {depth} in a cause"
        yield Reading(value, "ms", bar, "Adtributor", peer, "less", note)


def _milliseconds(run: Callable[[], object]) -> float:
    """The median of a few."""
    took = []
    for _ in range(REPEATS):
        begin = time.process_time()
        run()
        took.append(1e3 * (time.process_time() - begin))
    return median(took)
