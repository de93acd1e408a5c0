"""Which nodes of a graph are shown: breadth first from a selection, within a budget, what is wrong first.

A node within reach is *urgent* if one of its edges is: failing, degraded, new, gone, or changed. Urgent nodes are
chosen first, each with the way that leads to it, so that no healthy one takes the place of one that matters. What is
left of the budget goes to healthy nodes, the nearest first, at most ``fan`` of one node in one direction.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from store.queries.graph import Graph, Steps
from store.queries.parameters import Direction


@dataclass(frozen=True)
class Limits:
    """How much is shown.

    :param budget: nodes at most, but all that were selected.
    :param fan: healthy neighbours of one node in one direction at most.
    """

    hops: int
    direction: Direction
    budget: int
    fan: int


@dataclass
class Neighborhood:
    """What was chosen.

    :param nodes: in the order in which they were chosen, the selection first.
    :param hops: of all nodes of the graph; -1: out of reach.
    :param entries: node -> the edge that brought it in; those of the selection have none.
    :param parents: node -> the node at the other end of it.
    :param reach: nodes within reach.
    """

    nodes: list[int]
    hops: np.ndarray
    entries: dict[int, int] = field(default_factory=dict)
    parents: dict[int, int] = field(default_factory=dict)
    reach: int = 0
    truncated_by: str | None = None

    def path(self, node: int) -> list[int]:
        """From the selection to a node."""
        path = [node]
        while path[-1] in self.parents:
            path.append(self.parents[path[-1]])
        return path[::-1]


def neighborhood(
    graph: Graph,
    seeds: list[int],
    limits: Limits,
    scores: np.ndarray,
    urgent: np.ndarray,
    keep: Iterable[int] = (),
) -> Neighborhood:
    """Chooses.

    :param seeds: nodes that were selected.
    :param scores: of each edge, what is to be shown first has the higher one; finite.
    :param urgent: of each edge, 0: healthy; the higher, the more it matters; int.
    :param keep: nodes that come before others if they are within reach.
    """
    hops = graph.hops(np.array(seeds, np.int64), limits.hops, limits.direction)
    chosen = Neighborhood(list(seeds), hops, reach=int(np.count_nonzero(hops >= 0)))
    search = _Search(graph, limits, scores, urgent, chosen)
    search.kept(node for node in keep if 0 <= node < graph.nodes)
    search.urgent_nodes()
    search.healthy_nodes()
    if len(chosen.nodes) < chosen.reach:
        chosen.truncated_by = "budget" if search.full else "fan"
    return chosen


def overview(graph: Graph, budget: int, scores: np.ndarray, urgent: np.ndarray) -> Neighborhood:
    """Without a selection: the nodes of the edges that come first."""
    there = np.zeros(graph.nodes, np.bool_)
    there[graph.clients] = there[graph.servers] = True
    hops = np.where(there, 0, -1).astype(np.int8)
    chosen = Neighborhood([], hops, reach=int(np.count_nonzero(there)))
    shown: set[int] = set()
    for edge in np.lexsort((-scores, -urgent)).tolist():
        ends = [int(graph.clients[edge]), int(graph.servers[edge])]
        new = [node for node in dict.fromkeys(ends) if node not in shown]
        if len(shown) + len(new) > budget:
            chosen.truncated_by = "budget"
            break
        for node in new:
            chosen.entries[node] = edge
        shown.update(new)
        chosen.nodes += new
    return chosen


class _Search:
    def __init__(
        self, graph: Graph, limits: Limits, scores: np.ndarray, urgent: np.ndarray, chosen: Neighborhood
    ) -> None:
        self._graph = graph
        self._limits = limits
        self._scores = scores
        self._urgent = urgent
        self._chosen = chosen
        self._shown = set(chosen.nodes)
        #: Whether the budget left something out.
        self.full = False
        self._entries, self._sources = (np.full(graph.nodes, -1, np.int64) for _ in range(2))
        self._find_entries()

    @property
    def _room(self) -> int:
        return self._limits.budget - len(self._shown)

    def _find_entries(self) -> None:
        """The best edge into each node from the hop before, and where it comes from."""
        hops = self._chosen.hops
        for hop in range(1, self._limits.hops + 1):
            steps = self._graph.steps(np.flatnonzero(hops == hop - 1), self._limits.direction)
            steps = self._ranked(steps.take(np.flatnonzero(hops[steps.targets] == hop)))
            self._entries[steps.targets[::-1]] = steps.edges[::-1]  # the best is written last
            self._sources[steps.targets[::-1]] = steps.sources[::-1]

    def _ranked(self, steps: Steps) -> Steps:
        """The best edge first: the most urgent, then the highest score."""
        return steps.take(np.lexsort((-self._scores[steps.edges], -self._urgent[steps.edges])))

    def _choose(self, node: int) -> None:
        """Show a node and the way that leads to it, if the budget allows it."""
        way = []
        while node not in self._shown:
            way.append(node)
            node = int(self._sources[node])
        if len(way) > self._room:
            self.full = True
            return
        for each in reversed(way):
            self._show(each, int(self._entries[each]), int(self._sources[each]))

    def _show(self, node: int, edge: int, parent: int) -> None:
        self._shown.add(node)
        self._chosen.nodes.append(node)
        self._chosen.entries[node] = edge
        self._chosen.parents[node] = parent

    def kept(self, nodes: Iterable[int]) -> None:
        """Those that were shown before, if they are within reach."""
        for node in nodes:
            if self._chosen.hops[node] >= 0:
                self._choose(node)

    def urgent_nodes(self) -> None:
        """Both ends of each urgent edge within reach, the most urgent edge first."""
        clients, servers, hops = self._graph.clients, self._graph.servers, self._chosen.hops
        edges = np.flatnonzero((hops[clients] >= 0) & (hops[servers] >= 0) & (self._urgent > 0))
        order = np.lexsort((-self._scores[edges], -self._urgent[edges]))
        for edge in edges[order].tolist():
            self._choose(int(clients[edge]))
            self._choose(int(servers[edge]))
            if self._room <= 0:
                self.full = True
                break

    def healthy_nodes(self) -> None:
        """The rest of the budget, hop by hop: edges from shown nodes alone bring others in."""
        hops = self._chosen.hops
        for hop in range(1, self._limits.hops + 1):
            front = np.array([node for node in self._chosen.nodes if hops[node] == hop - 1], np.int64)
            steps = self._graph.steps(front, self._limits.direction)
            self._fill(
                self._first_of_each(self._ranked(steps.take(np.flatnonzero(hops[steps.targets] == hop))))
            )

    def _fill(self, steps: Steps) -> None:
        counts: Counter[tuple[int, int]] = Counter()
        columns = (steps.edges, steps.sources, steps.targets, steps.ways)
        for edge, source, target, way in zip(*(column.tolist() for column in columns), strict=True):
            if target in self._shown or counts[source, way] >= self._limits.fan:
                continue
            if self._room <= 0:
                self.full = True
                return
            counts[source, way] += 1
            self._show(target, edge, source)

    def _first_of_each(self, steps: Steps) -> Steps:
        """Of each node and direction no more than can be shown, whatever is shown already; in the same order."""
        keys = steps.sources * 2 + steps.ways
        order = np.argsort(keys, kind="stable")
        begins = np.concatenate(([0], np.flatnonzero(np.diff(keys[order])) + 1)) if len(keys) else keys
        places = np.empty(len(keys), np.int64)
        places[order] = np.arange(len(keys)) - np.repeat(begins, np.diff(np.append(begins, len(keys))))
        return steps.take(np.flatnonzero(places < self._limits.fan + 4 * self._limits.budget))
