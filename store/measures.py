"""Sums of what workloads had to do with each other, in columns under the names of workload rows."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from model.arrays import Columns
from model.histogram import Histograms
from model.kinds.endpoint import ENDPOINT
from model.kinds.flow import SIDES
from model.kinds.workload import MEASURES, WORKLOAD

#: Columns that are summed: bytes, segments, connections, failures by reason, evidence, sums of measures.
SUMS: Final = tuple(column.name for column in WORKLOAD.columns if column.over == "sum")
#: Columns of which the largest of all seconds is kept.
MOST: Final = ("connections.active",)
#: Columns that point into the table of histograms, by measure (``rtt_ns``, ``connect_latency_ns``).
INDEXES: Final = {measure: f"{measure}.index" for measure in MEASURES}
#: The same of requests: requests, failures, bytes, evidence, sums of durations.
REQUEST_SUMS: Final = tuple(column.name for column in ENDPOINT.columns if column.over == "sum")
#: Durations, as the clients' kernels saw them and as the servers' did.
REQUEST_MEASURES: Final = tuple(f"http.{side}.request.duration_ns" for side in SIDES)
#: What tells the endpoints of an edge apart, and its type as tables have it.
ENDPOINT_PARTS: Final = {
    "protocol": "text",
    "method": "text",
    "route": "text",
    "host": "text",
    "status": "<u2",
    "rpc": "text",
    "grpc_status": "<u1",
    "via": "text",
    "cluster": "text",
}
#: What is summed of dropped packets by their cause: the column of workload rows.
DROP_SUMS: Final = ("dropped_segments",)
#: What a cause is, beside its edge: as rows of flows say it of the last packet (``model.kinds.drop.Dropped``).
DROP_PARTS: Final = ("category", "reason", "hook", "function", "node")
#: All that can be asked for of edges: sums, and the measures whose quantiles are wanted.
EVERYTHING: Final = (*SUMS, *MOST, *MEASURES)
#: What is added up where rows become one.
_ADDED: Final = frozenset((*SUMS, *REQUEST_SUMS))
_INDEX: Final = ".index"


@dataclass(frozen=True)
class Measures:
    """One row for each of something (an edge, an endpoint, a step of one, a group of them).

    :param columns: the sums that were asked for, uint64; ``MEASURE.index`` of each measure, places in ``histograms``,
        0: no value was measured; ``first_s`` and ``last_s``, int64, the first and the last second with anything.
    """

    columns: Columns
    histograms: Histograms

    def __len__(self) -> int:
        return len(self.columns["first_s"])

    def __getitem__(self, name: str) -> np.ndarray:
        """A column."""
        return self.columns[name]

    def take(self, rows: np.ndarray) -> "Measures":
        """The rows at these places, or of this mask; the table of histograms is shared."""
        return Measures({name: column[rows] for name, column in self.columns.items()}, self.histograms)

    def summed(self, groups: np.ndarray, count: int) -> "Measures":
        """A row for each group.

        :param groups: of each row, 0 to ``count`` - 1; shape (rows,). A group without rows is all 0.
        """
        order = np.argsort(groups)
        begins = np.searchsorted(groups[order], np.arange(count + 1))
        columns: Columns = {
            name: _added(column, order, begins) for name, column in self.columns.items() if name in _ADDED
        }
        for name in ("last_s", *(name for name in MOST if name in self.columns)):
            columns[name] = _largest(self.columns[name], groups, count)
        first = np.full(count, np.iinfo(np.int64).max, np.int64)
        np.minimum.at(first, groups, self.columns["first_s"])
        columns["first_s"] = np.where(columns["last_s"] == 0, 0, first)
        histograms = self._summed_histograms(groups, count, columns)
        return Measures(columns, histograms)

    def quantiles(self, measure: str, share: float) -> np.ndarray:
        """Of each row the value that ``share`` of its values do not exceed, within 4.5 %; nanoseconds, 0: no value.

        :param measure: one of ``MEASURES`` or ``REQUEST_MEASURES``.
        :param share: 0.99 for the p99.
        """
        values: np.ndarray = self.histograms.quantiles(share)[self.columns[f"{measure}.index"]]
        return values

    def _summed_histograms(self, groups: np.ndarray, count: int, columns: Columns) -> Histograms:
        """The table of the groups' histograms; ``columns`` get the places in it."""
        indexes = [name for name in self.columns if name.endswith(_INDEX)]
        if not indexes:
            return Histograms()
        shape = len(indexes) * count + 1
        parts = []
        for place, name in enumerate(indexes):
            rows = np.flatnonzero(self.columns[name])
            parts.append((self.columns[name][rows], groups[rows] + 1 + place * count))
        numbers, mine = (np.concatenate(each) for each in zip(*parts, strict=True))
        table = self.histograms.take(np.concatenate(([0], numbers)).astype(np.int64))
        table = table.summed(np.concatenate(([0], mine)), shape)
        held = np.diff(table.begins) != 0
        for place, name in enumerate(indexes):
            places = np.arange(1, count + 1) + place * count
            columns[name] = np.where(held[places], places, 0).astype(np.uint32)
        return table


def _added(values: np.ndarray, order: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """Exact sums; uint64.

    :param order: of the rows by their group; ``begins``: where each group begins in it, and the end of the last.
    """
    if not values.any():
        return np.zeros(len(begins) - 1, np.uint64)
    running = np.concatenate((np.zeros(1, np.uint64), np.cumsum(values[order], dtype=np.uint64)))
    sums: np.ndarray = running[begins[1:]] - running[begins[:-1]]
    return sums


def _largest(values: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    largest = np.zeros(count, values.dtype)
    np.maximum.at(largest, groups, values)
    return largest
