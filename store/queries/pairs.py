"""Edges of one or two windows between groups, in columns; sums of what ranks them."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import numpy as np

from store.measures import Measures
from store.queries.groups import Groups
from store.queries.requested import counted_once
from store.queries.status import levels
from store.reading import Drops, Edges, Endpoints

_PORTS = 1 << 16
_TRANSPORTS = 1 << 8
#: What ranks and judges edges; the sums of other columns are made for those that are shown.
RANKING = (
    *("bytes", "reply_bytes", "connections.opened", "connections.failed"),
    *("retransmitted_segments", "sent_segments", "connections.closed.timed_out"),
    *("requests", "requests.failed", "dropped_segments", "datagrams"),
    *("datagrams.dropped", "queries", "queries.failed"),
)


class Detailed(Protocol):
    """Reads a window once more, with histograms."""

    @abstractmethod
    def __call__(self, ids: np.ndarray | None) -> Edges:
        """The edges of these ids; None: all."""

    @abstractmethod
    def endpoints(self, ids: np.ndarray | None) -> Endpoints:
        """The endpoints of the edges of these ids; None: of all."""

    @abstractmethod
    def drops(self, ids: np.ndarray | None) -> Drops:
        """Why packets of these edges were dropped; None: of all."""


#: Edges up to which they are named one by one.
_FEW: Final = 4096


@dataclass(frozen=True)
class Side:
    """One of the windows.

    :param edges: without histograms.
    :param pairs: the row of ``Pairs`` that each edge belongs to.
    :param detailed: reads some edges again (None: all) with their histograms.
    """

    edges: Edges
    pairs: np.ndarray
    detailed: Detailed

    def measures(self, rows: np.ndarray, count: int) -> Measures:
        """All sums and histograms of some pairs.

        :param rows: of ``Pairs``; ``count`` of these there are.
        """
        place, mine = self._of(rows, count)
        ids = self.edges.ids[mine]
        found = self.detailed(ids if len(ids) <= _FEW else None)
        return self._summed(found.measures, found.ids, place, mine, len(rows))

    def requests(self, rows: np.ndarray, count: int) -> Measures | None:
        """The same of their requests; None if they had none: nothing is read then."""
        place, mine = self._of(rows, count)
        if "requests" not in self.edges.measures.columns or not self.edges.measures["requests"][mine].any():
            return None
        mine = mine[self.edges.measures["requests"][mine] != 0]
        ids = self.edges.ids[mine]
        found = counted_once(self.detailed.endpoints(ids if len(ids) <= _FEW else None))
        return self._summed(found.measures, found.edges, place, mine, len(rows))

    def drops(self, rows: np.ndarray, count: int) -> tuple[np.ndarray, Drops] | None:
        """Why packets of them were dropped, and the place among ``rows`` of each; None if none was."""
        place, mine = self._of(rows, count)
        columns = self.edges.measures.columns
        mine = mine[columns["dropped_segments"][mine] != 0] if "dropped_segments" in columns else mine[:0]
        if not len(mine):
            return None
        ids = self.edges.ids[mine]
        found = self.detailed.drops(ids if len(ids) <= _FEW else None)
        at = np.minimum(np.searchsorted(ids, found.edges), len(ids) - 1)
        there = ids[at] == found.edges
        parts = {name: part[there] for name, part in found.parts.items()}
        mine = place[self.pairs[mine[at[there]]]]
        return mine, Drops(found.window, found.edges[there], parts, found.packets[there])

    def _of(self, rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The place of each pair among ``rows``, and the edges that belong to these."""
        place = np.full(count, -1, np.int64)
        place[rows] = np.arange(len(rows))
        return place, np.flatnonzero(place[self.pairs] >= 0)

    def _summed(
        self, found: Measures, edges: np.ndarray, place: np.ndarray, mine: np.ndarray, count: int
    ) -> Measures:
        """:param edges: the edge that each row of ``found`` is of."""
        ids = self.edges.ids[mine]
        at = np.searchsorted(ids, edges)
        there = np.flatnonzero(ids[np.minimum(at, len(ids) - 1)] == edges) if len(ids) else at[:0]
        return found.take(there).summed(place[self.pairs[mine[at[there]]]], count)


