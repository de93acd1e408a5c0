"""Causes, one after the other: the best group, given its simplest name, and then what is left without it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from actors.explain.evidence import evidence, first_ill_rate
from actors.explain.leaves import Either, Leaves
from actors.explain.search import PRICE, Best, Group, Search, group_count, inside_of

#: Searches until the rate of the ill has settled: it changes by no more than this part.
ROUNDS: Final = 3
SETTLED: Final = 0.02
#: The chance that a cause is none, after the correction for how many groups were looked at.
SIGNIFICANCE: Final = 0.01
#: A cause explains at least this part of the excess that is left, and of all.
LEAST_LEFT: Final = 0.2
LEAST_OF_ALL: Final = 0.02
#: Where what is normal is only supposed, values always differ: one less than this part as ill as another cause is
#: none beside that.
PALE: Final = 0.2
#: Bad ones that make a cause.
LEAST_BAD: Final = 5.0
#: A group is divided if so much of its traffic is healthy, and no more values than these are ill.
HEALTHY_PART: Final = 0.2
ILL_VALUES: Final = 4
#: An attribute is given up if leaves gained by it are as ill as this part of those inside, or are as few as that.
AS_ILL: Final = 0.3
AS_FEW: Final = 0.02
#: Another name of the same traffic holds this part of its excess, in not more traffic than that.
SAME_EXCESS: Final = 0.97
SAME_TRAFFIC: Final = 1.03


@dataclass(frozen=True)
class Cause:
    """Values that separate the bad from the healthy.

    :param where: value by attribute; empty: everything.
    :param score: evidence for it, in nats.
    :param bad: inside, as counted.
    :param total: inside.
    :param expected: bad ones that are normal inside.
    :param explains: its part of all excess, 0..1.
    :param rate_outside: bad of total where no cause is; 0 if nothing is outside.
    :param also_known_as: other names of the same traffic.
    """

    where: dict[str, str]
    score: float
    bad: float
    total: float
    expected: float
    explains: float
    rate_outside: float
    also_known_as: list[dict[str, str]]


@dataclass(frozen=True)
class Explanation:
    """Causes, best first, and the attributes in which nothing differs beside them.

    :param just_before: what began just before, in words, where that is known.
    """

    causes: list[Cause] = field(default_factory=list)
    no_difference: list[str] = field(default_factory=list)
    just_before: list[str] = field(default_factory=list)


def explain(leaves: Leaves, depth: int = 2, most: int = 5, either: Sequence[Either] = ()) -> Explanation:
    """Which values separate the bad from the healthy.

    :param depth: attributes of one cause at most.
    :param most: causes.
    """
    leaves = replace(leaves, codes=np.asfortranarray(leaves.codes, np.intp))
    whole = _excess(leaves)
    threshold = float(np.log(group_count(leaves, depth, either) / SIGNIFICANCE))
    alive = np.ones(len(leaves), np.bool_)
    found: list[tuple[Group, float, np.ndarray]] = []
    while len(found) < most and whole > 0:
        left = leaves.take(alive) if found else leaves
        excess = _excess(left)
        if excess < LEAST_OF_ALL * whole or left.bad.sum() < LEAST_BAD:
            break
        best = _best(left, depth, max(LEAST_LEFT * excess, LEAST_OF_ALL * whole), either)
        if best.score < threshold:
            break
        group = _simplest(left, best.group, either)
        inside = alive & inside_of(leaves, group, either)
        if leaves.supposed and _pales(leaves, inside, [earlier for _, _, earlier in found]):
            break
        found.append((group, best.score, inside))
        alive &= ~inside
        if not group:
            break
    return _told(leaves, found, alive, either)


def _pales(leaves: Leaves, inside: np.ndarray, causes: Sequence[np.ndarray]) -> bool:
    """Whether what is inside is hardly ill beside one of the causes; shapes (n,), masks."""

    def rate(rows: np.ndarray) -> float:
        return float(leaves.excess[rows].sum() / max(leaves.total[rows].sum(), 1e-9))

    return rate(inside) < PALE * max(map(rate, causes), default=0.0)


def _excess(leaves: Leaves) -> float:
    """Of all, or of one value, if that is more: elsewhere fewer may be bad than usual."""
    excess = leaves.excess
    sums = (
        np.bincount(leaves.codes[:, place], excess, len(values)).max(initial=0)
        for place, values in enumerate(leaves.values)
        if len(values)
    )
    return float(max(excess.sum(), 0, *sums))


def _best(leaves: Leaves, depth: int, floor: float, either: Sequence[Either]) -> Best:
    """The best group, once the rate that the ill have is the one inside it."""
    rate = first_ill_rate(leaves)
    search = Search(leaves, depth, floor, either)
    for _ in range(ROUNDS):
        nats = evidence(leaves, rate)
        best = search.run(nats)
        best = _divided(leaves, nats, best, either, depth)
        inside = inside_of(leaves, best.group, either)
        seen = float(leaves.bad[inside].sum() / max(leaves.total[inside].sum(), 1e-9))
        if not best.score or abs(seen - rate) < SETTLED * rate:
            break
        rate = seen
    return best


def _divided(leaves: Leaves, nats: np.ndarray, best: Best, either: Sequence[Either], depth: int) -> Best:
    """The worst of some values that are ill, where others of their attribute are healthy: each is its own cause.

    Together they score more than their group with what is healthy in it, and the price of each is paid.
    """
    while len(best.group) < depth:
        inside = np.flatnonzero(inside_of(leaves, best.group, either))
        speak, total = nats[inside], leaves.total[inside]
        parts = [
            _ill_values(leaves.codes[:, place][inside], speak, total, len(leaves.values[place]))
            for place in range(len(leaves.names))
            if place not in dict(best.group)
        ]
        places = [place for place in range(len(leaves.names)) if place not in dict(best.group)]
        gains = [part[0] for part in parts]
        if not gains or max(gains) <= 0:
            break
        at = int(np.argmax(gains))
        best = Best(parts[at][2], tuple(sorted((*best.group, (places[at], parts[at][1])))))
    return best


def _ill_values(
    codes: np.ndarray, nats: np.ndarray, total: np.ndarray, size: int
) -> tuple[float, int, float]:
    """What naming the ill values gains, in nats, the worst of them, and its evidence."""
    scores, traffic = np.bincount(codes, nats, size), np.bincount(codes, total, size)
    ill = scores > 0
    healthy = traffic[~ill].sum() / max(traffic.sum(), 1e-9)
    if not 2 <= np.count_nonzero(ill) <= ILL_VALUES or healthy < HEALTHY_PART:
        return 0.0, 0, 0.0
    price = PRICE + np.log(size)
    worst = int(scores.argmax())
    return float((scores[ill] - price).sum() - scores.sum()), worst, float(scores[worst] - price)


def _simplest(leaves: Leaves, group: Group, either: Sequence[Either]) -> Group:
    """The group without attributes that tell nothing: what is gained without them is ill as well, or very little."""
    while len(group) > 1:
        inside = inside_of(leaves, group, either)
        total = leaves.total[inside].sum()
        rate = leaves.excess[inside].sum() / max(total, 1e-9)
        given_up = []
        for at in range(len(group)):
            coarser = group[:at] + group[at + 1 :]
            gained = inside_of(leaves, coarser, either) & ~inside
            traffic = leaves.total[gained].sum()
            ill = leaves.excess[gained].sum() / max(traffic, 1e-9) / max(rate, 1e-9)
            if ill >= AS_ILL or traffic <= AS_FEW * total:
                given_up.append((ill, coarser))
        if not given_up:
            break
        group = max(given_up)[1]
    return group


def _told(
    leaves: Leaves,
    found: list[tuple[Group, float, np.ndarray]],
    outside: np.ndarray,
    either: Sequence[Either],
) -> Explanation:
    whole = max(_excess(leaves), 1e-9)
    healthy = leaves.total[outside].sum()
    rate_outside = float(leaves.bad[outside].sum() / healthy) if healthy else 0.0
    causes = []
    for group, score, inside in found:
        bad, total, expected = (
            float(column[inside].sum()) for column in (leaves.bad, leaves.total, leaves.expected)
        )
        names = _other_names(leaves, group, inside)
        explains = min(max((bad - expected) / whole, 0.0), 1.0)
        where = _words(leaves, group, either)
        causes.append(Cause(where, score, bad, total, expected, explains, rate_outside, names))
    return Explanation(causes, _no_difference(leaves, found, either, causes))


def _words(leaves: Leaves, group: Group, either: Sequence[Either]) -> dict[str, str]:
    return {
        (leaves.names[place] if place >= 0 else either[-1 - place].name): leaves.values[
            place if place >= 0 else either[-1 - place].first
        ][value]
        for place, value in group
    }


def _other_names(leaves: Leaves, group: Group, inside: np.ndarray) -> list[dict[str, str]]:
    """Single values that hold as good as all of the cause's excess, and hardly any traffic beside it."""
    if not group:
        return []
    rows = np.flatnonzero(inside)
    held = np.maximum(leaves.excess[rows], 0)
    mine, traffic = held.sum(), leaves.total[rows].sum()
    names = []
    for place, name in enumerate(leaves.names):
        if len(group) == 1 and group[0][0] == place:
            continue
        size = len(leaves.values[place])
        excess = np.bincount(leaves.codes[:, place][rows], held, size)
        value = int(excess.argmax())
        if excess[value] < SAME_EXCESS * mine:
            continue
        everywhere = leaves.total[leaves.codes[:, place] == value].sum()
        if everywhere <= SAME_TRAFFIC * traffic + 1:
            names.append({name: leaves.values[place][value]})
    return names


