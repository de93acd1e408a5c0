"""Request rows: what both ends of connections counted, put together by method, route, status and so on."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from actors.join.counted import Counted, durations_of, shared_columns
from actors.join.passed_on import PassedOn, fill_times, fill_via, with_passed
from actors.join.routes import NOT_FOUND, Routes, Service
from actors.workloads.ends import Ends
from model.arrays import Columns, Tables
from model.batch import Batch
from model.kinds.flow import SIDES
from model.kinds.request import GRPC, PROTOCOLS, REQUEST
from model.kinds.workload import Workload
from model.kinds.workload.names import WorkloadNames
from model.requests import Requests

#: Columns that say who a server is.
_SERVER: Final = ("server.entity.index", "server.process.comm", "server.address", "server.name.index")
_DURATIONS: Final = tuple(f"http.{side}.request.duration_ns.index" for side in SIDES)
#: What tells requests apart, by the bits of a key that it takes.
_BITS: Final = {"method": 4, "status": 10, "protocol": 2, "grpc_status": 8}
#: Version and system by protocol, as the probe numbers it.
_VERSIONS, _SYSTEMS = (
    np.array([PROTOCOLS.get(code, (b"", b""))[part] for code in range(256)], REQUEST.types[name])
    for part, name in enumerate(("network.protocol.version", "rpc.system"))
)


class RequestRows:
    """Makes rows of what ends counted.

    :param routes: names the routes of requests.
    """

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._names = WorkloadNames()

    def batch(
        self,
        head: Batch,
        flows: Columns,
        tables: Tables,
        entries: Counted,
        requests: Requests,
        passed: PassedOn | None = None,
    ) -> Batch:
        """The requests of some flows, in a batch like ``head``.

        :param flows: columns of flows.
        :param tables: what they point into.
        :param requests: from which the entries are.
        :param passed: what proxies passed on, whose rows are the last of the flows.
        """
        entries = with_passed(entries, passed, len(flows["connection.id"]))
        values = entries.columns
        services, service = self._services(head, flows, tables, entries.flow)
        names, route = self._named(values, requests.routes, services, service)
        hosts, host = _unified(requests.hosts)
        host = host[values["host"]]
        _, first, numbers = np.unique(_keys(entries, route, host), return_index=True, return_inverse=True)
        protocol = values["protocol"][first]
        columns = shared_columns(flows, entries.flow[first]) | {
            "network.protocol.version": _VERSIONS[protocol],
            "http.request.method": values["method"][first],
            "route.index": route[first],
            "host.index": host[first],
            "http.response.status_code": values["status"][first],
            "rpc.system": _SYSTEMS[protocol],
            "rpc.grpc.status_code": values["grpc_status"][first],
        }
        vias = fill_via(columns, len(flows["connection.id"]), entries.flow[first], passed)
        fill_times(columns, entries, numbers, len(first))
        _fill_counts(columns, entries, numbers, len(first))
        histograms = durations_of(columns, _DURATIONS, entries, numbers, len(first), requests.histograms)
        columns = {name: columns[name].astype(kind, copy=False) for name, kind in REQUEST.types.items()}
        used = {name: tables[name] for name in REQUEST.tables if name in tables}
        whole = {**used, "routes": names, "hosts": hosts, "vias": vias, "histograms": histograms}
        return replace(head, kind=REQUEST, columns=columns, tables=whole).compacted()

    def _services(
        self, head: Batch, flows: Columns, tables: Tables, rows: np.ndarray
    ) -> tuple[list[str], np.ndarray]:
        """The names of servers' workloads, and which one is at each of these rows; empty for mere addresses."""
        some, same = np.unique(rows, return_inverse=True)
        columns = {name: flows[name][some] for name in _SERVER}
        ends = Ends([replace(head, columns=columns, tables=tables)], "server", self._names)
        ids, numbers = np.unique(ends.ids, return_inverse=True)
        names, called = _unified(map(_service, ends.workloads(ids.tolist())))
        return names, called[numbers][same]

    def _named(
        self, values: Columns, paths: Sequence[str], services: Sequence[str], service: np.ndarray
    ) -> tuple[list[str], np.ndarray]:
        """The names of routes, the first empty, and which one each entry has.

        :param service: of each entry.
        """
        keys = (service * 2 + (values["protocol"] == GRPC)) * len(paths) + values["route"]
        different, same = np.unique(keys, return_inverse=True)
        requests, found = np.zeros((2, len(different)), np.int64)
        counts = values["requests"].astype(np.int64)
        np.add.at(requests, same, counts)
        np.add.at(found, same, np.where(values["status"] == NOT_FOUND, 0, counts))
        whose, path = np.divmod(different, len(paths))
        of = [Service(services[number // 2], bool(number % 2)) for number in whose.tolist()]
        routes = self._routes.names(of, [paths[place] for place in path.tolist()], requests, found)
        names, numbers = _unified(routes)
        return names, numbers[same]


def _service(workload: Workload) -> str:
    """Under which name its routes are learnt: that of all its instances, zones and versions."""
    if workload.kind == "address":
        return ""
    return f"{workload.namespace}/{workload.name}" if workload.namespace else workload.name


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
