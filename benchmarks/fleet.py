"""A made-up fleet: services in tiers with zones and versions; who calls whom, and how well. One seed, one fleet.

``boutique`` is a small one that people know; ``fleet`` has any number of workloads and edges. ``second`` makes the
rows of a second, as an engine would publish them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from model.batch import Batch
from model.histogram import Histograms
from model.kinds.workload import OTHER, WORKLOAD, Workload

#: Who calls whom in Google's demonstration shop.
_CALLS: Final = {
    "loadgenerator": ("frontend",),
    "istio-ingress": ("frontend",),
    "frontend": (
        *("adservice", "cartservice", "checkoutservice", "currencyservice", "productcatalogservice"),
        *("recommendationservice", "shippingservice"),
    ),
    "checkoutservice": (
        *("cartservice", "currencyservice", "emailservice", "paymentservice", "productcatalogservice"),
        "shippingservice",
    ),
    "recommendationservice": ("productcatalogservice",),
    "cartservice": ("redis-cart",),
    "paymentservice": ("203.0.113.7",),
    "emailservice": ("smtp.example.net",),
}
_PORTS: Final = {
    "frontend": 8080,
    "cartservice": 7070,
    "checkoutservice": 5050,
    "currencyservice": 7000,
    "productcatalogservice": 3550,
    "recommendationservice": 8080,
    "shippingservice": 50051,
    "adservice": 9555,
    "emailservice": 8080,
    "paymentservice": 50051,
    "redis-cart": 6379,
    "203.0.113.7": 443,
    "smtp.example.net": 587,
}
_ZONES: Final = {"checkoutservice": "ab", "currencyservice": "abc", "frontend": "ab"}
_VERSIONS: Final = {"checkoutservice": ("v2.11", "v2.12a"), "frontend": ("v1.16",)}
#: Shares of the services of each tier, and their names: edges lead to the tiers behind.
_TIERS: Final = (("edge", 0.02), ("web", 0.14), ("svc", 0.44), ("core", 0.25), ("db", 0.15))
#: Services that popular edges lead to are the first of their tier.
_POPULARITY: Final = 2.2
#: Round trips and connects in a second's histogram of an edge at most.
_VALUES: Final = 3


@dataclass(frozen=True)
class Fleet:
    """Who there is, and who talks to whom.

    :param workloads: the table of rows; the first is ``OTHER``.
    :param clients: places of workloads; shape (edges,); ``servers`` likewise.
    :param opens: connections a second that each edge tries, on average.
    :param failing: the share of these that fails.
    :param bytes_each: that a connection moves to the server.
    """

    workloads: Sequence[Workload]
    clients: np.ndarray
    servers: np.ndarray
    ports: np.ndarray
    opens: np.ndarray
    failing: np.ndarray
    bytes_each: np.ndarray

    def __len__(self) -> int:
        return len(self.clients)

    def edges(self, rows: np.ndarray) -> "Fleet":
        """The same workloads with some of the edges."""
        columns = ("clients", "servers", "ports", "opens", "failing", "bytes_each")
        return replace(self, **{name: getattr(self, name)[rows] for name in columns})

    def broken(self, version: str, share: float) -> "Fleet":
        """The same, but this share of connects to servers of a version fails."""
        bad = np.array([part.version == version for part in self.workloads])
        return replace(self, failing=np.where(bad[self.servers], share, self.failing))

    def without(self, name: str) -> "Fleet":
        """The same without the edges of a workload."""
        named = np.array([part.name == name for part in self.workloads])
        return self.edges(np.flatnonzero(~(named[self.clients] | named[self.servers])))


def boutique() -> Fleet:
    """Fourteen services; two with versions, three in several zones."""
    names = dict.fromkeys([*_CALLS, *(server for servers in _CALLS.values() for server in servers)])
    ends = {name: _placed(name) for name in names}
    table = [OTHER, *(part for parts in ends.values() for part in parts)]
    place = {part: number for number, part in enumerate(table)}
    edges = [
        (place[client], place[server], _PORTS[called])
        for caller, servers in _CALLS.items()
        for called in servers
        for client in ends[caller]
        for server in ends[called]
    ]
    clients, servers, ports = (np.array(column, np.int64) for column in zip(*edges, strict=True))
    count = len(edges)
    rate = 1.0 + np.arange(count) % 5
    return Fleet(table, clients, servers, ports, rate, np.zeros(count), 1000.0 * (1 + np.arange(count) % 7))


def _placed(name: str) -> list[Workload]:
    """A service in its zones and versions."""
    if "." in name:
        return [Workload(name, "domain" if name[-1].isalpha() else "address")]
    kind = "StatefulSet" if name.startswith("redis") else "Deployment"
    namespace = "ingress" if name == "istio-ingress" else "boutique"
    versions = _VERSIONS.get(name, ("v1",))
    zones = _ZONES.get(name, "a")
    return [Workload(name, kind, namespace, zone, version) for zone in zones for version in versions]


def fleet(workloads: int, edges: int, seed: int = 1) -> Fleet:
    """Any size: 300 services with 1,200 edges, 10,000 workloads with 100,000.

    :param workloads: services, each in one zone and version.
    """
    random = np.random.default_rng(seed)
    begins = np.concatenate(([0], np.cumsum([max(1, round(workloads * share)) for _, share in _TIERS])))
    begins[-1] = workloads
    tier = np.searchsorted(begins, np.arange(workloads), side="right") - 1
    namespaces = max(4, workloads // 25)
    table = [
        OTHER,
        *(
            Workload(
                f"{_TIERS[level][0]}-{number}",
                "StatefulSet" if level == len(_TIERS) - 1 else "Deployment",
                f"ns-{number * 7919 % namespaces}",
                "abc"[number % 3],
                f"v{1 + number % 4}",
            )
            for number, level in enumerate(tier.tolist())
        ),
    ]
    clients, servers = _calls(random, tier, begins, edges)
    count = len(clients)
    return Fleet(
        table,
        clients + 1,
        servers + 1,
        8000 + servers % 40,
        np.exp(random.normal(0, 1, count)),
        np.where(random.random(count) < 0.01, random.random(count) * 0.5, 0),
        np.exp(random.normal(8, 2, count)),
    )


def _calls(
    random: np.random.Generator, tier: np.ndarray, begins: np.ndarray, edges: int
) -> tuple[np.ndarray, np.ndarray]:
    """Different pairs, each from a tier to one behind it; few services are called by many."""
    last, workloads = len(_TIERS) - 1, int(begins[-1])
    found = np.zeros(0, np.int64)
    while len(found) < edges:
        clients = random.integers(0, begins[last], 2 * edges)
        behind = (
            tier[clients] + 1 + np.where(random.random(2 * edges) < 0.35, random.integers(0, 3, 2 * edges), 0)
        )
        behind = np.minimum(behind, last)
        width = begins[behind + 1] - begins[behind]
        servers = begins[behind] + (width * random.random(2 * edges) ** _POPULARITY).astype(np.int64)
        found = np.unique(np.concatenate((found, clients * workloads + servers)))
    found = np.sort(random.permutation(found)[:edges])
    return np.divmod(found, workloads)


def second(made: Fleet, window: int, seq: int = 0, node: str = "engine", boot: str = "boot-1") -> Batch:
    """The rows of one second; edges without a connection in it have none. The same for the same second."""
    random = np.random.default_rng((window, 7))
    attempts = random.poisson(made.opens)
    failed = random.binomial(attempts, made.failing)
    rows = np.flatnonzero(attempts)
    columns = WORKLOAD.empty(len(rows))
    opened = (attempts - failed)[rows]
    columns["client.workload.index"][:] = made.clients[rows]
    columns["server.workload.index"][:] = made.servers[rows]
    columns["server.port"][:] = made.ports[rows]
    columns["network.transport"][:] = 6
    columns["bytes"][:] = opened * made.bytes_each[rows]
    columns["reply_bytes"][:] = opened * made.bytes_each[rows] * 2
    columns["sent_segments"][:] = opened * 12
    columns["connections.active"][:] = opened
    columns["connections.opened"][:] = opened
    columns["connections.closed"][:] = opened
    columns["connections.failed"][:] = failed[rows]
    columns["connections.failed.refused"][:] = failed[rows]
    columns["evidence.both"][:] = attempts[rows]
    histograms = _times(random, columns, len(rows), made.servers[rows])
    return Batch(
        WORKLOAD,
        node,
        boot,
        seq,
        window,
        columns,
        {"workloads": list(made.workloads), "histograms": histograms},
    )


def _times(
    random: np.random.Generator, columns: dict[str, np.ndarray], rows: int, servers: np.ndarray
) -> Histograms:
    """Round trips and connects: some values an edge, around one that each server has."""
    usual = 100_000 * (1 + servers % 10)
    values = (usual[:, None] * np.exp(random.normal(0, 0.4, (rows, 2 * _VALUES)))).astype(np.int64)
    numbers = np.arange(1, rows + 1)
    parts = []
    for place, measure in enumerate(("rtt_ns", "connect_latency_ns")):
        mine = values[:, place * _VALUES : (place + 1) * _VALUES]
        columns[f"{measure}.index"][:] = numbers + place * rows
        columns[f"{measure}.sum"][:] = mine.sum(axis=1)
        parts.append((np.repeat(numbers + place * rows, _VALUES), mine.reshape(-1)))
    indexes, each = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Histograms.of(indexes, each, 2 * rows + 1)
