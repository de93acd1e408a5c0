"""Made-up seconds of requests, and their sums row by row: the truth that a store is held to."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from model.arrays import Columns
from model.batch import Batch
from model.histogram import Histograms
from model.kinds.endpoint import ENDPOINT
from model.kinds.request import HttpMethod, Via
from store.measures import ENDPOINT_PARTS, REQUEST_MEASURES, REQUEST_SUMS, Measures
from store.reading import Endpoints, Store, Window
from tests.unit.store.segments.made import ENDS

ROUTES: Final = ["", "/", "/orders/*", "/cart.Cart/Add"]
HOSTS: Final = ["", "shop.example"]
VIAS: Final = [Via(), Via("shop/envoy", "orders")]
#: Where the texts of rows stand.
_INDEXES: Final = {
    "client": "client.workload.index",
    "server": "server.workload.index",
    "route": "route.index",
    "host": "host.index",
    "via": "via.index",
}
_SHORT: Final = {
    "port": "server.port",
    "method": "http.request.method",
    "status": "http.response.status_code",
    "grpc": "rpc.grpc.status_code",
    "late": "window.late_s",
}
#: Who, and of what.
Named = tuple[Any, ...]


def requests(window: int, rows: Iterable[dict[str, int]], seq: int, boot: str = "boot-1") -> Batch:
    """A batch; a row names columns, places in the tables above, and ``ns``: what one request took at each end."""
    rows = list(rows)
    columns = ENDPOINT.empty(len(rows))
    columns["network.transport"][:] = 6
    columns["network.protocol.version"][:] = b"1.1"
    columns["rpc.grpc.status_code"][:] = 255
    for place, row in enumerate(rows):
        for name, value in row.items():
            if name != "ns":
                columns[{**_INDEXES, **_SHORT}.get(name, name)][place] = value
        if row.get("grpc", 255) != 255:
            columns["network.protocol.version"][place] = b"2"
            columns["rpc.system"][place] = b"grpc"
    took = np.array([row.get("ns", 0) for row in rows], np.uint64)
    for measure in REQUEST_MEASURES:
        columns[f"{measure}.sum"][:] = took
        columns[f"{measure}.index"][:] = np.where(took != 0, np.arange(1, len(rows) + 1), 0)
    tables = {
        "workloads": ENDS,
        "routes": ROUTES,
        "hosts": HOSTS,
        "vias": VIAS,
        "histograms": Histograms.of(np.arange(1, len(rows) + 1), took, len(rows) + 1),
    }
    return Batch(ENDPOINT, "engine", boot, seq, window, columns, tables)


@dataclass
class RequestTruth:
    """Sums by second and endpoint, row by row; the names of histograms stand beside those of sums."""

    sums: dict[tuple[int, Named], Counter[Any]] = field(default_factory=dict)

    def add(self, batch: Batch) -> None:
        """Count a batch."""
        columns = {name: column.tolist() for name, column in batch.columns.items()}
        for row in range(len(batch)):
            at = batch.window - columns["window.late_s"][row]
            sums: Counter[Any] = Counter({name: columns[name][row] for name in REQUEST_SUMS})
            for measure in REQUEST_MEASURES:
                held = batch.tables["histograms"][columns[f"{measure}.index"][row]].counts
                sums.update({(measure, bucket): count for bucket, count in held.items()})
            self.sums.setdefault((at, _named(columns, row, batch.tables)), Counter()).update(sums)

    def of(self, window: Window) -> dict[Named, Counter[Any]]:
        """The sums of a window, and the first and last second of each."""
        found: dict[Named, Counter[Any]] = {}
        for (at, named), sums in sorted(self.sums.items(), key=lambda each: each[0][0]):
            if window.from_s <= at < window.to_s:
                mine = found.setdefault(named, Counter({"first_s": at}))
                mine.update(sums)
                mine["last_s"] = at
        return found


def _named(columns: dict[str, list[Any]], row: int, tables: Mapping[str, Any]) -> Named:
    ends, via = tables["workloads"], tables["vias"][columns["via.index"][row]]
    method = columns["http.request.method"][row]
    return (
        ends[columns["client.workload.index"][row]],
        ends[columns["server.workload.index"][row]],
        columns["server.port"][row],
        columns["network.protocol.version"][row].decode(),
        HttpMethod(method).name if method else "",
        ROUTES[columns["route.index"][row]],
        HOSTS[columns["host.index"][row]],
        columns["http.response.status_code"][row],
        columns["rpc.system"][row].decode(),
        columns["rpc.grpc.status_code"][row],
        *via,
    )


def names_of(store: Store, answer: Endpoints) -> list[Named]:
    """Who and of what each row is."""
    workloads = store.workloads()
    clients, servers = (workloads.rows(ids).tolist() for ids in (answer.clients, answer.servers))
    parts = [answer.parts[name].tolist() for name in ENDPOINT_PARTS]
    ends = (
        (workloads.parts[client], workloads.parts[server])
        for client, server in zip(clients, servers, strict=True)
    )
    return [
        (*both, port, *rest) for both, port, *rest in zip(ends, answer.ports.tolist(), *parts, strict=True)
    ]


def sums_of(measures: Any, row: int, times: bool = True) -> Counter[Any]:
    """A row of an answer, as ``RequestTruth`` has it."""
    names = (*REQUEST_SUMS, *(("first_s", "last_s") if times else ()))
    found: Counter[Any] = Counter({name: int(measures[name][row]) for name in names})
    for measure in REQUEST_MEASURES:
        held = measures.histograms[int(measures[f"{measure}.index"][row])].counts
        found.update({(measure, bucket): count for bucket, count in held.items()})
    return found


def merged(rows: Sequence[Counter[Any]]) -> Measures:
    """Sums of ``RequestTruth`` as an answer has them."""
    columns: Columns = {
        name: np.array([row[name] for row in rows], np.uint64 if name in REQUEST_SUMS else np.int64)
        for name in (*REQUEST_SUMS, "first_s", "last_s")
    }
    begins, buckets, counts = [0, 0], [], []
    for measure in REQUEST_MEASURES:
        places = []
        for row in rows:
            held = sorted((name[1], count) for name, count in row.items() if name[0] == measure)
            places.append(len(begins) - 1 if held else 0)
            if held:
                buckets += [bucket for bucket, _ in held]
                counts += [count for _, count in held]
                begins.append(len(buckets))
        columns[f"{measure}.index"] = np.array(places, np.uint32)
    table = Histograms(np.array(begins, np.int64), np.array(buckets, np.int64), np.array(counts, np.int64))
    return Measures(columns, table)
