"""Tables as public data sets of multidimensional faults have them: made by their descriptions, with right answers.

Three kinds. *Ripple*: amounts with a forecast; all leaves of a cause are off by the same share of it, healthy
ones by noise (as in Squeeze's groups A and B, Li et al., ISSRE 2019; levels of noise are B0's to B4's). *Labels*:
sparse leaves, those of causes each off by a share of its own (as in RAPMiner's data, Li et al., DSN 2022). *Wide*:
counts of connects, half to five sixths of whose rows are ill.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from actors.explain.causes import explain
from actors.explain.leaves import Leaves
from benchmarks.figure import Reading
from benchmarks.peers.adtributor import adtributor
from engine.commands.explain.table_file import Roles, leaves_of

#: The mean error of the forecast of healthy leaves, of B0 to B4.
NOISE: Final = (0.008, 0.031, 0.062, 0.094, 0.124)
#: Values of each attribute: of Squeeze's B and A, and of RAPMiner's.
SIZES_B: Final = (6, 36, 10, 10)
SIZES_A: Final = (10, 12, 10, 8, 5)
SIZES_LABELS: Final = (33, 4, 4, 20)
#: A cause holds this part of all at least, and so many leaves that count anything.
_LEAST_PART: Final = 0.002
_LEAST_LEAVES: Final = 4
#: A leaf is bad if it is off by more than this share of its forecast, where leaves have labels.
OFF: Final = 0.095
#: Not those that the search was tuned on (0 to 4).
SEEDS: Final = range(500, 503)
_DEPTH: Final = 3

Place = dict[int, int]


@dataclass(frozen=True)
class Case:
    """Leaves with what was counted and what was forecast.

    :param codes: shape (n, D).
    :param real: shape (n,), not whole numbers.
    :param truth: the causes: value by attribute.
    """

    codes: np.ndarray
    real: np.ndarray
    forecast: np.ndarray
    truth: Sequence[Place]


def _leaves(random: np.random.Generator, sizes: Sequence[int], kept: float) -> tuple[np.ndarray, np.ndarray]:
    """All combinations, with amounts over six powers of ten; some count nothing."""
    codes = np.stack([axis.ravel() for axis in np.indices(sizes)], axis=1)
    weights = sum(
        (random.normal(0, 1.0, size)[codes[:, place]] for place, size in enumerate(sizes)),
        np.zeros(len(codes)),
    )
    amounts = np.exp(random.normal(2.0, 1.5, len(codes)) + weights)
    amounts[random.random(len(codes)) > kept] = 0
    return codes, np.round(amounts, 2)


def inside(codes: np.ndarray, place: Place) -> np.ndarray:
    """Which leaves a cause has."""
    return np.asarray(np.all([codes[:, at] == value for at, value in place.items()], axis=0))


def _causes(
    random: np.random.Generator,
    codes: np.ndarray,
    amounts: np.ndarray,
    layer: int,
    count: int,
    one_cuboid: bool,
) -> list[Place]:
    """Causes that do not meet, each of some weight."""
    found: list[Place] = []
    taken = np.zeros(len(codes), np.bool_)
    attributes = sorted(random.choice(codes.shape[1], layer, replace=False).tolist())
    for _ in range(10_000):
        if len(found) == count:
            return found
        if not one_cuboid:
            attributes = sorted(random.choice(codes.shape[1], layer, replace=False).tolist())
        row = codes[random.integers(len(codes))]
        place = {at: int(row[at]) for at in attributes}
        rows = inside(codes, place)
        few = np.count_nonzero(rows & (amounts > 0)) < _LEAST_LEAVES
        if few or (rows & taken).any() or amounts[rows].sum() < _LEAST_PART * amounts.sum():
            continue
        found.append(place)
        taken |= rows
    return _causes(random, codes, amounts, layer, count, one_cuboid)


def ripple(
    seed: int, layer: int, count: int, noise: float, sizes: Sequence[int] = SIZES_B, one_cuboid: bool = True
) -> Case:
    """All leaves of a cause are off by one share of their forecast, 20 % to all of it."""
    random = np.random.default_rng(seed)
    codes, forecast = _leaves(random, sizes, 0.6)
    real = forecast * np.maximum(1 + noise * np.sqrt(np.pi / 2) * random.normal(0, 1, len(codes)), 0)
    truth = _causes(random, codes, forecast, layer, count, one_cuboid)
    share = random.uniform(0.2, 1.0)
    for place in truth:
        rows = inside(codes, place)
        real[rows] = forecast[rows] * np.maximum(1 - share + noise * random.normal(0, 1, rows.sum()), 0)
        if not one_cuboid:
            share = random.uniform(0.2, 1.0)
    return Case(codes, real, forecast, truth)


def labels(seed: int, layers: Sequence[int]) -> Case:
    """Sparse leaves; each of a cause is off by a share of its own, healthy ones by -2 to 9 %."""
    random = np.random.default_rng(seed)
    codes, forecast = _leaves(random, SIZES_LABELS, 0.5)
    seen = forecast > 0
    codes, forecast = codes[seen], forecast[seen]
    real = forecast * (1 - random.uniform(-0.02, 0.09, len(codes)))
    truth: list[Place] = []
    taken = np.zeros(len(codes), np.bool_)
    for layer in layers:
        while True:
            (place,) = _causes(random, codes, np.ones(len(codes)), layer, 1, True)
            rows = inside(codes, place)
            if not (rows & taken).any():
                break
        truth.append(place)
        taken |= rows
        real[rows] = forecast[rows] * (1 - random.uniform(0.1, 0.9, rows.sum()))
    return Case(codes, real, forecast, truth)


@dataclass(frozen=True)
class Counts:
    """Counts of connects, now and before; shape (n,) each."""

    codes: np.ndarray
    bad: np.ndarray
    total: np.ndarray
    bad_before: np.ndarray
    total_before: np.ndarray
    truth: Sequence[Place]


_Made = TypeVar("_Made", Case, Counts)

#: Causes of most of the rows, by version, pod, zone and client.
_WIDE: Final[Sequence[Sequence[Place]]] = (
    [{0: 0}],
    [{2: 0}, {2: 1}],
    [{2: 2}, {0: 0}],
    [{2: 2}, {1: 0}, {1: 4}, {1: 9}],
    [{3: value} for value in range(5)],
)


def wide(seed: int, truth: Sequence[Place], noise: float) -> Counts:
    """Twelve pods of two versions in three zones, ten clients.

    :param noise: by which rates of healthy rows differ from each other, and from before.
    """
    random = np.random.default_rng(seed)
    row = np.arange(120)
    codes = np.stack([row % 2, row % 12, row % 3, row // 12], axis=1)
    total, before = random.integers(200, 5000, (2, len(row)))
    usual, then = random.uniform(0.005, 0.08) * np.exp(random.normal(0, noise, (2, len(row))))
    ill = np.any([inside(codes, place) for place in truth], axis=0)
    bad = random.binomial(total, np.where(ill, random.uniform(0.3, 0.9), np.minimum(usual, 0.9)))
    bad_before = random.binomial(before, np.minimum(then, 0.9))
    return Counts(codes, bad, total, bad_before, before, truth)


def counted(case: Counts, *, expected: bool) -> Leaves:
    """With what was counted before, if wanted."""
    names = [f"a{place}" for place in range(case.codes.shape[1])]
    values = [[str(value) for value in range(int(column.max()) + 1)] for column in case.codes.T]
    columns = {"bad": case.bad, "total": case.total, "none": case.bad_before, "before": case.total_before}
    counts = {name: column.astype(np.float64) for name, column in columns.items()}
    roles = Roles("bad", "total", *(("none", "before") if expected else ()))
    return leaves_of(names, values, case.codes, counts, roles)


def missing(case: Case, *, expected: bool = False) -> Leaves:
    """What is missing of the forecast is bad; with a time at which nothing was, if wanted."""
    return _leaves_with(case, np.maximum(case.forecast - case.real, 0), case.forecast, expected=expected)


def labelled(case: Case, *, expected: bool = False) -> Leaves:
    """Leaves that are off are bad, each counts for one."""
    off = case.forecast - case.real > OFF * case.forecast
    return _leaves_with(case, off.astype(np.float64), np.ones(len(off)), expected=expected)


def _leaves_with(case: Case, bad: np.ndarray, total: np.ndarray, *, expected: bool) -> Leaves:
    names = [f"a{place}" for place in range(case.codes.shape[1])]
    values = [[str(value) for value in range(int(column.max()) + 1)] for column in case.codes.T]
    counts = {"bad": bad, "total": total, "none": np.zeros(len(bad)), "before": total}
    roles = Roles("bad", "total", *(("none", "before") if expected else ()))
    return leaves_of(names, values, case.codes, counts, roles)


class Score:
    """How many causes were told right and wrong, and missed."""

    def __init__(self) -> None:
        self.right = self.told = self.wanted = 0

    def add(self, told: Sequence[dict[str, str]], truth: Sequence[Place]) -> None:
        """Counts those of one table."""
        wanted = [{f"a{place}": str(value) for place, value in cause.items()} for cause in truth]
        self.right += sum(cause in wanted for cause in told)
        self.told += len(told)
        self.wanted += len(wanted)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, in percent."""
        return 200 * self.right / max(self.told + self.wanted, 1)


