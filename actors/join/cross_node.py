"""Rows whose connection another node rewrites: found by what nodes announce, moved to where their other end is."""

from collections import OrderedDict
from dataclasses import replace
from typing import Final

import numpy as np

from actors.join.flow_table import SKEW_NS
from actors.nat.resolver import Resolver, callers, chains_of, name_resolved
from actors.nat.table import NatTable
from model.batch import Batch
from model.chains import HOP, Chains

#: Starts of nodes whose sockets are remembered.
NODES: Final = 4096


class Rekeyer:
    """Follows the tuples of callers by the entries of other nodes. Pure: batches in, batches out.

    :param table: entries that nodes announced.
    """

    def __init__(self, table: NatTable) -> None:
        self._table = table
        self._resolvers: OrderedDict[tuple[str, str], Resolver] = OrderedDict()

    def follow(self, batch: Batch) -> Batch:
        """``batch`` with its tuples as all nodes together know them."""
        if not len(self._table) or not len(batch):
            return batch
        calls = callers(batch.columns)
        rows = np.flatnonzero(calls)
        columns = {name: column[rows] for name, column in batch.columns.items()}
        own = resolved_hops(batch).take(rows)
        resolver = self._resolver(batch)
        rewrites, far, between = resolver.follow(columns, own, np.ones(len(rows), np.bool_), batch.window)
        changed = np.flatnonzero(rewrites)
        if not len(changed):
            return batch
        final = own.copy()
        final.view("V36")[changed] = far.view("V36")[changed]
        index, more = chains_of(own, final, rewrites, between)
        return _rewritten(batch, rows[changed], final.take(changed), more.used(index[changed])[1])

    def _resolver(self, batch: Batch) -> Resolver:
        origin = (batch.node, batch.boot)
        resolver = self._resolvers.get(origin) or Resolver(1024, self._table, SKEW_NS)
        self._resolvers[origin] = resolver
        self._resolvers.move_to_end(origin)
        if len(self._resolvers) > NODES:
            self._resolvers.popitem(last=False)
        return resolver


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


def resolved_hops(batch: Batch) -> np.ndarray:
    """The tuples of rows, from who called to who was called; ``HOP``."""
    hops = np.empty(len(batch), HOP)
    for part in ("address", "port"):
        hops[f"source_{part}"] = batch.columns[f"connection.source.{part}"]
        hops[f"destination_{part}"] = batch.columns[f"connection.destination.{part}"]
    return hops
