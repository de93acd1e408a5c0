"""Queries, drops and listeners as OTLP metrics: sums of a second, durations of lookups, gauges of accept queues."""

import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from model.batch import Batch
from model.histogram import Histograms
from model.kinds.listener import LISTENER
from model.kinds.query import QUERY
from model.varint import varint
from sinks.otlp.metrics import DELTA, SECOND_NS, Encoded, head, histogram_points, sum_point
from sinks.otlp.requests import SHIFT
from sinks.otlp.wire import field, key_value
from sinks.row_metrics import (
    GAUGES,
    LOOKUP,
    LOOKUP_DESCRIPTION,
    ROW_SUMS,
    Attributes,
    Grouped,
    RowGroups,
    fullest,
    lookups,
)

#: The fields for attributes of a number's and of a histogram's data point.
_OF_NUMBER: Final = 7
_OF_HISTOGRAM: Final = 1
_gauge_point: Final = struct.Struct("<cQcq").pack


class RowMetrics:
    """Makes metrics of rows.

    :param names: of questions that are attributes at most.
    """

    def __init__(self, names: int) -> None:
        self._groups = RowGroups(names)

    def of(self, batch: Batch, resource: bytes, scope: bytes) -> Encoded:
        """A batch of one of these kinds as ``ExportMetricsServiceRequest``."""
        groups = self._groups.of(batch)
        begins = _begins_ns(batch, groups)
        attributes = [_encoded(each, _OF_NUMBER) for each in groups.attributes]
        parts, count = [], 0
        for metric in ROW_SUMS[batch.kind.name]:
            values = groups.sums(batch.columns[metric.column]).tolist()
            points = [
                sum_point(told, begin, value)
                for told, begin, value in zip(attributes, begins, values, strict=True)
                if value
            ]
            count += len(points)
            named = head(metric.name, metric.description, metric.unit)
            body = b"".join(points) + b"\x10" + DELTA + b"\x18\x01"
            parts += [field(2, named + field(7, body))] if points else []
        if batch.kind.name == QUERY.name:
            points = self._lookups(batch)
            named = head(LOOKUP, LOOKUP_DESCRIPTION, "s")
            parts += [field(2, named + field(10, b"".join(points) + b"\x10" + DELTA))] if points else []
            count += len(points)
        elif batch.kind.name == LISTENER.name:
            parts += _gauges(batch, groups, attributes)
            count += len(GAUGES) * len(attributes)
        return Encoded(field(1, resource + field(2, scope + b"".join(parts))), count)

    def _lookups(self, batch: Batch) -> list[bytes]:
        """A point for each group of queries that were answered: the histograms of its rows, summed up."""
        groups = self._groups.of_lookups(batch)
        sums, indexes = lookups(batch)
        table: Histograms = batch.tables["histograms"]
        of = np.zeros(len(table), np.int64)
        of[indexes] = groups.numbers + 1
        of[0] = 0
        whole = table.summed(of, len(groups.attributes) + 1)
        held = np.flatnonzero(np.diff(whole.begins)[1:])
        columns = {
            f"{LOOKUP}.index": np.arange(1, len(groups.attributes) + 1),
            f"{LOOKUP}.sum": groups.sums(sums),
        }
        made = replace(batch, columns=columns, tables={"histograms": whole})
        attributes = [_encoded(each, _OF_HISTOGRAM) for each in groups.attributes]
        begins = _begins_ns(batch, groups)
        return histogram_points(made, LOOKUP, held, attributes, begins, SHIFT, SECOND_NS)


def _begins_ns(batch: Batch, groups: Grouped) -> list[int]:
    """When the second of each group began: that of its first rows, where some came late."""
    begins = np.full(len(groups.attributes), batch.window, np.int64)
    if "window.late_s" in batch.columns:
        late = batch.window - batch.columns["window.late_s"].astype(np.int64)
        np.minimum.at(begins, groups.numbers, late)
    found: list[int] = (begins * SECOND_NS).tolist()
    return found


def _gauges(batch: Batch, groups: Grouped, attributes: Sequence[bytes]) -> list[bytes]:
    """Each gauge, as it was at the end of the second."""
    rows, parts = fullest(batch, groups), []
    end_ns = (batch.window + 1) * SECOND_NS
    for metric in GAUGES:
        values = batch.columns[metric.column][rows].tolist()
        points = []
        for told, value in zip(attributes, values, strict=True):
            body = told + _gauge_point(b"\x19", end_ns, b"\x31", value)
            points.append(b"\x0a" + varint(len(body)) + body)
        parts.append(
            field(2, head(metric.name, metric.description, metric.unit) + field(5, b"".join(points)))
        )
    return parts


def _encoded(attributes: Attributes, number: int) -> bytes:
    return b"".join(field(number, key_value(*each)) for each in attributes)
