"""Troubles that are one: their bad traffic, or what explains them, overlaps."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations

from actors.incidents.items import Trouble


def same_explanation(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether one is a part of the other; nothing explained is the same as nothing."""
    small, large = sorted((one.items(), other.items()), key=len)
    return bool(small) and small <= large


def same_traffic(one: Collection[str], other: Collection[str]) -> bool:
    """Whether they share half of the edges that the smaller one has."""
    shared = len(set(one) & set(other))
    return bool(shared) and 2 * shared >= min(len(one), len(other))


def grouped(troubles: Sequence[Trouble]) -> list[list[Trouble]]:
    """Those that are one together; each in one group, in the order in which they came."""
    parents = list(range(len(troubles)))

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    for one, other in (*_by_traffic(troubles), *_by_explanation(troubles)):
        first, second = sorted((root(one), root(other)))
        parents[second] = first
    groups: dict[int, list[Trouble]] = defaultdict(list)
    for place, trouble in enumerate(troubles):
        groups[root(place)].append(trouble)
    return list(groups.values())


def _by_traffic(troubles: Sequence[Trouble]) -> list[tuple[int, int]]:
    at: dict[str, list[int]] = defaultdict(list)
    for place, trouble in enumerate(troubles):
        for edge in trouble.edges:
            at[edge].append(place)
    shared = Counter(pair for places in at.values() for pair in combinations(places, 2))
    return [
        (one, other)
        for (one, other), count in shared.items()
        if 2 * count >= min(len(troubles[one].edges), len(troubles[other].edges))
    ]


def _by_explanation(troubles: Sequence[Trouble]) -> list[tuple[int, int]]:
    """Each is paired with the first of its explanation, and those with one another."""
    first: dict[frozenset[tuple[str, str]], int] = {}
    pairs = []
    for place, trouble in enumerate(troubles):
        if trouble.where:
            pairs.append((first.setdefault(frozenset(trouble.where.items()), place), place))
    for (one, at), (other, there) in combinations(first.items(), 2):
        if one <= other or other <= one:
            pairs.append((at, there))
    return pairs
