"""Causes, one after the other: the best group, given its simplest name, and then what is left without it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from actors.explain.evidence import evidence, first_ill_rate, many_are_ill
from actors.explain.leaves import UNKNOWN, Either, Leaves, dispersed_as, raised_to_healthy, supposed_beside
from actors.explain.search import PRICE, Best, Group, Search, group_count, inside_of

#: Searches until the rate of the ill has settled: it changes by no more than this part.
ROUNDS: Final = 3
SETTLED: Final = 0.02
#: The chance that a cause is none, after the correction for how many groups were looked at.
SIGNIFICANCE: Final = 0.01
#: A cause explains at least this part of the excess that is left, and of all.
LEAST_LEFT: Final = 0.2
LEAST_OF_ALL: Final = 0.02
LEAST_SUPPOSED: Final = 0.002
#: Where what is normal is only supposed, values always differ: one less than this part as ill as another cause is
#: none beside that.
PALE: Final = 0.2
#: Bad ones that make a cause.
LEAST_BAD: Final = 5.0
#: A group is divided if so much of its traffic is healthy, and no more values than these are ill.
HEALTHY_PART: Final = 0.2
ILL_VALUES: Final = 5
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

    :param normal: bad ones that are normal, of all.
    :param everywhere: the first cause is everything, and that is most of what there is: nothing separates.
    :param just_before: what began just before, in words, where that is known.
    """

    causes: list[Cause] = field(default_factory=list)
    no_difference: list[str] = field(default_factory=list)
    just_before: list[str] = field(default_factory=list)
    normal: float = 0.0
    everywhere: bool = False


def explain(leaves: Leaves, depth: int = 2, most: int = 5, either: Sequence[Either] = ()) -> Explanation:
    """Which values separate the bad from the healthy.

    :param depth: attributes of one cause at most.
    :param most: causes.
    """
    leaves = replace(leaves, codes=np.asfortranarray(leaves.codes, np.intp))
    first = _found(leaves, depth, most, either)
    many = None if first else _beside_many_ill(leaves, depth, most, either)
    found, leaves = many or _with_normal(leaves, first, depth, most, either)
    return _told(leaves, found, _outside(found, len(leaves)), either)


Found = list[tuple[Group, float, np.ndarray]]


def _beside_many_ill(
    leaves: Leaves, depth: int, most: int, either: Sequence[Either]
) -> "tuple[Found, Leaves] | None":
    """Causes where most leaves may be ill, which then look as if counts varied wildly; None: that is not so.

    What would be causes if counts varied as coins do is left aside, and the others say how much they vary.
    """
    if not many_are_ill(leaves):
        return None
    coins = replace(leaves, dispersion=leaves.doubt * np.ones(len(leaves)))
    found = _found(coins, depth, most, either)
    again = dispersed_as(leaves, _outside(found, len(leaves))) if found else None
    found = _found(again, depth, most, either) if again is not None else []
    return _with_normal(again, found, depth, most, either) if again is not None and found else None


def _with_normal(
    leaves: Leaves, found: Found, depth: int, most: int, either: Sequence[Either]
) -> tuple[Found, Leaves]:
    """The causes once more, by what is normal outside of them, where what is expected says little of it.

    That is so where it was supposed, and where everything is worse than expected: a forecast may be wrong everywhere.
    There causes are told instead of everything if all else is hardly ill beside them.
    """
    if leaves.supposed:
        return _settled(leaves, found, depth, most, either)
    raised = raised_to_healthy(leaves, _outside(found, len(leaves)))
    if raised is None:
        return found, leaves
    instead, _ = _settled(raised, _found(raised, depth, most, either), depth, most, either)
    rest = _outside(instead, len(leaves))
    ill, other = (leaves.excess[rows].sum() / max(leaves.total[rows].sum(), 1e-9) for rows in (~rest, rest))
    if instead and other < AS_ILL * ill:
        return instead, leaves
    return found, leaves


def _settled(
    leaves: Leaves, found: Found, depth: int, most: int, either: Sequence[Either]
) -> tuple[Found, Leaves]:
    """Causes by what is normal beside them, which are other causes, and so on."""
    groups: list[Group] = []
    for _ in range(ROUNDS):
        leaves = supposed_beside(leaves, _outside(found, len(leaves)))
        groups = [group for group, _, _ in found]
        found = _found(leaves, depth, most, either)
        if [group for group, _, _ in found] == groups:
            break
    return found, leaves


def _outside(found: Found, size: int) -> np.ndarray:
    """Mask of the leaves that no cause has; shape (n,)."""
    outside = np.ones(size, np.bool_)
    for _, _, inside in found:
        outside &= ~inside
    return outside


