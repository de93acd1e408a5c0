"""What is shown of a graph: compared with plain searches, on graphs of all sorts."""

from collections import deque
from itertools import pairwise

import numpy as np
import pytest

from store.queries.columns import columns
from store.queries.graph import Graph
from store.queries.neighborhood import Limits, Neighborhood, neighborhood, overview
from store.queries.parameters import Direction

NODES = 120


class Made:
    """A graph with few popular servers, some edges on two ports, some urgent."""

    def __init__(self, seed: int, edges: int = 400) -> None:
        random = np.random.default_rng(seed)
        self.clients = random.integers(0, NODES, edges)
        self.servers = (random.random(edges) ** 3 * NODES).astype(np.int64)
        self.scores = random.random(edges)
        self.urgent = np.where(random.random(edges) < 0.03, random.integers(1, 3, edges), 0)
        self.graph = Graph(self.clients, self.servers, NODES)

    def next_to(self, node: int, direction: Direction) -> set[int]:
        """Its neighbours."""
        pairs = list(zip(self.clients.tolist(), self.servers.tolist(), strict=True))
        down = {server for client, server in pairs if client == node}
        up = {client for client, server in pairs if server == node}
        return {"down": down, "up": up, "both": down | up}[direction]

    def hops(self, seeds: list[int], most: int, direction: Direction) -> dict[int, int]:
        """Breadth first, one node at a time."""
        away, queue = dict.fromkeys(seeds, 0), deque(seeds)
        while queue:
            node = queue.popleft()
            if away[node] < most:
                for each in self.next_to(node, direction) - away.keys():
                    away[each] = away[node] + 1
                    queue.append(each)
        return away


def _shown(made: Made, limits: Limits, seeds: list[int]) -> Neighborhood:
    return neighborhood(made.graph, seeds, limits, made.scores, made.urgent)


@pytest.mark.parametrize("direction", ["up", "down", "both"])
@pytest.mark.parametrize("hops", [1, 2, 3, 4])
def test_nodes_within_reach_are_those_of_a_plain_search(hops: int, direction: Direction) -> None:
    made = Made(hops)
    expected = made.hops([3, 70], hops, direction)
    found = _shown(made, Limits(hops, direction, 500, 500), [3, 70])
    assert {node: int(found.hops[node]) for node in np.flatnonzero(found.hops >= 0).tolist()} == expected
    assert found.reach == len(expected) == len(found.nodes) == len(set(found.nodes))
    assert found.truncated_by is None


@pytest.mark.parametrize("seed", range(12))
def test_each_node_says_by_which_edges_the_selection_leads_to_it(seed: int) -> None:
    made = Made(seed)
    found = _shown(made, Limits(3, "both", 30, 4), [5])
    assert len(found.nodes) <= 30
    for node in found.nodes:
        path = found.path(node)
        assert path[0] == 5
        assert len(path) == found.hops[node] + 1
        for near, far in pairwise(path):
            edge = found.entries[far]
            assert {near, far} == {int(made.clients[edge]), int(made.servers[edge])}
            assert near in found.nodes


@pytest.mark.parametrize("seed", range(12))
def test_what_is_urgent_is_not_left_out_for_what_is_well(seed: int) -> None:
    made = Made(seed)
    found = _shown(made, Limits(3, "both", 14, 3), [5])
    shown, reach = set(found.nodes), set(np.flatnonzero(found.hops >= 0).tolist())
    urgent = {
        int(node)
        for edge in np.flatnonzero(made.urgent)
        for node in (made.clients[edge], made.servers[edge])
        if {int(made.clients[edge]), int(made.servers[edge])} <= reach
    }
    needed = {node for each in urgent & shown for node in found.path(each)} | {5}
    if urgent - shown:  # then none is shown that is not urgent, or on the way to one that is
        assert shown == needed
        assert found.truncated_by == "budget"


def test_healthy_neighbours_of_one_node_are_bounded_those_that_fail_are_not() -> None:
    callers = np.arange(1, 301)
    urgent = np.where(callers % 100 == 0, 2, 0)
    graph = Graph(callers, np.zeros(300, np.int64), 301)
    found = neighborhood(graph, [0], Limits(2, "both", 40, 8), callers / 300, urgent)
    assert set(found.nodes) == {0, 100, 200, 300, *range(292, 300)}
    assert found.truncated_by == "fan"
    up, down = graph.hidden(np.isin(np.arange(301), found.nodes))
    assert (up[0], down[0]) == (300 - 11, 0)


def test_those_that_are_to_stay_come_first() -> None:
    made = Made(1)
    reach = sorted(made.hops([5], 2, "both"))
    keep = reach[-3:]
    found = neighborhood(made.graph, [5], Limits(2, "both", 12, 2), made.scores, made.urgent * 0, keep)
    assert set(keep) <= set(found.nodes)


@pytest.mark.parametrize("seed", range(4))
def test_neighbours_that_are_hidden_are_counted_once(seed: int) -> None:
    made = Made(seed)
    found = _shown(made, Limits(2, "both", 20, 5), [5])
    shown = set(found.nodes)
    up, down = made.graph.hidden(np.isin(np.arange(NODES), found.nodes))
    for node in found.nodes:
        assert up[node] == len(made.next_to(node, "up") - shown)
        assert down[node] == len(made.next_to(node, "down") - shown)


def test_without_a_selection_what_is_wrong_comes_first() -> None:
    made = Made(2)
    found = overview(made.graph, 10, made.scores, made.urgent)
    worst = np.lexsort((-made.scores, -made.urgent))[0]
    assert {int(made.clients[worst]), int(made.servers[worst])} <= set(found.nodes)
    assert len(found.nodes) <= 10
    assert found.truncated_by == "budget"
    everything = overview(made.graph, 500, made.scores, made.urgent)
    assert set(everything.nodes) == {*made.clients.tolist(), *made.servers.tolist()}


def test_callers_stand_left_of_whom_they_call_and_circles_end() -> None:
    places = columns([1, 2, 3, 4, 5, 6], [(1, 2), (2, 3), (1, 3), (4, 3), (3, 5), (5, 2), (6, 6)])
    assert places[1] < places[2] < places[3] < places[5]
    assert places[4] == places[3] - 1
    assert places[6] == 0
