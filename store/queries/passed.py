"""Ways through proxies: from who asked first to who answered, over the proxies between them. Pure.

A row of endpoints with a proxy's name says: this client asked the proxy, and that server answered. Where the server
is a proxy itself, and all that it passed on of such requests went to one server, that is the end of the way. Where it
cannot be told which of several it was, the way ends at the proxy. A proxy of whose connections something is in no
way, such as what it answered by itself, or tried in vain, is none that ways lead through: it stays to be seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from store.ids import mixed_ids
from store.queries.groups import workload_key
from store.reading import Edges, Endpoints, Workloads

#: Proxies on one way at most.
_MOST: Final = 4
#: Of the requests of a connection: so many are linked, or it stays as it is.
_LINKED: Final = 0.9
NOWHERE: Final = -1
#: Tells the ids of such edges from those of connections.
_SALT: Final = 0x5EED_0F_3A7


@dataclass(frozen=True)
class Ways:
    """A row for each row of endpoints that a proxy passed on and whose way begins at no other proxy.

    :param rows: of the endpoints; shape (n,).
    :param servers: ids of the workloads that answered, ``ports`` and ``transports`` likewise.
    :param proxies: ids of the workloads between, from the client on; NOWHERE behind the last; shape (n, 4).
    :param edges: an id for each pair of client and server, which is none of a connection.
    :param told: ids of the edges whose requests are in ways, ascending: those to a proxy, and those from one.
    :param hidden: of these, those of which nothing else is to be seen: all their connects were established.
    """

    rows: np.ndarray
    servers: np.ndarray
    ports: np.ndarray
    transports: np.ndarray
    proxies: np.ndarray
    edges: np.ndarray
    told: np.ndarray
    hidden: np.ndarray


@dataclass(frozen=True)
class _Steps:
    """Rows that a proxy passed on: from whom, by which proxy, to whom."""

    rows: np.ndarray
    clients: np.ndarray
    proxies: np.ndarray
    servers: np.ndarray
    ports: np.ndarray
    transports: np.ndarray
    kinds: np.ndarray  # of the request: equal where method and route are
    requests: np.ndarray

    def take(self, mask: np.ndarray) -> "_Steps":
        """Some of them."""
        return _Steps(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


def ways_of(endpoints: Endpoints, edges: Edges, workloads: Workloads) -> Ways:
    """Finds them out.

    :param edges: of the same window, with their requests and failures.
    """
    steps = _steps(endpoints, edges, workloads)
    hops = _Hops(steps, endpoints, edges)
    steps = steps.take(~np.isin(steps.proxies, hops.open_proxies()))
    first = np.flatnonzero(~_inner(steps))
    at, proxies = first.copy(), np.full((len(first), _MOST), NOWHERE, np.int64)
    proxies[:, 0] = steps.proxies[first]
    following = _following(steps)
    for place in range(1, _MOST):
        then = np.where(at >= 0, following[at], NOWHERE)
        on = np.flatnonzero((then >= 0) & (proxies[:, place - 1] != NOWHERE))
        proxies[on, place] = steps.proxies[then[on]]
        at[on] = then[on]
    servers, ports, transports = steps.servers[at], steps.ports[at], steps.transports[at]
    short = ports.astype(np.uint64) << np.uint64(8) | transports.astype(np.uint64)
    ids = mixed_ids(steps.clients[first], servers, short, np.full(len(first), _SALT, np.uint64))
    told = _Hops(steps, endpoints, edges).told()
    hidden = edges.ids[told & (edges.measures["connections.failed"] == 0)]
    return Ways(steps.rows[first], servers, ports, transports, proxies, ids, edges.ids[told], hidden)


def _steps(endpoints: Endpoints, edges: Edges, workloads: Workloads) -> _Steps:
    """Those whose proxy is known: its name is that of one workload that the client asked."""
    rows = np.flatnonzero(endpoints.parts["via"] != "")
    clients, names = endpoints.clients[rows], endpoints.parts["via"][rows].astype(str)
    proxies = _proxies(clients, names, edges, workloads)
    known = proxies != NOWHERE
    rows = rows[known]
    kinds = codes_of(endpoints.parts["method"][rows].astype(str), endpoints.parts["route"][rows].astype(str))
    return _Steps(
        rows,
        clients[known],
        proxies[known],
        endpoints.servers[rows],
        endpoints.ports[rows],
        endpoints.transports[rows],
        kinds,
        endpoints.measures["requests"][rows].astype(np.int64),
    )


def _proxies(clients: np.ndarray, names: np.ndarray, edges: Edges, workloads: Workloads) -> np.ndarray:
    """The workload of each name that the client had a connection to; NOWHERE if there is none, or more than one."""
    different, of_rows = np.unique(names, return_inverse=True)
    numbers = {name: number for number, name in enumerate(different.tolist())}
    keys = [numbers.get(workload_key(part), NOWHERE) for part in workloads.parts]
    named = np.array([*keys, NOWHERE], np.int64)[workloads.rows(edges.servers)] if len(edges) else of_rows[:0]
    called = np.flatnonzero(named != NOWHERE)
    pairs = np.unique(np.stack((edges.clients[called], named[called], edges.servers[called]), axis=1), axis=0)
    found = np.full(len(clients), NOWHERE, np.int64)
    if not len(pairs) or not len(clients):
        return found
    asked = codes_of(
        np.concatenate((pairs[:, 0], clients)), np.concatenate((pairs[:, 1], of_rows.astype(np.int64)))
    )
    held, wanted = asked[: len(pairs)], asked[len(pairs) :]
    counts = np.bincount(held, minlength=int(asked.max()) + 1)
    one = np.full(len(counts), NOWHERE, np.int64)
    one[held] = pairs[:, 2]
    found[:] = np.where(counts[wanted] == 1, one[wanted], NOWHERE)
    return found


def codes_of(*columns: np.ndarray) -> np.ndarray:
    """A number for each row, equal where all columns are; shape (n,), int64."""
    codes = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        _, same = np.unique(column, return_inverse=True)
        _, codes = np.unique(codes * (int(same.max(initial=0)) + 1) + same, return_inverse=True)
    return codes


def _inner(steps: _Steps) -> np.ndarray:
    """Which rows go on where another one ended: their client is a proxy that passed on what they are of."""
    count = len(steps.rows)
    both = codes_of(
        np.concatenate((steps.proxies, steps.clients)), np.concatenate((steps.servers, steps.proxies))
    )
    came, went = both[:count], both[count:]
    size = int(both.max(initial=0)) + 1
    linked, asked = (np.bincount(codes, steps.requests, size) for codes in (came, went))
    inner: np.ndarray = (linked[went] > 0) & (linked[went] >= _LINKED * asked[went])
    return inner


def _following(steps: _Steps) -> np.ndarray:
    """Of each row one that says where its server, a proxy, passed such requests on; NOWHERE where several may be."""
    count = len(steps.rows)
    found = np.full(count, NOWHERE, np.int64)
    if not count:
        return found
    both = codes_of(
        np.concatenate((steps.proxies, steps.clients)),
        np.concatenate((steps.servers, steps.proxies)),
        np.concatenate((steps.kinds, steps.kinds)),
    )
    came, went = both[:count], both[count:]
    ends = codes_of(steps.servers, steps.ports, steps.transports)
    size = int(both.max()) + 1
    pairs = np.unique(np.stack((went, ends), axis=1), axis=0)
    single = np.bincount(pairs[:, 0], minlength=size) == 1
    one = np.full(size, NOWHERE, np.int64)
    one[went] = np.arange(count)
    found[:] = np.where(single[came], one[came], NOWHERE)
    return found


class _Hops:
    """The edges to proxies and from them, and which of them are told by steps alone."""

    def __init__(self, steps: _Steps, endpoints: Endpoints, edges: Edges) -> None:
        self._edges = edges
        failed = endpoints.measures["requests.failed"][steps.rows].astype(np.int64)
        to = ((edges.clients, steps.clients), (edges.servers, steps.proxies))
        on = ((edges.clients, steps.proxies), (edges.servers, steps.servers), (edges.ports, steps.ports))
        #: Of each edge: whether it has linked requests, to its server or from its client, and whether all are linked.
        self._to, self._to_told = self._linked(to, steps.requests, failed)
        self._on, self._on_told = self._linked(on, steps.requests, failed)

    def _linked(
        self, ends: Sequence[tuple[np.ndarray, np.ndarray]], requests: np.ndarray, failed: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        edges = self._edges
        codes = codes_of(*(np.concatenate(each) for each in ends))
        mine, of_steps = codes[: len(edges)], codes[len(edges) :]
        size = int(codes.max(initial=0)) + 1
        linked, bad = (np.bincount(of_steps, values, size) for values in (requests, failed))
        asked, wrong = (
            np.bincount(mine, edges.measures[name], size) for name in ("requests", "requests.failed")
        )
        told = (linked >= _LINKED * asked) & (wrong <= bad)
        return (linked > 0)[mine], told[mine]

    def open_proxies(self) -> np.ndarray:
        """Ids of those that have an edge with requests of which some are linked, and others are not."""
        edges = self._edges
        to, on = edges.servers[self._to & ~self._to_told], edges.clients[self._on & ~self._on_told]
        return np.unique(np.concatenate((to, on)))

    def told(self) -> np.ndarray:
        """Which edges these are; bool."""
        told: np.ndarray = self._to | self._on
        return told
