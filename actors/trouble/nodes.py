"""Nodes of the graph that are ill: which of their edges are hit, and what explains it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from actors.detect.edges import Edges, Name
from actors.detect.observations import Parts
from actors.explain.causes import Explanation
from actors.trouble.explained import Ill, together
from actors.trouble.leaf_keys import name_of
from actors.trouble.recent import Recent

#: The share that is normal for edges, by the symptom's place.
Usual = Callable[[np.ndarray, int], np.ndarray]
#: Ticks for which an explanation holds.
_SAME_TICKS: Final = 3
#: An edge of an ill node is hit if it has so many times the bad ones that are normal.
_HIT: Final = 2.0


class IllNode(NamedTuple):
    """A node with a symptom.

    :param edges: all that it has; ``hit``: those which have far more bad ones than usual.
    """

    symptom: int
    edges: list[Ill]
    hit: frozenset[str]

    @property
    def order(self) -> tuple[int, int, int]:
        """Of explanations: those of a symptom together, the longest ill first, with most edges that are hit."""
        return self.symptom, -max((each.ticks for each in self.edges), default=0), -len(self.hit)

    def is_told_by(self, edges: Collection[str]) -> bool:
        """Whether half of those that are hit have findings of their own: the node says nothing new.

        :param edges: those that have.
        """
        return 2 * len(self.hit.intersection(edges)) >= len(self.hit)


class _Said(NamedTuple):
    """What was said of a node, and at which tick it was explained."""

    tick: int
    explanation: Explanation | None
    hit: frozenset[str]


class IllNodes:
    """Says what findings of nodes are.

    :ivar parts: what was counted in the last tick.
    """

    def __init__(self, edges: Edges, recent: Recent, usual: Usual) -> None:
        self.parts: Parts | None = None
        self._edges, self._recent, self._usual = edges, recent, usual
        self._said: dict[str, _Said] = {}
        self._before = self._said

    def begin(self) -> None:
        """A look begins: what was said of nodes that are well again is forgotten."""
        self._before, self._said = self._said, {}

    def of(self, key: str, id_: int, symptom: int, ticks: int) -> IllNode:
        """By what was counted in the last tick; if no edge is hit any more, those that were.

        :param key: of the trouble.
        :param ticks: since when it is ill.
        """
        before = self._before[key].hit if key in self._before else frozenset()
        parts = self.parts
        if parts is None:
            return IllNode(symptom, [], before)
        rows = (parts.nodes == np.uint64(id_)).any(axis=1)
        ids, same = np.unique(parts.edges[rows], return_inverse=True)
        bad, total = (
            np.bincount(same, column[rows, symptom], len(ids)) for column in (parts.bad, parts.total)
        )
        shares = self._usual(ids, symptom)
        far = (bad > 0) & (bad > _HIT * shares * total)
        edges, hit = [], set()
        for place, edge in enumerate(ids.tolist()):
            if its := self._edges.name(edge):
                edges.append(Ill(edge, its.client, its.server, float(shares[place]), ticks))
                hit |= {edge_text(its)} if far[place] else set()
        return IllNode(symptom, edges, frozenset(hit) or before)

    def explanation(
        self, key: str, tick: int, node: IllNode, known: Sequence[Explanation]
    ) -> Explanation | None:
        """What explains most of it; told anew once in a while.

        :param key: of the trouble.
        :param known: what explains others with the same symptom.
        """
        at, told, _ = self._before.get(key, _Said(tick - _SAME_TICKS, None, node.hit))
        if tick - at >= _SAME_TICKS and node.edges:
            found = together(self._recent, node.symptom, node.edges, known)[0].values()
            at, told = tick, max(found, key=lambda each: each.causes[0].explains, default=None)
        self._said[key] = _Said(at, told, node.hit)
        return told

    def reason(self, node: IllNode) -> str:
        """Why its connects fail, if that is the same of all."""
        if not node.edges:
            return ""
        told = self._recent.reasons([each.id for each in node.edges], node.edges[0].ticks)
        return next(iter(told.values())) if len(set(told.values())) == 1 else ""


def edge_text(name: Name) -> str:
    """``shop/web > shop/cart:80``."""
    return f"{name_of(name.client)} > {name_of(name.server)}:{name.port}"


def subject_of(name: Name, edges: Collection[str], where: Mapping[str, str]) -> str:
    """Whom trouble of an edge or node hits.

    That of a machine or zone is what is ill on it where one server is, and the cause is another.

    :param edges: that are hit, as ``edge_text`` writes them.
    :param where: the cause.
    """
    if name.what not in ("zone", "machine"):
        return name_of((name.server or name.client)[:3])
    servers = {edge.rpartition(" > ")[2].rpartition(":")[0] for edge in edges}
    place = {"zone": "zone", "machine": "node"}[name.what]
    if len(servers) == 1 and where and not any(key.endswith(place) for key in where):
        return servers.pop()
    return f"{name.what} {name.client[0]}"
