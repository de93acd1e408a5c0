"""Nodes of the graph: workloads, their instances, machines and zones.

What is thin over many edges is found here: a pod of a service, a machine's worth of a zone. A node has no habit of
its own. Each edge is held against its own one, and what the edges of a node say is summed up, so that traffic which
moves between edges, some of which always fail, says nothing. A healthy node takes no memory.
"""

from typing import Final, NamedTuple

import numpy as np

from actors.detect.evidence import (
    Limits,
    Symptoms,
    Tuning,
    decided,
    dispersion_of,
    expected,
    ill_share,
    log_ratio,
    since_then,
)
from actors.detect.findings import findings_of, no_events
from actors.detect.observations import Findings, Known, Parts
from actors.detect.state import ILL, Memory, Series

#: Nodes remembered at most: those with the most evidence.
LIMIT: Final = 20_000
#: Columns of ``Parts.nodes``: whole nodes, of which one edge may not say everything alone, come first.
WHOLE: Final = 6
#: The part of a tick's evidence that one edge may say for a whole node at most.
_ONE_EDGE: Final = np.float32(0.5)
#: A node with this part of one edge, and none of another, is that edge.
_WHOLE_EDGE: Final = 0.9
#: Nats that rows of a tick say for a node before it is looked at.
_NOTICED: Final = 4.0
#: Bits of an id that say at first sight whether a row belongs to a node that is looked at.
_SIGHT: Final = np.uint64(0xFFFF)
#: Ticks of known silence after which a node is given up: an hour.
_GIVEN_UP: Final = 360


class Edges(NamedTuple):
    """What is known of edges with traffic; shape (edges, symptoms), but for ``at`` and ``age``.

    :param at: the edge of each row of the parts; shape (rows,).
    :param series: baseline, dispersion and streak, as they are remembered.
    :param age: ticks with traffic that each has seen.
    :param total: counted in this tick.
    """

    at: np.ndarray
    series: Series
    age: np.ndarray
    total: np.ndarray

    def teaches(self, of: int, tuning: Tuning) -> np.ndarray:
        """Of each row, whether its edge is too young to say anything."""
        young: np.ndarray = self.series["total"][:, of] < tuning.warm
        return np.asarray(young[self.at])

    def ill(self, rows: np.ndarray, of: int) -> np.ndarray:
        """Whether the edge has a finding of its own."""
        ill: np.ndarray = self.series["streak"][self.at[rows], of] >= ILL
        return ill

    def usual(self, rows: np.ndarray, of: int, symptoms: Symptoms, tuning: Tuning) -> np.ndarray:
        """The share that is normal."""
        at = self.at[rows]
        series = {name: self.series[name][at, of] for name in ("bad", "total")}
        return expected(series, np.full(1, of), symptoms, tuning)

    def dispersion(self, rows: np.ndarray, of: int, tuning: Tuning) -> np.ndarray:
        """By how much counts vary more than coins do."""
        at = self.at[rows]
        series = {name: self.series[name][at, of] for name in ("total", "dispersion")}
        return dispersion_of(series, self.total[at, of], self.age[at], tuning)

    def share(self, parts: Parts, rows: np.ndarray, of: int) -> np.ndarray:
        """Of its edge's traffic that each row has."""
        whole: np.ndarray = np.maximum(self.total[self.at[rows], of], 1)
        part: np.ndarray = parts.total[rows, of] / whole
        return part


class Rows(NamedTuple):
    """Rows of one symptom that belong to nodes which are looked at; a row is there once for each node.

    :param node: its place among the nodes; shape (n,).
    """

    node: np.ndarray
    bad: np.ndarray
    total: np.ndarray
    normal: np.ndarray
    nats: np.ndarray
    of_ill: np.ndarray


