"""Troubles that are one: their bad traffic, or what explains them, overlaps."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations
from typing import Final, NamedTuple, Self

from actors.incidents.items import Trouble

#: Values that mean something within a workload: ``v2`` of one is not that of another.
_OF_WORKLOADS: Final = frozenset({"version", "port", "method", "route"})
#: What began longer apart than that, in seconds, are two causes if the later one has mostly other traffic.
_APART_S: Final = 600.0
#: Where an end is: the same place, whichever end is there.
_PLACES: Final = ("region", "zone", "node")


@dataclass(frozen=True)
class Explained:
    """What explains trouble.

    :param where: value by attribute.
    :param symptoms: of which; all edges with one symptom are explained together where that is one cause.
    :param edges: whose traffic is bad: ``shop/web > shop/cart:80``.
    :param everywhere: everything explains it.
    """

    where: Mapping[str, str]
    symptoms: Collection[str]
    edges: Collection[str]
    everywhere: bool = False

    @classmethod
    def of(cls, trouble: Trouble) -> Self:
        """A trouble's."""
        return cls(trouble.where, (trouble.symptom,), trouble.edges, trouble.everywhere)

    def same(self, other: "Explained") -> bool:
        """Whether one is a part of the other; nothing explained is the same as nothing.

        A zone of clients is that of servers: each end shows what is wrong with it. What is said within a
        workload alone is the same only of one symptom, or of the same workload.
        """
        if self.everywhere and other.everywhere and not set(self.symptoms).isdisjoint(other.symptoms):
            return True
        small, large = sorted((_placed(self.where), _placed(other.where)), key=len)
        if not small or not small <= large:
            return False
        if not within_workloads(dict(small)) or not set(self.symptoms).isdisjoint(other.symptoms):
            return True
        side = any(name.startswith("client.") for name, _ in small)
        return not _workloads(self.edges, side).isdisjoint(_workloads(other.edges, side))


def _placed(where: Mapping[str, str]) -> Set[tuple[str, str]]:
    """With places of either end."""
    parts = {name: name.rpartition(".")[2] for name in where}
    return {(parts[name] if parts[name] in _PLACES else name, value) for name, value in where.items()}


def within_workloads(where: Mapping[str, str]) -> bool:
    """Whether it means something within a workload alone."""
    return _OF_WORKLOADS.issuperset(name.rpartition(".")[2] for name in where)


def _workloads(edges: Collection[str], clients: bool) -> set[str]:
    """At one side of edges."""
    if clients:
        return {edge.partition(" > ")[0] for edge in edges}
    return {edge.rpartition(" > ")[2].rpartition(":")[0] for edge in edges}


def same_traffic(
    one: Collection[str], other: Collection[str], since: tuple[float, float] = (0.0, 0.0)
) -> bool:
    """Whether they share half of the edges that the smaller one has.

    If they began long apart, half of those that the later one has: a fault that hits many edges is not a part of
    what one of these has had for an hour.

    :param since: Unix seconds at which each began.
    """
    return _enough(len(set(one) & set(other)), (len(one), len(other)), since)


def _enough(shared: int, sizes: tuple[int, int], since: tuple[float, float]) -> bool:
    """Edges that both have, of so many."""
    size = sizes[since[1] > since[0]] if _apart(since) else min(sizes)
    return shared > 0 and size <= 2 * shared


def _apart(since: tuple[float, float]) -> bool:
    """Whether they began long apart."""
    return abs(since[0] - since[1]) > _APART_S


class _Hit(NamedTuple):
    """Edges whose traffic is bad, and since when."""

    edges: Set[str]
    since: float


def grouped(troubles: Sequence[Trouble]) -> list[list[Trouble]]:
    """Those that are one together; each in one group, in the order in which they came.

    What began long before is held against all of a group: one edge of it may have had other trouble before.
    """
    hit = [_Hit(trouble.edges, trouble.since) for trouble in troubles]
    near = [pair for pair in _by_traffic(hit) if not _apart(_since(hit, pair))]
    groups = _united(len(troubles), (*near, *_by_explanation(troubles)))
    hit = [
        _Hit(frozenset().union(*(hit[at].edges for at in group)), min(hit[at].since for at in group))
        for group in groups
    ]
    apart = [pair for pair in _by_traffic(hit) if _apart(_since(hit, pair))]
    united = ([at for place in places for at in groups[place]] for places in _united(len(groups), apart))
    return [[troubles[at] for at in sorted(group)] for group in united]


def _united(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Places, those together that pairs join, also by others."""
    parents = list(range(count))

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    for one, other in pairs:
        first, second = sorted((root(one), root(other)))
        parents[second] = first
    groups: dict[int, list[int]] = defaultdict(list)
    for place in range(count):
        groups[root(place)].append(place)
    return list(groups.values())


def _by_traffic(hit: Sequence[_Hit]) -> list[tuple[int, int]]:
    at: dict[str, list[int]] = defaultdict(list)
    for place, each in enumerate(hit):
        for edge in each.edges:
            at[edge].append(place)
    shared = Counter(pair for places in at.values() for pair in combinations(places, 2))
    return [
        (one, other)
        for (one, other), count in shared.items()
        if _enough(count, (len(hit[one].edges), len(hit[other].edges)), _since(hit, (one, other)))
    ]


def _since(hit: Sequence[_Hit], pair: tuple[int, int]) -> tuple[float, float]:
    return hit[pair[0]].since, hit[pair[1]].since


def _by_explanation(troubles: Sequence[Trouble]) -> list[tuple[int, int]]:
    """Each is paired with the first that is explained alike, and those with one another."""
    alike: dict[tuple[frozenset[tuple[str, str]], str], list[int]] = defaultdict(list)
    for place, trouble in enumerate(troubles):
        if trouble.where or trouble.everywhere:
            symptom = trouble.symptom if within_workloads(trouble.where) else ""
            alike[frozenset(trouble.where.items()), symptom].append(place)
    pairs = [(places[0], place) for places in alike.values() for place in places[1:]]
    first = [(_together([troubles[place] for place in places]), places[0]) for places in alike.values()]
    return pairs + [(at, there) for (one, at), (other, there) in combinations(first, 2) if one.same(other)]


def _together(troubles: Sequence[Trouble]) -> Explained:
    """Of troubles with the same explanation."""
    symptoms = {trouble.symptom for trouble in troubles}
    return Explained(troubles[0].where, symptoms, {edge for trouble in troubles for edge in trouble.edges})
