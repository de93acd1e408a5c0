"""Nodes of the graph: workloads, their instances, machines and zones.

What is thin over many edges is found here: a pod of a service, a machine's worth of a zone. A node has no habit of
its own. Each edge is held against its own one, and what the edges of a node say is summed up, so that traffic which
moves between edges, some of which always fail, says nothing. A healthy node takes no memory.
"""

from typing import Final, NamedTuple

import numpy as np

from actors.detect.evidence import Limits, Symptoms, Tuning, decided, ill_share, since_then
from actors.detect.findings import GIVEN_UP, findings_of, no_events
from actors.detect.node_rows import Series, Told, as_edges
from actors.detect.observations import Findings, Known
from actors.detect.state import ILL, Memory

#: Nodes remembered at most: those with the most evidence.
LIMIT: Final = 20_000
#: Columns of ``Parts.nodes``: whole nodes, of which one edge may not say everything alone, come first.
WHOLE: Final = 6
#: The part of a tick's evidence that one edge may say for a whole node at most.
_ONE_EDGE: Final = np.float32(0.5)
#: Nats that rows of a tick say for a node before it is looked at.
_NOTICED: Final = 4.0
#: What rows say is summed up in so many buckets (a power of two) first, whose number has
_BUCKET_BITS: Final = np.uint64(16)
_LAST_BUCKET: Final = np.uint64(0xFFFF)
#: of a symptom so much.
_STRIDE: Final = np.uint64(0x9E37)


class Rows(NamedTuple):
    """Series that belong to nodes which are looked at; one is there once for each node.

    :param pair: the place of node and symptom among those that are looked at; shape (n,).
    :param nats: what the row says for the node.
    """

    pair: np.ndarray
    nats: np.ndarray
    series: Series

    def take(self, rows: np.ndarray) -> "Rows":
        """Those at these places, or of this mask."""
        return Rows(self.pair[rows], self.nats[rows], self.series.take(rows))


class Pairs(NamedTuple):
    """Nodes and symptoms that are looked at, ascending by node; shape (n,)."""

    node: np.ndarray
    of: np.ndarray