class Nodes:
    """All that are not at rest.

    :ivar forgotten: those that were let go beyond ``limit``.
    """

    def __init__(self, names: list[str], symptoms: Symptoms, tuning: Tuning, limit: int = LIMIT) -> None:
        self.memory = Memory(names)
        self.forgotten = 0
        self._symptoms, self._tuning, self._limit = symptoms, tuning, limit

    def step(self, tick: int, parts: Parts, edges: Edges, known: Known) -> Findings:
        """What is ill after the rows of a tick.

        :param edges: of each row of ``parts``.
        """
        memory = self.memory
        before = memory.ids, memory.series["streak"] >= ILL
        seen = np.zeros(0, np.uint64)
        for of in range(parts.total.shape[1]):
            total = parts.total[:, of] * ~edges.teaches(of, self._tuning)
            nodes = self._looked_at(of, parts, total, edges)
            if len(nodes):
                rows = self._rows(of, nodes, parts, total, edges)
                self._judge(tick, of, nodes, rows)
                seen = np.union1d(seen, nodes[np.unique(rows.node)])
        here = np.isin(memory.ids, seen)
        self._silent(here, known)
        findings = self._findings(tick, before, here & known.of(memory.ids))
        self._forget()
        return findings

    def _findings(self, tick: int, before: tuple[np.ndarray, np.ndarray], certain: np.ndarray) -> Findings:
        """Those of nodes that are ill, or were before."""
        memory = self.memory
        was = np.zeros(memory.series["streak"].shape, np.bool_)
        was[np.searchsorted(memory.ids, before[0])] = before[1]
        now = memory.series["streak"] >= ILL
        chosen = (now & ~was, now & was, was & ~now)
        listed = [(each.nonzero()[0], each.nonzero()[1]) for each in chosen]
        return findings_of(tick, memory, listed, certain, (self._symptoms, self._tuning), no_events())

    def _looked_at(self, of: int, parts: Parts, total: np.ndarray, edges: Edges) -> np.ndarray:
        """Ids of nodes of which there is evidence, or for which rows speak now; ascending."""
        memory = self.memory
        active = (memory.series["evidence"][:, of] > 0) | (memory.series["streak"][:, of] >= ILL)
        rows = np.flatnonzero((parts.bad[:, of] > 0) & (total > 0))
        rows = rows[~edges.ill(rows, of)]
        nats = self._nats(of, parts, total, edges, rows)
        loud = rows[nats > 0]
        ids, same = np.unique(parts.nodes[loud].ravel(), return_inverse=True)
        sums = np.bincount(same, np.repeat(nats[nats > 0], parts.nodes.shape[1]), len(ids))
        ids = np.union1d(memory.ids[active], ids[sums >= _NOTICED])
        named: np.ndarray = ids[ids != 0]
        return named

    def _nats(self, of: int, parts: Parts, total: np.ndarray, edges: Edges, rows: np.ndarray) -> np.ndarray:
        usual = edges.usual(rows, of, self._symptoms, self._tuning)
        ill = ill_share(usual, self._symptoms.odds[of], self._symptoms.least[of])
        spread = edges.dispersion(rows, of, self._tuning)
        return log_ratio(parts.bad[rows, of], total[rows], usual, ill, spread)

    def _rows(self, of: int, nodes: np.ndarray, parts: Parts, total: np.ndarray, edges: Edges) -> Rows:
        sight = np.zeros(int(_SIGHT) + 1, np.bool_)
        sight[nodes & _SIGHT] = True
        rows, columns = (sight[parts.nodes & _SIGHT] & (total > 0)[:, None]).nonzero()
        ids = parts.nodes[rows, columns]
        node = np.minimum(np.searchsorted(nodes, ids), len(nodes) - 1)
        right = nodes[node] == ids
        rows, columns, node = rows[right], columns[right], node[right]
        nats = self._nats(of, parts, total, edges, rows)
        share = edges.share(parts, rows, of)
        most = _ONE_EDGE * self._tuning.most_of_tick * np.where(columns < WHOLE, share, 1)
        nats = np.minimum(nats, most.astype(np.float32))
        normal = total[rows] * edges.usual(rows, of, self._symptoms, self._tuning)
        told = Rows(node, parts.bad[rows, of], total[rows], normal, nats, edges.ill(rows, of))
        own = ~_as_edges(told.node, parts.edges[rows], share, len(nodes))[told.node]
        return Rows(*(column[own] for column in told))

    def _judge(self, tick: int, of: int, nodes: np.ndarray, rows: Rows) -> None:
        memory, count = self.memory, len(nodes)
        known = memory.has(nodes)
        before = {name: np.zeros(count, column.dtype) for name, column in memory.series.items()}
        for name, column in memory.series.items():
            before[name][known] = column[np.searchsorted(memory.ids, nodes[known]), of]
        was = before["streak"] >= ILL
        counted = was[rows.node] | ~rows.of_ill

        def over(values: np.ndarray) -> np.ndarray:
            return np.bincount(rows.node[counted], values[counted], count).astype(np.float32)

        bad, total, normal, nats = map(over, (rows.bad, rows.total, rows.normal, rows.nats))
        most = np.float32(self._tuning.most_of_tick)
        nats = np.clip(nats, np.float32(-self._tuning.nats), most)
        here = total > 0
        at_rest = before["evidence"] == 0
        since = since_then(before, np.uint16(tick & 0xFFFF), bad, total, at_rest)
        mean = [np.where(at_rest, 0, before[name]) + new for name, new in (("bad", normal), ("total", total))]
        usual = np.maximum(mean[0] / np.maximum(mean[1], 1), self._symptoms.floor[of])
        ill = ill_share(usual, self._symptoms.odds[of], self._symptoms.least[of])
        limits = Limits(usual, ill, self._symptoms.least_bad[of])
        told = decided(before, nats, since, limits, self._tuning)
        after = told.series | {"bad": mean[0], "total": mean[1], "dispersion": np.zeros(count)}
        here &= known | (after["evidence"] > 0)
        memory.add(nodes[here & ~known])
        places = np.searchsorted(memory.ids, nodes[here])
        for name, values in after.items():
            memory.series[name][places, of] = values[here]

    def _silent(self, here: np.ndarray, known: Known) -> None:
        """Counts silence; after an hour of it a finding ends."""
        memory = self.memory
        silent = memory.edges["silent"]
        silent[here] = 0
        silent[~here & known.of(memory.ids)] += 1
        gone = silent >= _GIVEN_UP
        for name in ("evidence", "streak"):
            memory.series[name][gone] = 0

    def _forget(self) -> None:
        """Those at rest, and beyond the limit those with least evidence."""
        series = self.memory.series
        evidence = series["evidence"].max(axis=1, initial=0).astype(np.float32)
        evidence += np.float32(1e3) * (series["streak"] >= ILL).any(axis=1)
        kept = evidence > 0
        excess = np.count_nonzero(kept) - self._limit
        if excess > 0:
            kept[np.argsort(evidence + ~kept * np.float32(1e6), kind="stable")[:excess]] = False
            self.forgotten += int(excess)
        if 2 * np.count_nonzero(kept) < len(kept) or excess > 0:
            self.memory.keep(kept)


def _as_edges(node: np.ndarray, edges: np.ndarray, share: np.ndarray, count: int) -> np.ndarray:
    """Of each node, whether it is one edge by another name: it has no other, and nearly all traffic of that."""
    first = np.zeros(count, np.uint64)
    first[node] = edges
    one = np.bincount(node, first[node] != edges, count) == 0
    return np.asarray(one & (np.bincount(node, share, count) > _WHOLE_EDGE))
