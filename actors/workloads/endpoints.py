"""Requests of a window summed up by who asked whom for what: workloads, port, method, route, status."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from actors.items import Window
from actors.workloads.ends import MOST, Ends, joined, one_table
from actors.workloads.pairs import Pairs
from model.actor import Actor
from model.arrays import Columns
from model.batch import Batch
from model.dictionary import Dictionary
from model.histogram import Histograms
from model.kinds.endpoint import ENDPOINT
from model.kinds.flow import SIDES
from model.kinds.request import ALIKE, COUNTS, REQUEST, VIA_TIMES
from model.kinds.request import OTHER as OTHER_ROUTE
from model.kinds.workload import EVIDENCE, OTHER
from model.kinds.workload.names import WorkloadNames
from model.ledger import Ledger
from model.requests import NO_GRPC_STATUS

#: Rows of one window at most, beside those of kind ``other``.
ENDPOINTS: Final = 20_000

_TABLES: Final = ("routes", "hosts", "vias")
#: Columns that tell requests apart and point into no table, beside those of ``_TABLES`` and of ends.
_PLAIN: Final = (
    *("network.transport", "window.late_s", "server.port"),
    *(column.name for column in ALIKE if not column.table),
)
_MEASURES: Final = tuple(f"http.{side}.request.duration_ns" for side in SIDES)
_SUMMED: Final = (
    *(column.name for column in (*COUNTS, *VIA_TIMES)),
    *(f"{measure}.sum" for measure in _MEASURES),
)


@dataclass(frozen=True)
class _Window:
    """The rows of all batches of a window.

    :param tables: ``_TABLES``; columns that point into them are those of ``columns``.
    """

    columns: Columns
    tables: dict[str, list[Any]]
    ends: tuple[Ends, Ends]

    def groups(self) -> Pairs:
        """Rows that differ in nothing but numbers."""
        client, server = self.ends
        keys = client.ids * len(server) + server.ids
        for name in (*_PLAIN, *(f"{table[:-1]}.index" for table in _TABLES)):
            numbers = np.unique(self.columns[name], return_inverse=True)[1]
            count = int(numbers.max(initial=0)) + 1
            if count > 1:
                keys = np.unique(keys * count + numbers, return_inverse=True)[1]
        return Pairs.of(keys)


class Endpoints(Actor):
    """Sums request rows up; keeps nothing of a window. Pure: windows in, with the endpoints of their requests out.

    :param endpoints: of one window at most; what is beyond is summed up by status.
    :param names: as for workloads.
    """

    def __init__(
        self, ledger: Ledger, endpoints: int = ENDPOINTS, names: WorkloadNames | None = None
    ) -> None:
        self._stage = ledger.stage("endpoints", "rows")
        self._limit = endpoints
        self._names = names or WorkloadNames()

    def handle(self, item: Any) -> Iterator[Any]:
        """A window with the endpoints of its requests, which stay in it."""
        match item:
            case Window():
                requests = [batch for batch in item.batches if batch.kind is REQUEST]
                yield replace(item, batches=(*item.batches, *self.of(requests)))
            case _:
                yield item

    def of(self, requests: Sequence[Batch]) -> list[Batch]:
        """The endpoints of one publication of a window; numbers of batches are those of the requests, never fewer."""
        rows = sum(map(len, requests))
        self._stage.received += rows
        made = list(self.summed(requests).chunked()) if requests else []
        self._stage.delivered += rows
        return made

    def summed(self, requests: Sequence[Batch]) -> Batch:
        """All in one batch; at least one of requests."""
        window = _window(requests, self._names)
        groups = window.groups()
        rest = self._beyond(groups, window.columns)
        others = rest
        if rest.any():
            count = len(groups)
            groups = groups.folded(rest, _kinds(window.columns))
            others = np.arange(len(groups)) >= count - int(np.count_nonzero(rest))
        columns = ENDPOINT.empty(len(groups))
        tables: dict[str, Any] = dict(window.tables)
        _fill_alike(columns, window, groups, others)
        tables["workloads"] = _fill_ends(columns, window, groups, others)
        _fill_sums(columns, window.columns, groups)
        tables["histograms"] = _fill_durations(columns, requests, groups)
        columns = {name: columns[name].astype(kind, copy=False) for name, kind in ENDPOINT.types.items()}
        first = requests[0]
        whole = Batch(ENDPOINT, first.node, first.boot, first.seq, first.window, columns, tables)
        return whole.compacted()

    def _beyond(self, groups: Pairs, columns: Columns) -> np.ndarray:
        """Those without a row of their own: with the fewest requests; bool."""
        rest = np.zeros(len(groups), np.bool_)
        if len(groups) > self._limit:
            order = np.argsort(groups.sums(columns["requests"]), kind="stable")
            rest[order[: len(groups) - self._limit]] = True
            self._stage.note("endpoints_folded", int(np.count_nonzero(rest)))
            self._stage.note("rows_folded", int(np.count_nonzero(rest[groups.numbers])))
        return rest


def _window(requests: Sequence[Batch], names: WorkloadNames) -> _Window:
    used = (*_PLAIN, "evidence", *_SUMMED)
    columns = {name: joined(requests, name) for name in dict.fromkeys(used)}
    tables = {}
    for table in _TABLES:
        index = f"{table[:-1]}.index"
        tables[table], columns[index] = one_table(requests, table, index)
        if table == "routes" and OTHER_ROUTE not in tables[table]:
            tables[table].append(OTHER_ROUTE)
    client, server = (Ends(requests, side, names) for side in SIDES)
    return _Window(columns, tables, (client, server))


def _kinds(columns: Columns) -> np.ndarray:
    """Which rows, beyond the limit, are one: of the same transport, second and status."""
    keys = columns["window.late_s"].astype(np.int64) << 8
    keys |= columns["network.transport"].astype(np.int64)
    keys <<= 16
    keys |= columns["http.response.status_code"].astype(np.int64)
    numbered: np.ndarray = np.unique(keys, return_inverse=True)[1]
    return numbered


def _fill_alike(columns: Columns, window: _Window, groups: Pairs, others: np.ndarray) -> None:
    first = groups.first
    for name in (*_PLAIN, *(f"{table[:-1]}.index" for table in _TABLES)):
        columns[name] = window.columns[name][first]
        if others.any() and name not in ("network.transport", "window.late_s", "http.response.status_code"):
            columns[name][others] = np.zeros(1, columns[name].dtype)[0]
    if others.any():
        columns["rpc.grpc.status_code"][others] = NO_GRPC_STATUS
        columns["route.index"][others] = window.tables["routes"].index(OTHER_ROUTE)


def _fill_ends(columns: Columns, window: _Window, groups: Pairs, others: np.ndarray) -> list[Any]:
    """Who asked, and who was asked; what the columns point into."""
    table = Dictionary(OTHER, MOST)
    first = groups.first[~others]
    for side, ends in zip(SIDES, window.ends, strict=True):
        ids, same = np.unique(ends.ids[first], return_inverse=True)
        columns[f"{side}.workload.index"][~others] = table.ids(ends.workloads(ids.tolist()))[same]
    return table.values


def _fill_sums(columns: Columns, requests: Columns, groups: Pairs) -> None:
    for name in _SUMMED:
        columns[name] = groups.sums(requests[name])
    for name, grade in EVIDENCE.items():
        columns[name] = groups.sums(
            np.where(requests["evidence"] == grade, requests["requests"], np.uint64(0))
        )


def _fill_durations(columns: Columns, requests: Sequence[Batch], groups: Pairs) -> Histograms:
    """Histograms of each group and end; returns the table of them."""
    count = len(groups)
    number = np.empty(len(groups.order), np.int64)
    number[groups.order] = groups.numbers
    tables = list({id(batch.tables["histograms"]): batch.tables["histograms"] for batch in requests}.values())
    whole, shifts = Histograms.joined(tables)
    shift = dict(zip(map(id, tables), shifts, strict=True))
    of = np.zeros(len(whole), np.int64)
    for part, measure in enumerate(_MEASURES):
        places = np.concatenate(
            [
                np.where(index, np.add(index, np.uint32(shift[id(batch.tables["histograms"])])), np.uint32(0))
                for batch in requests
                for index in (batch.columns[f"{measure}.index"],)
            ]
        )
        of[places] = number + 1 + part * count
    of[0] = 0
    found = whole.summed(of, 2 * count + 1)
    held = np.diff(found.begins) != 0
    for part, measure in enumerate(_MEASURES):
        places = np.arange(1, count + 1) + part * count
        columns[f"{measure}.index"] = np.where(held[places], places, 0)
    return found
