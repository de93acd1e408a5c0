"""Rows whose connection another node rewrites: found by what nodes announce, moved to where their other end is."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from actors.join.flow_table import SKEW_NS
from actors.nat.resolver import Resolver, callers, chains_of, name_resolved
from actors.nat.table import NatTable
from model.batch import Batch
from model.chains import HOP, Chains
from model.ledger import Stage
from model.partition import partition_of

#: Starts of nodes whose sockets are remembered.
NODES: Final = 4096

#: Node, boot and transport: each has slots of its own.
Origin = tuple[str, str, int]


class CrossNode:
    """Follows the tuples of callers by the entries of other nodes. Pure: batches in, batches out.

    :param table: entries that nodes announced.
    :param partitions: gives the number of partitions that there are, once a message has come.
    :param stage: in rows; what goes to another partition is noted there.
    """

    def __init__(self, table: NatTable, partitions: Callable[[], int], stage: Stage) -> None:
        self._table = table
        self._partitions = partitions
        self._stage = stage
        self._resolvers: OrderedDict[Origin, Resolver] = OrderedDict()

    def divided(self, batch: Batch, partition: int) -> tuple[Batch, list[tuple[int, Batch]]]:
        """The rows that stay in ``partition``, and those that belong to others, with these.

        What came from another was followed there, and stays: no row wanders about.
        """
        followed = batch if batch.via >= 0 else self.follow(batch)
        if followed is batch:
            return batch, []
        places = partition_of(followed.columns, self._partitions())
        away = np.unique(places[places != partition]).tolist()
        if not away:
            return followed, []
        self._stage.note("rekeyed", int(np.count_nonzero(places != partition)))
        moved = [(place, _some(followed, places == place, partition)) for place in away]
        return _some(followed, places == partition, batch.via), moved

    def follow(self, batch: Batch) -> Batch:
        """``batch`` with its tuples as all nodes together know them."""
        if not len(self._table) and not self._table.gaps:
            return batch
        for transport in np.flatnonzero(np.bincount(batch.columns["network.transport"])).tolist():
            batch = self._follow(batch, transport)
        return batch

    def _follow(self, batch: Batch, transport: int) -> Batch:
        rows = np.flatnonzero(callers(batch.columns) & (batch.columns["network.transport"] == transport))
        columns = {name: column[rows] for name, column in batch.columns.items()}
        own = resolved_hops(batch).take(rows)
        resolver = self._resolver((batch.node, batch.boot, transport))
        learnt = columns["nat.index"] != 0
        found = resolver.follow(columns, own, np.ones(len(rows), np.bool_), learnt, batch.window)
        rewrites = found.rewrites
        batch = _doubted(batch, rows, found.evidence)
        changed = np.flatnonzero(rewrites)
        if not len(changed):
            return batch
        final = own.copy()
        final.view("V36")[changed] = found.far.view("V36")[changed]
        index, more = chains_of(own, final, rewrites, found.between)
        batch = _learnt(batch, rows, found.known_first)
        return _rewritten(batch, rows[changed], final.take(changed), more.used(index[changed])[1])

    def _resolver(self, origin: Origin) -> Resolver:
        resolver = self._resolvers.get(origin) or Resolver(1024, self._table, SKEW_NS)
        self._resolvers[origin] = resolver
        self._resolvers.move_to_end(origin)
        if len(self._resolvers) > NODES:
            self._resolvers.popitem(last=False)
        return resolver


def _doubted(batch: Batch, rows: np.ndarray, evidence: np.ndarray) -> Batch:
    """``batch`` with ``NatEvidence`` of these rows where their own node had none against them."""
    if not evidence.any():
        return batch
    column = batch.columns["nat.evidence"].copy()
    column[rows] = np.maximum(column[rows], evidence)
    return replace(batch, columns={**batch.columns, "nat.evidence": column})


def _learnt(batch: Batch, rows: np.ndarray, known_first: np.ndarray) -> Batch:
    """``batch`` with what was known first of these rows. Where their own node learnt of a rewrite later, too, it says
    that: its rewrites come before all others."""
    column, index = batch.columns["nat.known_first"], batch.columns["nat.index"][rows]
    late = np.flatnonzero((known_first != 0) & (column[rows] == 0))
    if not len(late):
        return batch
    column, own = column.copy(), np.zeros(len(late), np.uint8)
    chained = np.flatnonzero(index[late])
    own[chained] = batch.tables["chains"].lengths(index[late][chained]) - np.uint8(1)
    column[rows[late]] = known_first[late] + own
    return replace(batch, columns={**batch.columns, "nat.known_first": column})


def _rewritten(batch: Batch, rows: np.ndarray, final: np.ndarray, more: Chains) -> Batch:
    """``batch`` with other tuples in ``rows``, whose chains go on as ``more`` says, one for each."""
    hops = resolved_hops(batch)
    hops.view("V36")[rows] = final.view("V36")
    columns = dict(batch.columns)
    name_resolved(columns, hops)
    index = columns["nat.index"].copy()
    longer = batch.tables["chains"].extended(index[rows], more, np.arange(1, len(rows) + 1))
    chains, (_, shift) = batch.tables["chains"].joined([batch.tables["chains"], longer])
    index[rows] = np.arange(1, len(rows) + 1) + shift
    columns["nat.index"], chains = chains.used(index)
    return replace(batch, columns=columns, tables={**batch.tables, "chains": chains})


def _some(batch: Batch, rows: np.ndarray, via: int) -> Batch:
    columns = {name: column[rows] for name, column in batch.columns.items()}
    columns["nat.index"], chains = batch.tables["chains"].used(columns["nat.index"])
    return replace(batch, columns=columns, tables={**batch.tables, "chains": chains}, via=via)


def resolved_hops(batch: Batch) -> np.ndarray:
    """The tuples of rows, from who called to who was called; ``HOP``."""
    hops = np.empty(len(batch), HOP)
    for part in ("address", "port"):
        hops[f"source_{part}"] = batch.columns[f"connection.source.{part}"]
        hops[f"destination_{part}"] = batch.columns[f"connection.destination.{part}"]
    return hops
