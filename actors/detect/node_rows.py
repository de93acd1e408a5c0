"""What rows of a tick say of symptoms, each held against the habit of its edge; for nodes of the graph."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from actors.detect.evidence import Symptoms, Tuning, dispersion_of, expected, ill_share, log_ratio, tempered
from actors.detect.observations import NODES, Observations, Parts
from actors.detect.state import Memory, blocks, found

#: Bits of an id that say at first sight whether a row belongs to a node that is looked at.
_SIGHT: Final = np.uint64(0xFFFF)
#: A node with this part of one edge, and none of another, is that edge.
_WHOLE_EDGE: Final = 0.9
#: The dispersion above which it counts: 1, as the bits of a float16.
_ONE: Final = np.float16(1).view(np.uint16)


class Series(NamedTuple):
    """What rows count of a symptom each, beside what is known of it at their edges; shape (n,).

    :param row: among the parts.
    :param of: the symptom.
    :param usual: the share that is normal for the edge.
    :param ill: whether the edge has a finding of its own.
    :param old: whether the edge has been known for long enough to say something.
    :param share: of its edge's traffic that the row has.
    :param nats: what the row says.
    """

    row: np.ndarray
    of: np.ndarray
    bad: np.ndarray
    total: np.ndarray
    usual: np.ndarray
    ill: np.ndarray
    old: np.ndarray
    share: np.ndarray
    nats: np.ndarray

    def take(self, rows: np.ndarray) -> "Series":
        """Those at these places, or of this mask."""
        return Series(*(column[rows] for column in self))


@dataclass(frozen=True)
class Told:
    """Rows of a tick, and what is known of their edges.

    :param memory: baselines and findings of edges, as they were before this tick.
    :param rows: places in it of the edges that were seen; shape (edges,).
    :param seen: what this tick counts of these.
    :param parts: the rows.
    """

    memory: Memory
    rows: np.ndarray
    seen: Observations
    parts: Parts
    symptoms: Symptoms
    tuning: Tuning

    @cached_property
    def edge(self) -> np.ndarray:
        """The edge of each row, as a place among those that were seen."""
        return np.searchsorted(self.seen.ids, self.parts.edges)

    def series(self, flat: np.ndarray) -> Series:
        """What rows count of symptoms.

        :param flat: places of rows and symptoms.
        """
        memory, by, tuning = self.memory, self.symptoms, self.tuning
        row = flat // memory.width
        of, at = flat - row * memory.width, self.edge[row]
        places = self.rows[at] * memory.width + of
        series = {name: column.take(places) for name, column in memory.baseline.items()}
        bad, total = self.parts.bad.take(flat), self.parts.total.take(flat)
        whole, age = self.seen.total[at, of], memory.edges["age"][self.rows[at]]
        usual = expected(series, of, by, tuning)
        spread = dispersion_of(series, whole, age, tuning)
        nats = log_ratio(bad, total, usual, ill_share(usual, by.odds[of], by.least[of]), spread)
        ill, old = found(memory.ill, places)[1], series["total"] >= tuning.warm
        return Series(row, of, bad, total, usual, ill, old, total / np.maximum(whole, 1), nats)

    def quiet_nats(self, edges: np.ndarray) -> np.ndarray:
        """What each good one says for "ill" at most, which is less than 0; shape (edges, symptoms), float32.

        The share of the ill is higher than the usual one by at least so much. Nothing is said where an edge is too
        young, or ill itself.

        :param edges: places among those that were seen.
        """
        memory, rows = self.memory, self.rows[edges]
        total, dispersion = (memory.baseline[name].take(rows, axis=0) for name in ("total", "dispersion"))
        nats = np.log(1 - self.symptoms.least) * (total >= self.tuning.warm)
        wild = np.flatnonzero(dispersion.view(np.uint16) > _ONE)
        series = {"total": total.take(wild), "dispersion": dispersion.take(wild)}
        at = edges.take(wild // memory.width)
        seen = self.seen.total[at, wild % memory.width]
        spread = dispersion_of(series, seen, memory.edges["age"][self.rows[at]], self.tuning)
        nats.reshape(-1)[wild] /= tempered(spread)
        ill = np.zeros((len(memory), memory.width), np.bool_)
        ill.reshape(-1)[memory.ill] = True
        nats[ill.take(rows, axis=0)] = 0
        return np.asarray(nats)

    def those_of(
        self, nodes: np.ndarray, rows: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows that belong to nodes, as places among those that are asked for; by which column, and which node.

        :param nodes: ascending.
        :param rows: that are asked for; None: all.
        """
        sight = np.full(int(_SIGHT) + 1, -1, np.int32)
        sight[nodes & _SIGHT] = np.arange(len(nodes))
        of_rows = self.parts.nodes if rows is None else self.parts.nodes.take(rows, axis=0)
        near = [np.zeros(0, np.int64)]
        for block in blocks(len(of_rows)):
            seen = sight.take((of_rows[block].reshape(-1) & _SIGHT).view(np.int64)) >= 0
            near.append(np.flatnonzero(seen) + block.start * NODES)
        flat = np.concatenate(near)
        ids = of_rows.take(flat)
        node = sight.take((ids & _SIGHT).view(np.int64))
        right = nodes.take(node) == ids
        others = np.flatnonzero(~right)
        if len(others):  # of the same last bits
            node[others], right[others] = found(nodes, ids[others])
            flat, node = flat[right], node[right]
        row = flat // NODES
        return row, flat - row * NODES, node


def as_edges(node: np.ndarray, edges: np.ndarray, share: np.ndarray, count: int) -> np.ndarray:
    """Of each node, whether it is one edge by another name: it has no other, and nearly all traffic of that."""
    first = np.zeros(count, np.uint64)
    first[node] = edges
    one = np.bincount(node, first[node] != edges, count) == 0
    return np.asarray(one & (np.bincount(node, share, count) > _WHOLE_EDGE))