def _no_difference(
    leaves: Leaves,
    found: list[tuple[Group, float, np.ndarray]],
    either: Sequence[Either],
    causes: list[Cause],
) -> list[str]:
    """Attributes none of whose values is worse than another, once the causes are known."""
    if not found:
        return []
    named = {name for cause in causes for words in (cause.where, *cause.also_known_as) for name in words}
    named |= {leaves.names[at] for ends in either if ends.name in named for at in (ends.first, ends.second)}
    expected = leaves.expected.copy()
    for _, _, inside in found:
        rate = leaves.bad[inside].sum() / max(leaves.total[inside].sum(), 1e-9)
        expected[inside] = leaves.total[inside] * rate
    counts = [column / leaves.dispersion for column in (leaves.bad, leaves.total, expected)]
    same = []
    for place, name in enumerate(leaves.names):
        size = len(leaves.values[place])
        threshold = PRICE + np.log(size / SIGNIFICANCE)
        if name not in named and (size < 2 or _worst(leaves.codes[:, place], counts, size) < threshold):
            same.append(name)
    return same


def _worst(codes: np.ndarray, counts: Sequence[np.ndarray], size: int) -> float:
    """Evidence for the worst value of an attribute against what is expected of it, in nats (Bernoulli, of sums).

    :param counts: bad, total and expected, each by its dispersion.
    """
    bad, total, expected = (np.bincount(codes, column, size) for column in counts)
    total = np.maximum(total, 1e-9)
    normal, seen = (np.clip(column / total, 1e-9, 1 - 1e-9) for column in (expected, bad))
    nats = total * (seen * np.log(seen / normal) + (1 - seen) * np.log((1 - seen) / (1 - normal)))
    return float(np.where(seen > normal, nats, 0.0).max())