@dataclass(frozen=True)
class Pairs:
    """A row for each client group, server group, port and transport that has an edge in one of the windows.

    :param clients: numbers of groups; ``servers`` likewise; int64.
    """

    groups: Groups
    clients: np.ndarray
    servers: np.ndarray
    ports: np.ndarray
    transports: np.ndarray
    now: Side
    before: Side | None

    @classmethod
    def of(cls, windows: Sequence[tuple[Edges, Detailed]], groups: Groups) -> "Pairs":
        """Sums up edges by groups.

        :param windows: that which is asked for, and that which it is compared with, if any: each with what reads
            its edges again.
        """
        sides = [edges for edges, _ in windows]
        keys = np.concatenate([_keys(each, groups) for each in sides])
        held, numbers = np.unique(keys, return_inverse=True)
        rest, transports = np.divmod(held, _TRANSPORTS)
        rest, ports = np.divmod(rest, _PORTS)
        clients, servers = np.divmod(rest, max(1, len(groups)))
        return cls(
            groups,
            clients,
            servers,
            ports,
            transports,
            *_sides(windows, numbers),
        )

    def __len__(self) -> int:
        return len(self.clients)

    @cached_property
    def sums_now(self) -> "Sums":
        """Of the window."""
        return self._sums(self.now)

    @cached_property
    def sums_before(self) -> "Sums | None":
        """Of the window that it is compared with."""
        return None if self.before is None else self._sums(self.before)

    def _sums(self, side: Side) -> "Sums":
        count, columns = len(self), side.edges.measures.columns
        return Sums(
            {
                name: np.bincount(side.pairs, columns[name], count) if name in columns else np.zeros(count)
                for name in RANKING
            },
            np.bincount(side.pairs, minlength=count) > 0,
        )

    def edge_id(self, row: int) -> str:
        """``3>9:50051``."""
        client, server = (int(self.groups.ids[side[row]]) for side in (self.clients, self.servers))
        return edge_id(client, server, int(self.ports[row]), int(self.transports[row]))


@dataclass(frozen=True)
class Sums:
    """Sums of each row; floats, exact below 2 ** 53.

    :param columns: those of ``RANKING``.
    :param there: whether anything was in the window; bool.
    """

    columns: dict[str, np.ndarray]
    there: np.ndarray

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    @property
    def failed(self) -> np.ndarray:
        """Connects that failed."""
        return self["connections.failed"]

    @property
    def attempts(self) -> np.ndarray:
        """Connects with a known end."""
        sums: np.ndarray = self["connections.opened"] + self["connections.failed"]
        return sums

    @property
    def traffic(self) -> np.ndarray:
        """Bytes both ways."""
        sums: np.ndarray = self["bytes"] + self["reply_bytes"]
        return sums

    @cached_property
    def levels(self) -> np.ndarray:
        """How well each is (``store.queries.status``)."""
        return levels(
            self.failed,
            self.attempts,
            self["retransmitted_segments"],
            self["sent_segments"],
            self["connections.closed.timed_out"],
            self["requests.failed"],
            self["requests"],
            np.maximum(self["dropped_segments"], self["datagrams.dropped"]),
            self.sent,
            self["queries.failed"],
            self["queries"],
        )

    @property
    def sent(self) -> np.ndarray:
        """Packets of both ends: segments of TCP, datagrams of UDP."""
        sums: np.ndarray = self["sent_segments"] + self["datagrams"]
        return sums

    def added(self, groups: np.ndarray, count: int) -> "Sums":
        """The sums of groups of rows."""
        return Sums(
            {name: np.bincount(groups, column, count) for name, column in self.columns.items()},
            np.bincount(groups, self.there, count) > 0,
        )


_UDP = 17


def edge_id(client: int, server: int, port: int, transport: int) -> str:
    """``3>9:50051``: ids of groups, and the port."""
    return f"{client}>{server}:{port}{'/udp' if transport == _UDP else ''}"


def _sides(windows: Sequence[tuple[Edges, Detailed]], numbers: np.ndarray) -> tuple[Side, Side | None]:
    now, detailed = windows[0]
    first = Side(now, numbers[: len(now)], detailed)
    if len(windows) == 1:
        return first, None
    before, detailed = windows[1]
    return first, Side(before, numbers[len(now) :], detailed)


def _keys(edges: Edges, groups: Groups) -> np.ndarray:
    keys: np.ndarray = groups.of(edges.clients) * len(groups) + groups.of(edges.servers)
    keys = (keys * _PORTS + edges.ports.astype(np.int64)) * _TRANSPORTS
    return keys + edges.transports.astype(np.int64)
