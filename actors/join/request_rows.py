"""Request rows: what both ends of each connection counted, put together by method, route and status."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from actors.join.routes import Routes
from model.arrays import Array, Columns, Tables
from model.batch import Batch
from model.histogram import Histograms
from model.kinds.flow import SIDES, FlowEvidence
from model.kinds.request import ENDS, REQUEST, SERVER_ERRORS, SHARED
from model.requests import Requests

#: Columns that the joiner carries beside those of flows: groups of requests of the clients, of the servers.
GROUPS: Final = tuple(f"{side}.requests.index" for side in SIDES)
#: Bits of a key: method, status.
_METHOD_BITS, _STATUS_BITS = 4, 10


@dataclass(frozen=True)
class _Entries:
    """What ends counted, one entry for each kind of request of each end.

    :param flow: the row of its flow; shape (n,), as all others.
    :param side: 0 client, 1 server.
    :param columns: ``model.requests.TYPES``.
    """

    flow: np.ndarray
    side: np.ndarray
    columns: Columns


def request_batch(head: Batch, flows: Columns, tables: Tables, requests: Requests, routes: Routes) -> Batch:
    """The requests of some flows, in a batch like ``head``.

    :param flows: columns of flows, and ``GROUPS``.
    :param tables: what they point into.
    """
    entries = _entries(flows, requests)
    texts, route = _routes(entries, requests, routes)
    _, first, numbers = np.unique(_keys(entries, route), return_index=True, return_inverse=True)
    columns = _of_flows(flows, entries.flow[first])
    columns |= {
        "http.request.method": entries.columns["method"][first],
        "http.response.status_code": entries.columns["status"][first],
        "route.index": route[first],
    }
    count = len(first)
    _fill_counts(columns, entries, numbers, count)
    histograms = _fill_durations(columns, entries, numbers, count, requests.histograms)
    columns = {name: columns[name].astype(kind, copy=False) for name, kind in REQUEST.types.items()}
    used = {name: tables[name] for name in REQUEST.tables if name in tables}
    whole = {**used, "routes": texts, "histograms": histograms}
    return replace(head, kind=REQUEST, columns=columns, tables=whole).compacted()


def _entries(flows: Columns, requests: Requests) -> _Entries:
    rows, sides, places = [], [], []
    for side, name in enumerate(GROUPS):
        held = np.flatnonzero(flows[name])
        found, lengths = requests.places(flows[name][held])
        rows.append(np.repeat(held, lengths))
        sides.append(np.full(len(found), side, np.int64))
        places.append(found)
    whole = np.concatenate(places)
    columns = {name: column[whole] for name, column in requests.columns.items()}
    return _Entries(np.concatenate(rows), np.concatenate(sides), columns)


def _routes(entries: _Entries, requests: Requests, routes: Routes) -> tuple[list[str], np.ndarray]:
    """The names of routes, the first empty, and which one each entry has."""
    count = len(requests.routes)
    seen = np.bincount(entries.columns["route"], entries.columns["requests"], minlength=count).astype(
        np.int64
    )
    routes.learn(requests.routes, seen.tolist())
    texts = {"": 0}
    numbers = [texts.setdefault(routes.name(path), len(texts)) for path in requests.routes]
    return [*texts], np.array(numbers, np.int64)[entries.columns["route"]]


def _keys(entries: _Entries, route: np.ndarray) -> np.ndarray:
    keys = entries.flow * (int(route.max(initial=0)) + 1) + route
    keys = (keys << _METHOD_BITS) + entries.columns["method"]
    found: np.ndarray = (keys << _STATUS_BITS) + entries.columns["status"]
    return found


def _of_flows(flows: Columns, rows: np.ndarray) -> Columns:
    names = (*SHARED, *(f"{side}.{name}" for side in SIDES for name in ENDS))
    return {name: flows[name].take(rows) for name in names}


def _sums(values: Array, numbers: np.ndarray, count: int) -> np.ndarray:
    sums = np.zeros(count, np.uint64)
    np.add.at(sums, numbers, values)
    return sums


def _fill_counts(columns: Columns, entries: _Entries, numbers: np.ndarray, count: int) -> None:
    """How many each end counted, and how many there were."""
    for side, name in enumerate(SIDES):
        mine = entries.side == side
        columns[f"{name}.requests"] = _sums(entries.columns["requests"][mine], numbers[mine], count)
        latency = _sums(entries.columns["latency_ns"][mine], numbers[mine], count)
        columns[f"http.{name}.request.duration_ns.sum"] = latency
    client, server = (columns[f"{name}.requests"].astype(np.uint64) for name in SIDES)
    clients = (columns["evidence"] == FlowEvidence.BOTH) | (client != 0)
    columns["requests"] = requests = np.where(clients, client, server)
    status = columns["http.response.status_code"]
    failed = (status == 0) | np.greater_equal(status, SERVER_ERRORS)
    columns["requests.failed"] = np.where(failed, requests, np.uint64(0))


def _fill_durations(
    columns: Columns, entries: _Entries, numbers: np.ndarray, count: int, table: Histograms
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
