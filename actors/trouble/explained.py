"""What explains troubles: one cause of all, or those with a client or a server in common, strangers apart."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from actors.explain.causes import Cause, Explanation, explain
from actors.trouble.leaf_keys import Who
from actors.trouble.recent import EdgeLeaves, Recent

#: Groups of troubles that are explained one by one; more are explained together.
MOST_GROUPS: Final = 20
#: A cause is that of an edge if it holds so much of the edge's excess.
_HOLDS: Final = 0.5
#: The cause of all troubles together, if it explains so much: a zone's, whoever is in it.
_ONE_CAUSE: Final = 0.9


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
    for group in groups:
        told |= together(recent, symptom, group)[0]
    return told


def together(recent: Recent, symptom: int, ill: Sequence[Ill]) -> tuple[dict[int, Explanation], float]:
    """By edge, and the part of all excess that the best cause which separates explains."""
    found = recent.leaves(
        symptom, [each.id for each in ill], [each.expected for each in ill], max(each.ticks for each in ill)
    )
    return ({}, 0.0) if found is None else _by_edge(found, {each.id for each in ill})


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


def _by_edge(found: EdgeLeaves, ids: Collection[int]) -> tuple[dict[int, Explanation], float]:
    """What a cause explains is its part of the edge's own excess."""
    leaves = found.leaves
    explanation = explain(leaves)
    edges, same = np.unique(found.edges, return_inverse=True)
    excess = np.maximum(leaves.excess, 0)
    whole = np.bincount(same, excess, len(edges))
    told: dict[int, list[Cause]] = defaultdict(list)
    for cause in explanation.causes:
        held = np.bincount(same, np.where(_inside(found, cause), excess, 0), len(edges))
        part = held / np.maximum(whole, 1e-9)
        for place in np.flatnonzero((whole > 0) & (part >= _HOLDS)).tolist():
            told[int(edges[place])].append(replace(cause, explains=float(part[place])))
    best = max((cause.explains for cause in explanation.causes if cause.where), default=0.0)
    by_edge = {
        id_: Explanation(causes, explanation.no_difference) for id_, causes in told.items() if id_ in ids
    }
    return by_edge, best


def _inside(found: EdgeLeaves, cause: Cause) -> np.ndarray:
    leaves = found.leaves
    rows = np.ones(len(leaves), np.bool_)
    for name, value in cause.where.items():
        place = list(leaves.names).index(name)
        rows &= leaves.codes[:, place] == list(leaves.values[place]).index(value)
    return rows
