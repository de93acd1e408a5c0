"""Who is how many edges away, on arrays: neighbours of each node as compressed rows (CSR)."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from store.queries.parameters import Direction

#: Which way an edge was gone.
UP: Final = 0
DOWN: Final = 1
_WAYS: Final = {"up": (UP,), "down": (DOWN,), "both": (DOWN, UP)}


@dataclass(frozen=True)
class Rows:
    """The neighbours of each node one way.

    :param begins: where those of each node begin; shape (nodes + 1,).
    :param edges: rows of the graph's edges, those of a node beside each other.
    """

    begins: np.ndarray
    edges: np.ndarray

    @classmethod
    def of(cls, nodes: np.ndarray, count: int) -> "Rows":
        """From the node that each edge is of."""
        begins = np.zeros(count + 1, np.int64)
        np.cumsum(np.bincount(nodes, minlength=count), out=begins[1:])
        return cls(begins, np.argsort(nodes, kind="stable"))

    def at(self, nodes: np.ndarray) -> np.ndarray:
        """The edges of all these nodes."""
        begins = self.begins[nodes]
        lengths = self.begins[nodes + 1] - begins
        total = int(lengths.sum())
        shifts = np.repeat(begins - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths)
        edges: np.ndarray = self.edges[shifts + np.arange(total)]
        return edges


@dataclass(frozen=True)
class Steps:
    """Edges that were gone from a front of nodes.

    :param edges: rows of the graph's edges.
    :param sources: where each was gone from; ``targets`` where it led.
    :param ways: ``UP`` from server to client, or ``DOWN``.
    """

    edges: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    ways: np.ndarray

    def take(self, rows: np.ndarray) -> "Steps":
        """Some of them."""
        return Steps(self.edges[rows], self.sources[rows], self.targets[rows], self.ways[rows])


class Graph:
    """Edges from clients to servers; an edge of a node with itself leads nowhere.

    :param clients: of each edge; shape (edges,), int64; ``servers`` likewise.
    :param nodes: how many there are.
    """

    def __init__(self, clients: np.ndarray, servers: np.ndarray, nodes: int) -> None:
        self.clients = clients
        self.servers = servers
        self.nodes = nodes
        self._rows = {UP: Rows.of(servers, nodes), DOWN: Rows.of(clients, nodes)}

    def steps(self, front: np.ndarray, direction: Direction) -> Steps:
        """All edges from these nodes."""
        parts = [(way, self._rows[way].at(front)) for way in _WAYS[direction]]
        edges = np.concatenate([found for _, found in parts])
        ways = np.repeat([way for way, _ in parts], [len(found) for _, found in parts])
        down = ways == DOWN
        sources = np.where(down, self.clients[edges], self.servers[edges])
        targets = np.where(down, self.servers[edges], self.clients[edges])
        return Steps(edges, sources, targets, ways)

    def hops(self, seeds: np.ndarray, most: int, direction: Direction) -> np.ndarray:
        """How many edges each node is away from the seeds; -1: more than ``most``. Shape (nodes,), int8."""
        away = np.full(self.nodes, -1, np.int8)
        away[seeds] = 0
        front = seeds
        for hop in range(1, most + 1):
            targets = self.steps(front, direction).targets
            front = np.unique(targets[away[targets] < 0])
            if not len(front):
                break
            away[front] = hop
        return away

    def hidden(self, shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many different neighbours of each node that is shown are not: who calls it, and whom it calls.

        :param shown: which nodes are; bool.
        """
        near = np.flatnonzero(shown[self.clients] | shown[self.servers])
        pairs = np.unique(self.clients[near] * self.nodes + self.servers[near])
        clients, servers = np.divmod(pairs, max(1, self.nodes))
        up = np.bincount(servers[~shown[clients]], minlength=self.nodes)
        down = np.bincount(clients[~shown[servers]], minlength=self.nodes)
        return up, down
