"""How requests of an edge got to its server through proxies, with what is known of each hop."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np

from store.measures import Measures
from store.queries.answers import Edge, Hop, Path, Quantiles
from store.queries.folded import FoldedStore
from store.queries.groups import Groups
from store.queries.pairs import Pairs, edge_id
from store.queries.passed import NOWHERE, Ways, codes_of
from store.reading import Edges, Endpoints, Window

#: Paths of one edge that are told of.
_MOST: Final = 8
_TCP: Final = 6
_TIMES: Final = ("before", "upstream", "after")


def with_paths(
    folded: FoldedStore | None, window: Window, pairs: Pairs, rows: np.ndarray, edges: list[Edge]
) -> list[Edge]:
    """The edges of some rows of ``pairs``, with their paths.

    :param folded: None where proxies are nodes like others: there are no paths then.
    """
    if folded is None or not len(rows):
        return edges
    found = _Paths(folded, window, pairs.groups, *folded.ways(window)).of(pairs, rows)
    return [
        msgspec.structs.replace(edge, paths=found[row]) if row in found else edge
        for row, edge in zip(rows.tolist(), edges, strict=True)
    ]


@dataclass(frozen=True)
class _Paths:
    folded: FoldedStore
    window: Window
    groups: Groups
    endpoints: Endpoints
    edges: Edges
    ways: Ways

    def of(self, pairs: Pairs, rows: np.ndarray) -> dict[int, list[Path]]:
        """Row of ``pairs`` -> its paths."""
        ways, groups = self.ways, self.groups
        row_of = _rows_of(pairs, rows, self)
        mine = np.flatnonzero(row_of != NOWHERE)
        if not len(mine):
            return {}
        between = ways.proxies[mine]
        proxies = np.where(between == NOWHERE, NOWHERE, groups.of(np.where(between == NOWHERE, 0, between)))
        keys = np.concatenate((row_of[mine, None], proxies), axis=1)
        held, numbers = np.unique(keys, axis=0, return_inverse=True)
        sums = self.endpoints.measures.take(ways.rows[mine]).summed(numbers.reshape(-1), len(held))
        largest = np.lexsort((-sums["requests"].astype(np.int64), held[:, 0]))
        found: dict[int, list[Path]] = {}
        hops = _Hops(self)
        for place in largest.tolist():
            row, *via = held[place].tolist()
            told = found.setdefault(row, [])
            if len(told) < _MOST:
                nodes = [int(pairs.clients[row]), *(one for one in via if one != NOWHERE)]
                told.append(
                    self._path(sums, place, hops.of(nodes, int(pairs.servers[row]), int(pairs.ports[row])))
                )
        return found

    def _path(self, sums: Measures, place: int, hops: list[Hop]) -> Path:
        requests = int(sums["requests"][place])
        times = {f"{name}_ns": int(sums[f"via.{name}_ns"][place]) // max(1, requests) for name in _TIMES}
        return Path(
            via=[hop.server for hop in hops[:-1]],
            requests=requests,
            requests_failed=int(sums["requests.failed"][place]),
            hops=hops,
            **times,
        )


class _Hops:
    """Connections between groups, each read once."""

    def __init__(self, paths: _Paths) -> None:
        self._paths = paths
        self._clients = paths.groups.of(paths.edges.clients)
        self._servers = paths.groups.of(paths.edges.servers)
        self._read: dict[tuple[int, int, int], Hop] = {}

    def of(self, nodes: list[int], server: int, port: int) -> list[Hop]:
        """Those from node to node, and the last one to a port of the server."""
        between = [self._hop(*pair, 0) for pair in pairwise(nodes)]
        return [*between, self._hop(nodes[-1], server, port)]

    def _hop(self, client: int, server: int, port: int) -> Hop:
        key = client, server, port
        if key not in self._read:
            self._read[key] = self._made(*key)
        return self._read[key]

    def _made(self, client: int, server: int, port: int) -> Hop:
        """:param port: 0: whatever it is, the one with most requests names the hop."""
        paths, edges = self._paths, self._paths.edges
        mine = (self._clients == client) & (self._servers == server)
        rows = np.flatnonzero(mine & ((edges.ports == port) | (port == 0)))
        busiest = rows[np.argmax(edges.measures["requests"][rows])] if len(rows) else None
        on = port if busiest is None else int(edges.ports[busiest])
        found = paths.folded.plain_edges(paths.window, edges.ids[rows])
        sums = found.measures.summed(np.zeros(len(found), np.int64), 1)
        rtt = [int(sums.quantiles("rtt_ns", share)[0]) for share in (0.5, 0.99)]
        groups = paths.groups
        return Hop(
            id=edge_id(int(groups.ids[client]), int(groups.ids[server]), on, _TCP),
            client=groups.names[client].key,
            server=groups.names[server].key,
            rtt_ns=Quantiles(*rtt) if rtt[0] else None,
            retransmits=int(sums["retransmitted_segments"][0]),
            sent=int(sums["sent_segments"][0]),
        )


def _rows_of(pairs: Pairs, rows: np.ndarray, paths: _Paths) -> np.ndarray:
    """Of each way the row of ``pairs`` that it is of, NOWHERE if that is not among ``rows``; shape (ways,)."""
    ways, groups = paths.ways, paths.groups
    mine = (
        groups.of(paths.endpoints.clients[ways.rows]),
        groups.of(ways.servers),
        ways.ports,
        ways.transports,
    )
    asked = (pairs.clients, pairs.servers, pairs.ports, pairs.transports)
    both = codes_of(*(np.concatenate((a[rows], b.astype(a.dtype))) for a, b in zip(asked, mine, strict=True)))
    row_of = np.full(int(both.max(initial=0)) + 1, NOWHERE, np.int64)
    row_of[both[: len(rows)]] = rows
    found: np.ndarray = row_of[both[len(rows) :]]
    return found