def _scored(cases: Sequence[_Made], leaves_by: Callable[[_Made], Leaves], what: str) -> Reading:
    ours, peer = Score(), Score()
    for case in cases:
        leaves = leaves_by(case)
        ours.add([cause.where for cause in explain(leaves, _DEPTH).causes], case.truth)
        name, values = adtributor(leaves)
        peer.add([{name: value} for value in sorted(values)], case.truth)
    note = f"{what}; {len(cases)} tables, {ours.wanted} causes, {ours.told} told, {ours.right} of them right"
    return Reading(ours.f1, "%", peer="Adtributor", peer_value=peer.f1, better="more", note=note)


def measure_tables() -> Iterator[Reading]:
    """F1 of causes in tables as those of public data sets."""
    for layer in (1, 2, 3):
        for low, high in ((0, 2), (3, 4)):
            cases = [
                ripple(1000 * seed + 10 * count + level, layer, count, NOISE[level])
                for seed in SEEDS
                for count in (1, 2, 3)
                for level in range(low, high + 1)
            ]
            what = f"1 to 3 causes of {layer} attributes, forecasts as of B{low} to B{high}"
            yield _scored(cases, missing, what)
    mixed = [ripple(seed, 2, count, NOISE[1], SIZES_A, False) for seed in SEEDS for count in (1, 2, 3)]
    yield _scored(mixed, missing, "causes of other attributes and shares each, forecasts as of B1")
    yield _scored(mixed, lambda case: missing(case, expected=True), "the same, beside a time without any bad")
    layers = ((1,), (2,), (3,), (1, 2), (2, 2), (2, 3), (1, 2, 3))
    sparse = [labels(seed, each) for seed in SEEDS for each in layers]
    yield _scored(sparse, labelled, "sparse leaves with labels, 1 to 3 causes of 1 to 3 attributes")
    yield _scored(sparse, missing, "the same, by amounts")
    most = [
        wide(seed, truth, noise) for seed in range(700, 705) for truth in _WIDE for noise in (0, 0.1, 0.3)
    ]
    what = "counts of which half to five sixths are ill, 1 to 5 causes of 1 attribute"
    yield _scored(most, lambda case: counted(case, expected=False), what)
    yield _scored(
        most, lambda case: counted(case, expected=True), "the same, beside a time when all was well"
    )
