"""A store as it looks without proxies: instead of edges to and from them, those from who asked to who answered."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from model.arrays import Columns
from store.measures import MOST, SUMS, Measures
from store.queries.passed import Ways, ways_of
from store.reading import Edges, Endpoints, Store, Window

#: What ways are made of.
_COLUMNS: Final = ("requests", "requests.failed", "connections.failed")


class FoldedStore:
    """Answers of edges and endpoints; all else is asked of the store itself.

    An edge over proxies has requests and nothing of connections: those are of its hops, which stay where they are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ways: dict[Window, tuple[Endpoints, Edges, Ways]] = {}
        self.series, self.request_series = store.series, store.request_series
        self.workloads, self.instances, self.chains = store.workloads, store.instances, store.chains
        self.drops = store.drops
        self.reporters, self.gaps, self.bounds, self.close = (
            store.reporters,
            store.gaps,
            store.bounds,
            store.close,
        )

    def plain_edges(self, window: Window, edges: np.ndarray) -> Edges:
        """As the store has them, with histograms."""
        return self._store.edges(window, edges)

    def ways(self, window: Window) -> tuple[Endpoints, Edges, Ways]:
        """The ways of a window, with the endpoints and edges that they are found in."""
        if window not in self._ways:
            endpoints = self._store.endpoints(window, histograms=False)
            edges = self._store.edges(window, histograms=False, columns=_COLUMNS)
            self._ways[window] = endpoints, edges, ways_of(endpoints, edges, self._store.workloads())
        return self._ways[window]

    def edges(
        self,
        window: Window,
        edges: Sequence[int] | np.ndarray | None = None,
        histograms: bool = True,
        columns: Sequence[str] = (*SUMS, *MOST),
    ) -> Edges:
        """As the store's, folded."""
        endpoints, _, ways = self.ways(window)
        found = self._store.edges(window, edges, histograms, columns)
        found = _without_told(found.take(~np.isin(found.ids, ways.hidden)), ways)
        wanted = np.ones(len(ways.edges), np.bool_) if edges is None else np.isin(ways.edges, edges)
        return _with_ways(found, endpoints, ways, np.flatnonzero(wanted))

    def endpoints(
        self, window: Window, edges: Sequence[int] | np.ndarray | None = None, histograms: bool = True
    ) -> Endpoints:
        """As the store's, folded: what a proxy passed on is a request like others, and has its name."""
        plain, _, ways = self.ways(window)
        every = self._store.endpoints(window, histograms=histograms) if histograms else plain
        rows, numbers = _ended(every, plain, ways)
        stays = (every.parts["via"] == "") & ~np.isin(every.edges, ways.told)
        kept = np.flatnonzero(stays)
        ended = {name: getattr(every, name).copy() for name in ("edges", "servers", "ports", "transports")}
        for name, column in ended.items():
            column[rows] = getattr(ways, name)[numbers]
        found = replace(every, **ended, folded=True)
        found = found.take(np.sort(np.concatenate((kept, rows))))
        return found if edges is None else found.take(np.flatnonzero(np.isin(found.edges, edges)))


def _ended(every: Endpoints, plain: Endpoints, ways: Ways) -> tuple[np.ndarray, np.ndarray]:
    """The rows of endpoints that are ways, and which; what came between two looks at the store is left out."""
    ids = plain.ids[ways.rows]
    order = np.argsort(ids)
    places = np.minimum(np.searchsorted(ids[order], every.ids), max(0, len(ids) - 1))
    mine = np.flatnonzero(ids[order][places] == every.ids) if len(ids) else places[:0]
    return mine, order[places[mine]]


def _without_told(found: Edges, ways: Ways) -> Edges:
    """The edges, of those whose requests are in ways the connections alone."""
    told = np.isin(found.ids, ways.told)
    measures = found.measures
    columns = {
        name: np.where(told, np.zeros_like(column), column) if name.startswith("requests") else column
        for name, column in measures.columns.items()
    }
    return replace(found, measures=Measures(columns, measures.histograms)) if told.any() else found


def _with_ways(found: Edges, endpoints: Endpoints, ways: Ways, wanted: np.ndarray) -> Edges:
    """The edges and those over proxies, by id."""
    if not len(wanted):
        return found
    ids, first, numbers = np.unique(ways.edges[wanted], return_index=True, return_inverse=True)
    rows, one = ways.rows[wanted], wanted[first]
    sums = endpoints.measures.take(rows).summed(numbers, len(ids))
    columns: Columns = {}
    for name, column in found.measures.columns.items():
        told = name in sums.columns and not name.endswith(".index")
        more = sums[name].astype(column.dtype) if told else np.zeros(len(ids), column.dtype)
        columns[name] = np.concatenate((column, more))
    whole = Edges(
        found.window,
        np.concatenate((found.ids, ids)),
        np.concatenate((found.clients, endpoints.clients[ways.rows[one]])),
        np.concatenate((found.servers, ways.servers[one])),
        np.concatenate((found.ports, ways.ports[one])),
        np.concatenate((found.transports, ways.transports[one])),
        Measures(columns, found.measures.histograms),
    )
    return whole.take(np.argsort(whole.ids))
