"""Series of how long requests took: histograms by labels; bounded, and ended after silence."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from model.arrays import Array
from model.batch import Batch
from model.histogram import Histograms
from model.kinds.workload import PARTS, Workload
from sinks.prometheus.exposition import BOUNDS, head, histogram_lines, labels_text, name_of
from sinks.prometheus.series import add_buckets
from sinks.prometheus.slots import OTHER, Slots
from sinks.request_metrics import REQUEST_METRICS, RequestMetric

#: The labels of all that found no room.
_OTHER: Final = 'server_workload_kind="other"'
#: Whose workloads are labels: a server's series are not divided by who asked.
_ENDS: Final = {"server": ("server",), "client": ("client", "server")}


class Durations:
    """The series of one histogram.

    :param name: of the metric.
    :param limit: beside the one of all others, whose labels are ``other``.
    """

    def __init__(self, name: str, limit: int, other: str) -> None:
        self._name = name
        self._slots = Slots(limit, other)
        self._sums = np.zeros(self._slots.size, np.uint64)
        self._buckets = np.zeros((self._slots.size, len(BOUNDS)), np.uint64)

    def __len__(self) -> int:
        return len(self._slots)

    def add(
        self, labels: Sequence[str], window: int, sums: Array, indexes: Array, histograms: Histograms
    ) -> int:
        """Counts rows that have these labels; returns how many found no room.

        :param sums: nanoseconds of each row.
        :param indexes: of the histogram of each row.
        """
        slots = self._slots.of(labels, window)
        np.add.at(self._sums, slots, sums)
        add_buckets(self._buckets, slots, indexes, histograms)
        return int(np.count_nonzero(slots == OTHER))

    def expire(self, window: int) -> None:
        """Ends series that were seen before this second alone."""
        gone = self._slots.expire(window)
        self._sums[gone], self._buckets[gone] = 0, 0

    def lines(self) -> Iterator[str]:
        """What a scrape gets; nothing before there is a series."""
        labels, slots = self._slots.shown()
        if labels:
            yield head(self._name, "histogram")
            yield from histogram_lines(self._name, labels, self._sums[slots], self._buckets[slots])


class DurationSeries:
    """Those of all metrics of requests.

    :param limit: series of each metric, beside the one of all others.
    :param parts: of workloads that are labels, by their places in ``PARTS``.
    :ivar folded: rows that were counted as others.
    """

    def __init__(self, limit: int, parts: Sequence[int]) -> None:
        self.folded = 0
        self._parts = parts
        self._metrics = [
            (metric, Durations(f"{name_of(metric.name)}_seconds", limit, _OTHER))
            for metric in REQUEST_METRICS
        ]

    def __len__(self) -> int:
        return sum(len(durations) for _, durations in self._metrics)

    def add(self, batch: Batch) -> None:
        """Count the rows of a batch of endpoints."""
        columns, histograms = batch.columns, batch.tables["histograms"]
        for metric, durations in self._metrics:
            rows = metric.rows(batch)
            if len(rows):
                labels = self._labels(metric, batch, rows)
                sums, indexes = (columns[f"{metric.column}.{part}"][rows] for part in ("sum", "index"))
                self.folded += durations.add(labels, batch.window, sums, indexes, histograms)

    def expire(self, window: int) -> None:
        """End the series that were seen before this second alone; one that comes back begins at 0."""
        for _, durations in self._metrics:
            durations.expire(window)

    def lines(self) -> Iterator[str]:
        """What a scrape gets."""
        for _, durations in self._metrics:
            yield from durations.lines()

    def _labels(self, metric: RequestMetric, batch: Batch, rows: np.ndarray) -> list[str]:
        attributes = metric.attributes(batch, rows)
        texts = {told: labels_text(told) for told in set(attributes)}
        workloads: list[Workload] = batch.tables["workloads"]
        named = [[self._workload(side, each) for each in workloads] for side in _ENDS[metric.side]]
        indexes = [batch.columns[f"{side}.workload.index"][rows].tolist() for side in _ENDS[metric.side]]
        ports = [f'server_port="{port}"' for port in batch.columns["server.port"][rows].tolist()]
        ends = [
            [names[number] for names, number in zip(named, numbers, strict=True)]
            for numbers in zip(*indexes, strict=True)
        ]
        return [
            ",".join([*filter(None, whose), port, texts[told]])
            for whose, port, told in zip(ends, ports, attributes, strict=True)
        ]

    def _workload(self, side: str, workload: Workload) -> str:
        texts = [(PARTS[part], workload[part]) for part in self._parts if workload[part]]
        return labels_text([(f"{side}.{name}", text) for name, text in texts])
