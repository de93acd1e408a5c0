"""Flows of a window summed up by who talks to whom: client workload, server workload, server port."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from actors.items import Window
from actors.workloads.ends import MOST, Ends, joined
from actors.workloads.pairs import Pairs
from actors.workloads.sums import fill_measures, fill_sums
from model.actor import Actor
from model.arrays import Array, Columns
from model.batch import Batch
from model.dictionary import Dictionary
from model.kinds.flow import FLOW, REQUESTS, SIDES
from model.kinds.flow.traffic import flow_traffic
from model.kinds.workload import OTHER, WORKLOAD, Workload
from model.kinds.workload.names import WorkloadNames
from model.ledger import Ledger
from model.traffic import RowTraffic

#: Pairs of one window at most.
PAIRS: Final = 50_000

_PORTS: Final = 1 << 16
_USED: Final = (
    *("network.transport", "server.port", "window.late_s", "evidence", "client.reported"),
    *("connection.opened", "connection.closed", "connection.failed", "connection.connect_latency_ns"),
    *(f"{side}.{name}" for side in SIDES for name in ("tx_bytes", "rx_bytes", "rtt_ns")),
    *(
        f"{side}.{name}"
        for side in SIDES
        for name in ("retransmitted_segments", "tx_segments", "zero_window", "drops")
    ),
    *("datagrams_unaccounted", "reply_datagrams_unaccounted"),
    *(f"{side}.{name}" for side in SIDES for name in ("error.errno", "connection.close_reason")),
    *(column.name for column in REQUESTS),
    "dropped_segments",
)


@dataclass(frozen=True)
class _Window:
    """The rows of all batches of a window.

    :param kinds: which rows have the same transport and window, numbered; shape (rows,).
    """

    columns: Columns
    client: Ends
    server: Ends
    kinds: np.ndarray

    def pairs(self) -> Pairs:
        """By client, server, port and kind."""
        keys = self.client.ids * len(self.server)
        keys += self.server.ids
        if kinds := int(self.kinds.max(initial=0)):
            keys *= kinds + 1
            keys += self.kinds
        keys *= _PORTS
        keys += self.columns["server.port"]
        return Pairs.of(keys)


class Workloads(Actor):
    """Sums flows up; keeps nothing of a window. Pure: windows of flows in, with their workloads out.

    :param pairs: of one window at most; what is beyond is one row, ``OTHER``, for each transport and second.
    :param names: say who is at an end; workloads by default.
    """

    def __init__(self, ledger: Ledger, pairs: int = PAIRS, names: WorkloadNames | None = None) -> None:
        self._stage = ledger.stage("workloads", "rows")
        self._limit = pairs
        self._names = names or WorkloadNames()

    def handle(self, item: Any) -> Iterator[Any]:
        """A window with the workloads of its flows, which stay in it."""
        match item:
            case Window():
                flows = [batch for batch in item.batches if batch.kind is FLOW]
                yield replace(item, batches=(*item.batches, *self.of(flows)))
            case _:
                yield item

    def of(self, flows: Sequence[Batch]) -> list[Batch]:
        """The workloads of one publication of a window; numbers of batches are those of the flows, never fewer."""
        rows = sum(map(len, flows))
        self._stage.received += rows
        made = list(self.summed(flows).chunked()) if flows else []
        self._stage.delivered += rows
        return made

    def summed(self, flows: Sequence[Batch]) -> Batch:
        """All in one batch; at least one of flows."""
        window = _window(flows, self._names)
        pairs = window.pairs()
        moved = flow_traffic(window.columns)
        rest = self._beyond(pairs, window, moved)
        if rest.any():
            count = len(pairs)
            pairs = pairs.folded(rest, window.kinds)
            others = np.arange(len(pairs)) >= count - int(np.count_nonzero(rest))
        else:
            others = rest
        columns = WORKLOAD.empty(len(pairs))
        workloads = _fill_ends(columns, window, pairs, others)
        fill_sums(columns, window.columns, pairs, moved)
        histograms = fill_measures(columns, window.columns, pairs, moved)
        columns = {name: columns[name].astype(kind, copy=False) for name, kind in WORKLOAD.types.items()}
        first = flows[0]
        tables = {"workloads": workloads, "histograms": histograms}
        return Batch(WORKLOAD, first.node, first.boot, first.seq, first.window, columns, tables)

    def _beyond(self, pairs: Pairs, window: _Window, moved: RowTraffic) -> np.ndarray:
        """Pairs without a row of their own: those known by an address alone first, those that moved least; bool."""
        rest = np.zeros(len(pairs), np.bool_)
        room = max(0, self._limit - int(window.kinds.max(initial=0)) - 1)
        if len(pairs) > self._limit:
            first = pairs.first
            known = window.client.known(window.client.ids[first]).astype(np.int8)
            known += window.server.known(window.server.ids[first])
            order = np.lexsort((np.add(pairs.sums(moved.tx_bytes), pairs.sums(moved.rx_bytes)), known))
            rest[order[: len(pairs) - room]] = True
            self._stage.note("pairs_folded", int(np.count_nonzero(rest)))
            self._stage.note("rows_folded", int(np.count_nonzero(rest[pairs.numbers])))
        return rest


def _window(flows: Sequence[Batch], names: WorkloadNames) -> _Window:
    columns = {name: joined(flows, name) for name in _USED}
    client, server = (Ends(flows, side, names) for side in SIDES)
    return _Window(columns, client, server, _kinds(columns["window.late_s"], columns["network.transport"]))


def _kinds(late: Array, transport: Array) -> np.ndarray:
    """See ``_Window``; nearly always all rows are of one."""
    if not len(late) or ((late == late[0]).all() and (transport == transport[0]).all()):
        return np.zeros(len(late), np.int64)
    kinds = late.astype(np.int64) << 8
    kinds |= transport.astype(np.int64)
    numbered: np.ndarray = np.unique(kinds, return_inverse=True)[1]
    return numbered


def _fill_ends(columns: Columns, window: _Window, pairs: Pairs, others: np.ndarray) -> list[Workload]:
    """Who, on which port; what the columns point into."""
    table = Dictionary(OTHER, MOST)
    first = pairs.first
    for name in ("network.transport", "window.late_s"):
        columns[name][:] = window.columns[name][first]
    columns["server.port"][:] = np.where(others, 0, window.columns["server.port"][first])
    for side, ends in zip(SIDES, (window.client, window.server), strict=True):
        ids, same = np.unique(ends.ids[first[~others]], return_inverse=True)
        columns[f"{side}.workload.index"][~others] = table.ids(ends.workloads(ids.tolist()))[same]
    return table.values
