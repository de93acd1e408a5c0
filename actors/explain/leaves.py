"""What is to be explained: counts of bad and of all by values of attributes, and how many bad ones are normal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

#: The value of an attribute that nobody knows.
UNKNOWN: Final = "unknown"
#: Trials that the rate of all leaves counts for in the rate that is expected of one.
_PRIOR_TRIALS: Final = 20.0
#: Never is a rate below or above these: its logarithm would have no end.
LEAST_RATE: Final = 1e-9
MOST_RATE: Final = 1 - 1e-3
#: The median of a chi-square distribution with one degree of freedom.
_MEDIAN_CHI_SQUARE: Final = 0.4549
#: Of the traffic: so much of it is taken for healthy.
_HEALTHY_PART: Final = 0.25
#: A leaf counts for no more traffic in that than so many median ones.
_HEAVY: Final = 10.0
#: Leaves for each value of an attribute, from which on one half tells enough.
_LEAVES_TO_HALVE: Final = 8
#: What is expected is wrong for all if even the healthier part has more than that, by this share of it.
_MISFIT: Final = 0.2
#: Leaves whose median tells how far counts lie from what is expected.
_ENOUGH: Final = 8
#: Leaves with fewer expected bad ones say too little of how far counts lie from what is expected.
TELLING: Final = 3.0
#: If this part of the leaves is ill or more, the median over all says little of how much the healthy vary.
MANY_ILL: Final = 1 / 3


@dataclass(frozen=True)
class Either:
    """An attribute that stands in one of two: a node at either end.

    :param first: place of the attribute that has the values of the client.
    :param second: the same of the server; codes of both mean the same values.
    """

    name: str
    first: int
    second: int


@dataclass(frozen=True)
class Leaves:
    """Counts of traffic that agrees in all attributes.

    :param names: of the attributes; length D.
    :param values: for each attribute what its codes stand for.
    :param codes: shape (n, D), int.
    :param bad: of each leaf; shape (n,), float, as those that follow.
    :param total: bad and good.
    :param expected: bad ones that are normal for it.
    :param dispersion: by how much its counts vary more than coins do; at least 1.
    :param doubt: the part of that because what is normal was counted, too; it stays whatever others vary by.
    :param supposed: what is normal is known of no other time: it was taken from these very counts, one rate for all.
    """

    names: Sequence[str]
    values: Sequence[Sequence[str]]
    codes: np.ndarray
    bad: np.ndarray
    total: np.ndarray
    expected: np.ndarray
    dispersion: np.ndarray
    supposed: bool = False
    doubt: np.ndarray | float = 1.0

    def __len__(self) -> int:
        return len(self.bad)

    @property
    def excess(self) -> np.ndarray:
        """Bad ones beyond what is normal; shape (n,)."""
        beyond: np.ndarray = self.bad - self.expected
        return beyond

    def take(self, rows: np.ndarray) -> "Leaves":
        """Some of them; ``rows`` is a mask or places."""
        columns = {
            name: getattr(self, name)[rows] for name in ("codes", "bad", "total", "expected", "dispersion")
        }
        doubt = self.doubt[rows] if isinstance(self.doubt, np.ndarray) else self.doubt
        return replace(self, **columns, doubt=doubt)


def expected_by_rate(total: np.ndarray, expected_bad: np.ndarray, expected_total: np.ndarray) -> np.ndarray:
    """Bad ones that are normal at the present traffic, when another time had these; shape (n,).

    A leaf of little traffic has the rate of all, so far as its own says nothing: ``_PRIOR_TRIALS`` of it.
    """
    overall = expected_bad.sum() / max(expected_total.sum(), 1.0)
    rate = (expected_bad + _PRIOR_TRIALS * overall) / (expected_total + _PRIOR_TRIALS)
    return np.asarray(total * np.clip(rate, LEAST_RATE, MOST_RATE))


def doubt_of_rate(total: np.ndarray, expected_total: np.ndarray) -> np.ndarray:
    """By how much counts lie further from what is expected because that was counted, too; shape (n,), at least 1.

    The variance of what ``expected_by_rate`` says, beside that of coins: by chance fewer may have been bad then.
    """
    return np.asarray(1 + total * expected_total / np.square(expected_total + _PRIOR_TRIALS))


def expected_of_rate(total: np.ndarray, rate: float) -> np.ndarray:
    """Bad ones that are normal if each leaf has this rate; shape (n,)."""
    return np.asarray(total * np.clip(rate, LEAST_RATE, MOST_RATE))


def expected_by_edge(
    edges: np.ndarray, bad: np.ndarray, total: np.ndarray, shares: Mapping[int, float]
) -> np.ndarray:
    """Bad ones that are normal where some edges are ill, and all others as they always are; shape (n,).

    :param edges: of each leaf.
    :param shares: that are normal for those that are ill.
    """
    ids, same = np.unique(edges, return_inverse=True)
    k, n = (np.bincount(same, column, len(ids)) for column in (bad, total))
    rates = np.array(
        [shares.get(id_, k[place] / max(n[place], 1.0)) for place, id_ in enumerate(ids.tolist())]
    )
    return np.asarray(total * np.clip(rates[same], LEAST_RATE, MOST_RATE))


def healthy_rate(codes: np.ndarray, bad: np.ndarray, total: np.ndarray) -> float:
    """The rate of the healthier part, where nothing is known of another time.

    For each attribute, its values are put into the order of their rates, and those with the first quarter of the
    traffic are taken. The lowest rate of any attribute counts: it is that of the one that separates best.
    """
    overall = float(bad.sum() / max(total.sum(), 1.0))
    rates = [
        _lowest_rate(codes[:, place], bad, total, overall)
        for place in range(codes.shape[1])
        if codes[:, place].max(initial=0)
    ]
    return min(overall, *rates) if rates else overall


def _lowest_rate(codes: np.ndarray, bad: np.ndarray, total: np.ndarray, overall: float) -> float:
    """Of one attribute. Values are put into order by one half of their leaves and measured by the other, so that
    chance does not make them healthier than they are; where values have few leaves, by all of them.
    """
    size = int(codes.max()) + 1
    if len(codes) >= _LEAVES_TO_HALVE * size:
        measured = _half(codes)
        ordering = ~measured
    else:
        measured = ordering = np.ones(len(codes), np.bool_)

    def rates(rows: np.ndarray) -> np.ndarray:
        k, n = (np.bincount(codes[rows], column[rows], size) for column in (bad, total))
        return np.asarray((k + overall) / (n + 1.0))

    traffic = np.bincount(codes, np.minimum(total, _HEAVY * np.median(total)), size)
    order = np.argsort(rates(ordering), kind="stable")
    summed = np.cumsum(traffic[order])
    taken = order[: int(np.searchsorted(summed, _HEALTHY_PART * summed[-1])) + 1]
    return float(np.average(rates(measured)[taken], weights=np.maximum(traffic[taken], LEAST_RATE)))


def _half(codes: np.ndarray) -> np.ndarray:
    """Every other leaf of each value, in an order that is not the table's: in a sorted one every other row may have
    the same values.
    """
    shuffled = np.random.default_rng(len(codes)).permutation(len(codes))
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]
    half = np.empty(len(codes), np.bool_)
    half[order] = np.arange(len(codes)) % 2 == 1
    return half


def dispersion_of(
    bad: np.ndarray, total: np.ndarray, expected: np.ndarray, healthy: np.ndarray | None = None
) -> np.ndarray:
    """By how much counts lie further from what is expected than those of coins would; shape (n,), at least 1.

    A forecast is wrong by a share of itself: the variance is that of coins and the square of that share. The median
    over leaves tells it, for most of them are healthy; of fewer than ``_ENOUGH`` that are known to be, the mean.

    :param healthy: those that are asked, a mask; None: all.
    """
    variance = np.maximum(expected * (1 - expected / np.maximum(total, expected + LEAST_RATE)), LEAST_RATE)
    telling = expected >= TELLING if healthy is None else healthy & (expected >= TELLING)
    few = np.count_nonzero(telling) < _ENOUGH
    if few and (healthy is None or not telling.any()):
        return np.ones(len(bad))
    middle = 1.0 if few else _MEDIAN_CHI_SQUARE
    beyond = (np.square(bad - expected) - middle * variance)[telling] / np.square(expected[telling])
    share = max(float(np.mean(beyond) if few else np.median(beyond)), 0.0) / middle
    return np.asarray(1 + share * np.square(expected) / variance)


def supposed_beside(leaves: Leaves, healthy: np.ndarray) -> Leaves:
    """The leaves, with so many more expected as there are beyond what is expected beside the causes.

    :param healthy: what no cause has, a mask; shape (n,).
    """
    total = leaves.total[healthy].sum()
    return _raised(leaves, float(leaves.excess[healthy].sum() / total), healthy) if total else leaves


def raised_to_healthy(leaves: Leaves, rest: np.ndarray) -> Leaves | None:
    """The leaves, with so many more expected as there are beyond that in the healthier part; None: there are none.

    :param rest: what no cause has, a mask; shape (n,).
    """
    if rest.any() and leaves.excess[rest].sum() < _MISFIT * leaves.expected[rest].sum():
        return None
    beyond = healthy_rate(leaves.codes, leaves.excess, leaves.total)
    if beyond * leaves.total.sum() < _MISFIT * leaves.expected.sum():
        return None
    return replace(_raised(leaves, beyond, rest), supposed=True)


def dispersed_as(leaves: Leaves, healthy: np.ndarray) -> Leaves | None:
    """The leaves, if they vary as those do that are healthy; None: nothing tells how these vary.

    :param healthy: a mask; shape (n,). If none is, all vary around the share that all have of what is expected.
    """
    expected = leaves.expected
    if not healthy.any():
        healthy = ~healthy
        expected = np.minimum(expected * (leaves.bad.sum() / max(expected.sum(), LEAST_RATE)), leaves.total)
    if not (healthy & (expected >= TELLING)).any():
        return None
    dispersion = dispersion_of(leaves.bad, leaves.total, expected, healthy)
    return replace(leaves, dispersion=np.maximum(dispersion, leaves.doubt))


def _raised(leaves: Leaves, rate: float, healthy: np.ndarray) -> Leaves:
    """With other expectations, and what counts vary by then: the healthy ones where many are ill, else all."""
    expected = np.clip(
        leaves.expected + leaves.total * rate, LEAST_RATE, leaves.total * MOST_RATE + LEAST_RATE
    )
    telling = expected >= TELLING
    left = np.count_nonzero(healthy & telling)
    few = 0 < left < (1 - MANY_ILL) * np.count_nonzero(telling)
    dispersion = dispersion_of(leaves.bad, leaves.total, expected, healthy if few else None)
    return replace(leaves, expected=expected, dispersion=dispersion)