class Nodes:
    """All that are not at rest.

    :ivar forgotten: those that were let go beyond ``limit``.
    """

    def __init__(self, names: list[str], symptoms: Symptoms, tuning: Tuning, limit: int = LIMIT) -> None:
        self.memory = Memory(names)
        self.forgotten = 0
        self._symptoms, self._tuning, self._limit = symptoms, tuning, limit

    def step(self, tick: int, told: Told, known: Known) -> Findings:
        """What is ill after the rows of a tick."""
        memory = self.memory
        before = memory.ids, memory.ill
        memory.count_unseen(known.heard(memory.ids))
        pairs = self._looked_at(told)
        seen = pairs.node[:0]
        if len(pairs.node):
            rows = self._rows(pairs, told)
            self._judge(tick, pairs, rows)
            seen = np.unique(pairs.node[rows.pair])
        here = np.isin(memory.ids, seen)
        gone = memory.evidence["unseen"] >= GIVEN_UP
        for name in ("evidence", "streak"):
            memory.evidence[name][gone] = 0
        findings = self._findings(tick, before, here & known.of(memory.ids))
        self._forget()
        return findings

    def _findings(self, tick: int, before: tuple[np.ndarray, np.ndarray], certain: np.ndarray) -> Findings:
        """Those of nodes that are ill, or were before."""
        memory, width = self.memory, self.memory.width
        row, of = np.divmod(before[1], width)
        was, now = np.searchsorted(memory.ids, before[0][row]) * width + of, memory.ill
        ongoing = np.isin(now, was)
        ended = was[np.isin(was, now, invert=True)]
        listed = [np.divmod(places, width) for places in (now[~ongoing], now[ongoing], ended)]
        return findings_of(tick, memory, listed, certain, (self._symptoms, self._tuning), no_events())

    def _looked_at(self, told: Told) -> Pairs:
        """Nodes of which there is evidence, or for which rows speak now."""
        flat = np.flatnonzero((told.parts.bad > 0) & (told.parts.total > 0))
        loud = told.series(flat)
        counted = np.flatnonzero(loud.old & ~loud.ill)
        nodes, of = self._told_against(told, loud.take(counted))
        active, active_of = np.divmod(self.memory.doubted, self.memory.width)
        return _pairs(
            np.concatenate((nodes, self.memory.ids[active])),
            np.concatenate((of, active_of)),
            self.memory.width,
        )

    def _told_against(self, told: Told, loud: Series) -> tuple[np.ndarray, np.ndarray]:
        """Nodes and symptoms that rows with bad ones speak against, and the others of the node do not outweigh."""
        width = self.memory.width
        speaks = np.flatnonzero(loud.nats > 0)
        nodes, of = told.parts.nodes.take(loud.row[speaks], axis=0), loud.of[speaks]
        bucket = ((nodes ^ (nodes >> _BUCKET_BITS)) + of[:, None].astype(np.uint64) * _STRIDE) & _LAST_BUCKET
        weights = np.repeat(loud.nats[speaks], nodes.shape[1])
        full = np.bincount(bucket.ravel().astype(np.int64), weights) >= _NOTICED
        row, column = (full[bucket] & (nodes != 0)).nonzero()
        ids, node = np.unique(nodes[row, column], return_inverse=True)
        pairs, same = np.unique(node * width + of[row], return_inverse=True)
        noticed = pairs[np.bincount(same, loud.nats[speaks][row], len(pairs)) >= _NOTICED]
        noticed = noticed[_said_aloud(told, loud, ids)[noticed] > 0]
        if not len(noticed):
            return ids[:0], of[:0]
        at, of = np.divmod(noticed, width)
        left, node = np.unique(at, return_inverse=True)
        kept = self._said(told, loud, ids[left])[node, of] > 0
        return ids[at[kept]], of[kept]

    def _said(self, told: Told, loud: Series, nodes: np.ndarray) -> np.ndarray:
        """What rows say for nodes at most; shape (nodes, symptoms).

        :param loud: what those with bad ones say.
        """
        row, _, node = told.those_of(nodes)
        # numpy sorts 16 bits ten times as fast
        order = np.argsort(node.astype(np.uint16) if len(nodes) <= 1 << 16 else node, kind="stable")
        rows = np.flatnonzero(np.bincount(row, minlength=len(told.parts)))
        place = np.full(len(told.parts), -1)
        place[rows] = np.arange(len(rows))
        said = told.quiet_nats(told.edge[rows]) * told.parts.total.take(rows, axis=0)
        at = place[loud.row]
        mine = np.flatnonzero(at >= 0)
        said[at[mine], loud.of[mine]] = loud.nats[mine]
        begins = np.searchsorted(node[order], np.arange(len(nodes)))
        return np.add.reduceat(said.take(place[row[order]], axis=0), begins, axis=0)

    def _rows(self, pairs: Pairs, told: Told) -> Rows:
        """Of all pairs, but for nodes that are one edge by another name."""
        width = self.memory.width
        nodes, at = np.unique(pairs.node, return_inverse=True)
        wanted = np.full((len(nodes), width), -1, np.int32)
        wanted[at, pairs.of] = np.arange(len(at))
        row, column, node = told.those_of(nodes)
        pair = wanted[node]
        which, of = ((pair >= 0) & (told.parts.total[row] > 0)).nonzero()
        series = told.series(row[which] * width + of)
        most = _ONE_EDGE * self._tuning.most_of_tick * np.where(column[which] < WHOLE, series.share, 1)
        rows = Rows(pair[which, of], np.minimum(series.nats, most.astype(np.float32)), series).take(
            series.old
        )
        edges = told.parts.edges[rows.series.row]
        return rows.take(~as_edges(rows.pair, edges, rows.series.share, len(at))[rows.pair])

    def _judge(self, tick: int, pairs: Pairs, rows: Rows) -> None:
        memory, symptoms, of, count = self.memory, self._symptoms, pairs.of, len(pairs.of)
        nodes = np.unique(pairs.node)
        memory.add(nodes[~memory.has(nodes)])
        places = np.searchsorted(memory.ids, pairs.node) * memory.width + of
        before = memory.series(places)
        counted = (before["streak"] >= ILL)[rows.pair] | ~rows.series.ill

        def over(values: np.ndarray) -> np.ndarray:
            return np.bincount(rows.pair[counted], values[counted], count).astype(np.float32)

        told = rows.series
        bad, total, normal, nats = map(over, (told.bad, told.total, told.total * told.usual, rows.nats))
        nats = np.clip(nats, np.float32(-self._tuning.nats), np.float32(self._tuning.most_of_tick))
        at_rest = before["evidence"] == 0
        since = since_then(before, np.uint16(tick & 0xFFFF), bad, total, at_rest)
        mean = [np.where(at_rest, 0, before[name]) + new for name, new in (("bad", normal), ("total", total))]
        usual = np.maximum(mean[0] / np.maximum(mean[1], 1), symptoms.floor[of])
        limits = Limits(
            usual, ill_share(usual, symptoms.odds[of], symptoms.least[of]), symptoms.least_bad[of]
        )
        judged = decided(before, nats, since, limits, self._tuning)
        after = judged.series | {"bad": mean[0], "total": mean[1], "dispersion": np.zeros(count)}
        here = total > 0
        memory.put(places[here], {name: values[here] for name, values in after.items()})

    def _forget(self) -> None:
        """Those at rest, and beyond the limit those with least evidence."""
        memory = self.memory
        memory.drop_rested()
        weight = np.zeros(len(memory), np.float32)
        np.maximum.at(weight, memory.doubted // memory.width, memory.evidence["evidence"].astype(np.float32))
        weight[memory.ill // memory.width] += np.float32(1e3)
        kept = weight > 0
        excess = np.count_nonzero(kept) - self._limit
        if excess > 0:
            kept[np.argsort(weight + ~kept * np.float32(1e6), kind="stable")[:excess]] = False
            self.forgotten += int(excess)
        if 2 * np.count_nonzero(kept) < len(kept) or excess > 0:
            memory.keep(kept)


def _said_aloud(told: Told, loud: Series, nodes: np.ndarray) -> np.ndarray:
    """What rows with bad ones say for nodes; shape (nodes * symptoms,). No other row speaks for a node."""
    row, _, node = told.those_of(nodes, loud.row)
    width = told.memory.width
    return np.bincount(node * width + loud.of[row], loud.nats[row], len(nodes) * width)


def _pairs(nodes: np.ndarray, of: np.ndarray, width: int) -> Pairs:
    """Each once, ascending."""
    ids, node = np.unique(nodes, return_inverse=True)
    row, symptom = np.divmod(np.unique(node * width + of), width)
    return Pairs(ids[row], symptom)
