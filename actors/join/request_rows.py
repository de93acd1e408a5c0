"""Request rows: what both ends of connections counted, put together by method, route, status and so on."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from actors.join.counted import Counted
from actors.join.routes import Routes
from model.arrays import Columns, Tables
from model.batch import Batch
from model.histogram import Histograms
from model.kinds.flow import SIDES
from model.kinds.request import ENDS, PROTOCOLS, REQUEST, SHARED
from model.requests import Requests

#: What tells requests apart, by the bits of a key that it takes.
_BITS: Final = {"method": 4, "status": 10, "protocol": 2, "grpc_status": 8}
#: Version and system by protocol, as the probe numbers it.
_VERSIONS, _SYSTEMS = (
    np.array([PROTOCOLS.get(code, (b"", b""))[part] for code in range(256)], REQUEST.types[name])
    for part, name in enumerate(("network.protocol.version", "rpc.system"))
)


def request_batch(
    head: Batch, flows: Columns, tables: Tables, entries: Counted, requests: Requests, routes: Routes
) -> Batch:
    """The requests of some flows, in a batch like ``head``.

    :param flows: columns of flows.
    :param tables: what they point into.
    :param requests: from which the entries are.
    """
    values = entries.columns
    names, route = _routes(values, requests, routes)
    hosts, host = _unified(requests.hosts)
    host = host[values["host"]]
    _, first, numbers = np.unique(_keys(entries, route, host), return_index=True, return_inverse=True)
    protocol = values["protocol"][first]
    columns = _of_flows(flows, entries.flow[first]) | {
        "network.protocol.version": _VERSIONS[protocol],
        "http.request.method": values["method"][first],
        "route.index": route[first],
        "host.index": host[first],
        "http.response.status_code": values["status"][first],
        "rpc.system": _SYSTEMS[protocol],
        "rpc.grpc.status_code": values["grpc_status"][first],
        "via.index": np.zeros(len(first), np.uint32),
    }
    _fill_counts(columns, entries, numbers, len(first))
    histograms = _fill_durations(columns, entries, numbers, len(first), requests.histograms)
    columns = {name: columns[name].astype(kind, copy=False) for name, kind in REQUEST.types.items()}
    used = {name: tables[name] for name in REQUEST.tables if name in tables}
    whole = {**used, "routes": names, "hosts": hosts, "histograms": histograms}
    return replace(head, kind=REQUEST, columns=columns, tables=whole).compacted()


def _routes(values: Columns, requests: Requests, routes: Routes) -> tuple[list[str], np.ndarray]:
    """The names of routes, the first empty, and which one each entry has."""
    count = len(requests.routes)
    seen = np.bincount(values["route"], values["requests"], minlength=count).astype(np.int64)
    routes.learn(requests.routes, seen.tolist())
    names, numbers = _unified(map(routes.name, requests.routes))
    return names, numbers[values["route"]]


def _unified(texts: Iterable[str]) -> tuple[list[str], np.ndarray]:
    """The texts that are different, the first empty, and which of these each one is."""
    different = {"": 0}
    numbers = [different.setdefault(text, len(different)) for text in texts]
    return [*different], np.array(numbers, np.int64)


def _keys(entries: Counted, route: np.ndarray, host: np.ndarray) -> np.ndarray:
    """A number for each entry; those of one row have the same."""
    keys = route * (int(host.max(initial=0)) + 1) + host
    for name, bits in _BITS.items():
        keys = (keys << bits) + entries.columns[name]
    keys = np.unique(keys, return_inverse=True)[1]
    found: np.ndarray = entries.flow * (int(keys.max(initial=0)) + 1) + keys
    return found


def _of_flows(flows: Columns, rows: np.ndarray) -> Columns:
    names = (*SHARED, *(f"{side}.{name}" for side in SIDES for name in ENDS))
    return {name: flows[name].take(rows) for name in names}


def _fill_counts(columns: Columns, entries: Counted, numbers: np.ndarray, count: int) -> None:
    """How many there were, and what each end counted."""
    values = entries.columns
    for side, name in enumerate(SIDES):
        mine = entries.side == side
        for said, of in (
            (f"{name}.requests", "requests"),
            (f"http.{name}.request.duration_ns.sum", "latency_ns"),
        ):
            columns[said] = np.zeros(count, np.uint64)
            np.add.at(columns[said], numbers[mine], values[of][mine])
    columns["requests"] = entries.sums(values["requests"], numbers, count)
    failed = np.where(entries.failed, values["requests"], np.uint64(0))
    columns["requests.failed"] = entries.sums(failed, numbers, count)
    for what in ("request", "response"):
        columns[f"http.{what}.bytes"] = entries.sums(values[f"{what}_bytes"], numbers, count)


def _fill_durations(
    columns: Columns, entries: Counted, numbers: np.ndarray, count: int, table: Histograms
) -> Histograms:
    """Histograms of each row and end; returns the table of them."""
    groups = np.zeros(len(table), np.int64)
    groups[entries.columns["histogram"]] = numbers + 1 + entries.side * count
    groups[0] = 0
    summed = table.summed(groups, 2 * count + 1)
    held = np.diff(summed.begins) != 0
    for side, name in enumerate(SIDES):
        places = np.arange(1, count + 1) + side * count
        columns[f"http.{name}.request.duration_ns.index"] = np.where(held[places], places, 0)
    return summed
