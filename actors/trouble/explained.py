"""What explains troubles: one cause of all, or those with a client or a server in common, strangers apart."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from actors.explain.causes import Cause, Explanation, explain
from actors.incidents.grouping import within_workloads
from actors.trouble.leaf_keys import Who
from actors.trouble.recent import EdgeLeaves, Recent

#: Groups of troubles that are explained one by one; more are explained together.
MOST_GROUPS: Final = 20
#: Causes are those of an edge if together they hold so much of the edge's excess; one alone, so much of what holds
#: most.
_HOLDS: Final = 0.5
_HOLDS_BESIDE: Final = 0.5
#: The cause of all troubles together, if it explains so much: a zone's, whoever is in it.
_ONE_CAUSE: Final = 0.9
#: Everything is the cause only if what was looked at is this part of all traffic.
_EVERYWHERE: Final = 0.5
#: A part of the traffic is ill if it has this part of the rate of what is surely ill.
_AS_ILL: Final = 0.3
#: Less of the traffic than this part says nothing.
_AS_FEW: Final = 0.05


#: Values by attribute.
Where = frozenset[tuple[str, str]]


class Ill(NamedTuple):
    """An edge with a symptom.

    :param id: of the edge, and ``client`` and ``server``: who they are.
    :param expected: the share that is normal.
    :param ticks: since when it is so.
    """

    id: int
    client: Who
    server: Who
    expected: float
    ticks: int


def explanations(recent: Recent, symptom: int, ill: Sequence[Ill]) -> Mapping[int, Explanation]:
    """By edge: its cause first; edges that nothing explains are left out.

    Strangers to those that are most have the cause of these if it says of them what their own would.

    :param symptom: the place of the one that all these edges have.
    """
    groups = _groups(ill)
    told: dict[int, Explanation] = {}
    if len(groups) > 1:
        told, explained = together(recent, symptom, ill)
        one = explained >= _ONE_CAUSE
        if len(groups) > MOST_GROUPS:
            return told
        told = told if one else {}
        groups = _groups([each for each in ill if each.id not in told])
    for group in sorted(groups, key=len, reverse=True):
        told |= together(recent, symptom, group, list(told.values()))[0]
    return told


def together(
    recent: Recent, symptom: int, ill: Sequence[Ill], known: Sequence[Explanation] = ()
) -> tuple[dict[int, Explanation], float]:
    """By edge, and the part of all excess that the best cause which separates explains.

    :param known: what explains others, which may explain these as well.
    """
    found = recent.leaves(
        symptom, [each.id for each in ill], [each.expected for each in ill], max(each.ticks for each in ill)
    )
    if found is None:
        return {}, 0.0
    ids = {each.id for each in ill}
    told, best = _by_edge(recent, found, ids)
    return told | _of_known(recent, found, ids, told, known), best


def _groups(ill: Sequence[Ill]) -> list[list[Ill]]:
    """Those that have a client or a server in common, also by others of them."""
    above: dict[tuple[str, Who], tuple[str, Who]] = {}

    def top(end: tuple[str, Who]) -> tuple[str, Who]:
        while (over := above.setdefault(end, end)) != end:
            above[end] = end = above[over]
        return end

    for each in ill:
        above[top(("client", each.client))] = top(("server", each.server))
    groups: dict[tuple[str, Who], list[Ill]] = defaultdict(list)
    for each in ill:
        groups[top(("server", each.server))].append(each)
    return list(groups.values())


def _by_edge(recent: Recent, found: EdgeLeaves, ids: Collection[int]) -> tuple[dict[int, Explanation], float]:
    """What a cause explains is its part of the edge's own excess."""
    explanation = explain(found.leaves, either=found.either)
    told = _shared_out(recent, found, explanation.causes)
    best = max((cause.explains for cause in explanation.causes if cause.where), default=0.0)
    everything = any(not cause.where for cause in explanation.causes[:1])
    everywhere = everything and found.part >= _EVERYWHERE
    by_edge = {
        id_: Explanation(causes, explanation.no_difference, everywhere=everywhere)
        for id_, causes in told.items()
        if id_ in ids
    }
    return by_edge, best


