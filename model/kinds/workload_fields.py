"""Workload rows as they are written: the columns under the names of the schema, and what they point to.

``client.workload.index`` becomes ``client.workload.name``, ``client.workload.kind`` and so on (``server`` likewise),
``rtt_ns.index`` the map ``rtt_ns``: ``count``, ``sum``, and the buckets that hold something. Left out is what is 0 or
empty, but for the port.
"""

from collections.abc import Iterator
from itertools import repeat
from typing import Final

from model.kinds.flow import SIDES
from model.kinds.workload import WORKLOAD_COLUMNS
from model.kinds.workload_batch import MEASURES, PARTS, WorkloadBatch
from model.rows import values as row_values
from model.rows.format import ALWAYS, Field, RowFormat
from model.rows.values import UNSET, Values

WorkloadField = Field[WorkloadBatch]


def _part(side: str, part: str, key: str) -> WorkloadField:
    def values(batch: WorkloadBatch) -> Values:
        table = [getattr(workload, part) for workload in batch.workloads]
        return [table[index] for index in batch.columns[f"{side}.workload.index"].tolist()]

    return Field(f"{side}.{key}", values, "")


def _measure(name: str) -> WorkloadField:
    def values(batch: WorkloadBatch) -> Values:
        indexes, sums = (batch.columns[f"{name}.{part}"] for part in ("index", "sum"))
        if not indexes.any():
            return repeat(UNSET, len(indexes))
        return [
            _histogram(batch, index, total) if index else UNSET
            for index, total in zip(indexes.tolist(), sums.tolist(), strict=True)
        ]

    return Field(name, values, ALWAYS)


def _histogram(batch: WorkloadBatch, index: int, total: int) -> dict[str, object]:
    histogram = batch.histograms[index]
    return {"count": histogram.count, "sum": total, **histogram.as_dict()}


def _fields() -> Iterator[WorkloadField]:
    """Who talks to whom first, then all other columns, so that one added to the schema is written too."""
    for side in SIDES:
        for part, key in PARTS.items():
            yield _part(side, part, key)
    yield Field("server.port", lambda batch: batch.columns["server.port"].tolist(), ALWAYS)
    yield Field("server.port.name", lambda batch: row_values.port_names(batch.columns["server.port"]), "")
    for name, kind in WORKLOAD_COLUMNS.items():
        if name.rpartition(".")[2] not in ("index", "sum", "port"):
            yield _number(name, kind)
    yield from map(_measure, MEASURES)


def _number(name: str, kind: str) -> WorkloadField:
    values = row_values.plain_values(name, kind)
    if name.startswith("connections."):
        values = row_values.numbers  # counts, though flags have such names
    return Field(name, lambda batch: values(batch.columns[name]))


WORKLOAD_ROWS: Final = RowFormat[WorkloadBatch]("workload", list(_fields()))