def _found(leaves: Leaves, depth: int, most: int, either: Sequence[Either]) -> Found:
    whole = _excess(leaves)
    count = 1.0 if leaves.supposed else group_count(leaves, depth, either)  # a group's price has it, too
    threshold = float(np.log(count / SIGNIFICANCE))
    alive = np.ones(len(leaves), np.bool_)
    found: list[tuple[Group, float, np.ndarray]] = []
    while len(found) < most and whole > 0:
        left = leaves.take(alive) if found else leaves
        excess = _excess(left)
        if (
            excess < (LEAST_SUPPOSED if leaves.supposed else LEAST_OF_ALL) * whole
            or left.bad.sum() < LEAST_BAD
        ):
            break
        floor = LEAST_SUPPOSED * excess if leaves.supposed else max(LEAST_LEFT * excess, LEAST_OF_ALL * whole)
        best = _best(left, depth, floor, either)
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
    return found


def _pales(leaves: Leaves, inside: np.ndarray, causes: Sequence[np.ndarray]) -> bool:
    """Whether what is inside is hardly ill beside one of the causes; shapes (n,), masks."""

    def rate(rows: np.ndarray) -> float:
        return float(leaves.excess[rows].sum() / max(leaves.total[rows].sum(), 1e-9))

    return rate(inside) < PALE * max(map(rate, causes), default=0.0)


def _excess(leaves: Leaves) -> float:
    """Of all, or of one value, if that is more: elsewhere fewer may be bad than usual."""
    excess = leaves.excess / leaves.dispersion
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
        group = tuple(sorted((*best.group, (places[at], parts[at][1]))))
        best = Best(parts[at][2], _without_implied(leaves, group, either))
    return best


def _without_implied(leaves: Leaves, group: Group, either: Sequence[Either]) -> Group:
    """The group without attributes that all leaves of the others share: the zone of a pod."""
    traffic = leaves.total[inside_of(leaves, group, either)].sum()
    for part in group if len(group) > 1 else ():
        coarser = tuple(each for each in group if each != part)
        if leaves.total[inside_of(leaves, coarser, either)].sum() <= traffic:
            return _without_implied(leaves, coarser, either)
    return group


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
            few = traffic <= AS_FEW * total
            if few or (
                ill >= AS_ILL and not _few_are_ill(leaves, inside | gained, group[at][0], AS_ILL * rate)
            ):
                given_up.append((ill, coarser))
        if not given_up:
            break
        group = max(given_up)[1]
    return group


def _few_are_ill(leaves: Leaves, rows: np.ndarray, place: int, rate: float) -> bool:
    """Whether a few values of an attribute are ill, by this rate, and all others are not; rows: a mask."""
    if place < 0:
        return False
    codes, size = leaves.codes[:, place][rows], len(leaves.values[place])
    total, excess = (np.bincount(codes, column[rows], size) for column in (leaves.total, leaves.excess))
    ill = excess >= rate * total
    healthy = total[~ill].sum() / max(total.sum(), 1e-9)
    return bool(np.count_nonzero(ill & (total > 0)) <= ILL_VALUES and healthy >= HEALTHY_PART)


def _told(
    leaves: Leaves,
    found: list[tuple[Group, float, np.ndarray]],
    outside: np.ndarray,
    either: Sequence[Either],
) -> Explanation:
    whole = max(_excess(replace(leaves, dispersion=np.ones(len(leaves)))), 1e-9)
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
        one = next((name for name in names if UNKNOWN not in name.values()), None)
        if len(where) > 1 and one:  # a pod says more shortly what its version and its node say together
            where, names = one, [where, *(name for name in names if name is not one)]
        causes.append(Cause(where, score, bad, total, expected, explains, rate_outside, names))
    causes.sort(key=lambda cause: (not cause.where, -cause.score))  # everything else comes last
    same = _no_difference(leaves, found, either, causes)
    return Explanation(causes, same, normal=float(leaves.expected.sum()))


def _words(leaves: Leaves, group: Group, either: Sequence[Either]) -> dict[str, str]:
    return {
        (leaves.names[place] if place >= 0 else either[-1 - place].name): leaves.values[
            place if place >= 0 else either[-1 - place].first
        ][value]
        for place, value in group
    }


def _other_names(leaves: Leaves, group: Group, inside: np.ndarray) -> list[dict[str, str]]:
    """Single values that hold as good as all of the cause's excess, and hardly any traffic beside it; those of the
    attribute with the fewest values first.
    """
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
            names.append((size, {name: leaves.values[place][value]}))
    return [name for _, name in sorted(names, key=lambda each: each[0])]


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