def _shared_out(recent: Recent, found: EdgeLeaves, causes: Sequence[Cause]) -> dict[int, list[Cause]]:
    """By edge, those that hold most of its excess, in the order in which they came, each with its part of it.

    Two zones that fail alike are its causes both.
    """
    edges, same = np.unique(found.edges, return_inverse=True)
    excess = np.maximum(found.leaves.excess, 0)
    whole = np.maximum(np.bincount(same, excess, len(edges)), 1e-9)
    parts = np.zeros((len(edges), len(causes)))
    taken = np.zeros(len(excess), np.bool_)
    for place, cause in enumerate(causes):
        inside = recent.keys.inside(found.keys, cause.where)
        parts[:, place] = np.bincount(same, np.where(inside, excess, 0), len(edges)) / whole
        taken |= inside
    held = np.bincount(same, np.where(taken, excess, 0), len(edges)) / whole
    mine = (parts > 0) & (parts >= _HOLDS_BESIDE * parts.max(axis=1, keepdims=True, initial=0))
    return {
        edge: [
            replace(causes[at], explains=float(parts[row, at])) for at in np.flatnonzero(mine[row]).tolist()
        ]
        for row, edge in enumerate(edges.tolist())
        if held[row] >= _HOLDS
    }


def _of_known(
    recent: Recent,
    found: EdgeLeaves,
    ids: Collection[int],
    own: Mapping[int, Explanation],
    known: Sequence[Explanation],
) -> dict[int, Explanation]:
    """By edge, what explains most others, and says of these what their own causes do.

    A version of others is another one here, and so are ports and routes.
    """
    by_where: dict[frozenset[Where], list[Explanation]] = defaultdict(list)
    for each in known:
        by_where[_wheres(each)].append(each)
    ill = np.isin(found.edges, np.array(list(ids), np.uint64))
    separate = _any_inside(recent, found, frozenset().union(*map(_wheres, own.values())) or {frozenset()})
    for wheres, alike in sorted(by_where.items(), key=lambda item: -len(item[1])):
        everywhere = any(each.everywhere for each in alike)
        apart = everywhere or not any(within_workloads(dict(where)) for where in wheres)
        if apart and _says_the_same(found, ill, _any_inside(recent, found, wheres), separate):
            same = alike[0].no_difference
            return {
                edge: Explanation(causes, same, everywhere=everywhere)
                for edge, causes in _shared_out(recent, found, alike[0].causes).items()
                if edge in ids
            }
    return {}


def _wheres(explanation: Explanation) -> frozenset[Where]:
    """Where its causes are."""
    return frozenset(frozenset(cause.where.items()) for cause in explanation.causes)


def _any_inside(recent: Recent, found: EdgeLeaves, wheres: Collection[Where]) -> np.ndarray:
    """Which leaves are in one of these; a mask."""
    inside: np.ndarray = np.any([recent.keys.inside(found.keys, dict(where)) for where in wheres], axis=0)
    return inside


def _says_the_same(found: EdgeLeaves, ill: np.ndarray, inside: np.ndarray, own: np.ndarray) -> bool:
    """Whether edges are ill inside, also where their own causes are not, and nowhere else.

    :param ill: masks of leaves: of these edges; ``inside`` and ``own``: of a cause of others, and of their own.
    """
    excess, total = found.leaves.excess, found.leaves.total

    def part(rows: np.ndarray) -> float:
        """How ill they are; of little traffic nothing is known."""
        few = total[rows].sum() <= _AS_FEW * total[ill].sum()
        return float("nan") if few else float(excess[rows].sum() / total[rows].sum())

    rate = part(ill & inside)
    outside, beside = part(ill & ~inside), part(ill & inside & ~own)
    return rate > 0 and not outside >= _AS_ILL * rate and not beside < _AS_ILL * rate
