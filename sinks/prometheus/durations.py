"""Series of how long requests took: histograms by labels; bounded, and ended after silence."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from model.batch import Batch
from model.kinds.workload import PARTS, Workload
from model.rows.words import printable
from sinks.prometheus.exposition import BOUNDS, escaped, head, histogram_lines
from sinks.prometheus.series import add_buckets
from sinks.request_metrics import REQUEST_METRICS, Attribute, RequestMetric

#: The series of all that found no room.
_OTHER: Final = 0
#: Whose workloads are labels: a server's series are not divided by who asked.
_ENDS: Final = {"server": ("server",), "client": ("client", "server")}


class _Durations:
    """The series of one metric.

    :param limit: beside the one of all others.
    :ivar slots: by the text of their labels.
    """

    def __init__(self, metric: RequestMetric, limit: int) -> None:
        self.metric = metric
        self.name = f"{metric.name.replace('.', '_')}_seconds"
        self.slots: dict[str, int] = {}
        self._free = list(range(limit, 0, -1))
        self._sums = np.zeros(limit + 1, np.uint64)
        self._buckets = np.zeros((limit + 1, len(BOUNDS)), np.uint64)
        self._seen = np.full(limit + 1, -1, np.int64)

    def add(self, labels: Sequence[str], batch: Batch, rows: np.ndarray) -> int:
        """Counts rows that have these labels; returns how many found no room."""
        slots = np.array([self._slot(label) for label in labels], np.int64)
        self._seen[slots] = np.maximum(self._seen[slots], batch.window)
        column = self.metric.column
        np.add.at(self._sums, slots, batch.columns[f"{column}.sum"][rows])
        add_buckets(self._buckets, slots, batch.columns[f"{column}.index"][rows], batch.tables["histograms"])
        return int(np.count_nonzero(slots == _OTHER))

    def _slot(self, label: str) -> int:
        known = self.slots.get(label)
        if known is None:
            if not self._free:
                return _OTHER
            known = self.slots[label] = self._free.pop()
        return known

    def expire(self, window: int) -> None:
        """Ends series that were seen before this second alone."""
        for label, slot in [each for each in self.slots.items() if self._seen[each[1]] < window]:
            del self.slots[label]
            self._free.append(slot)
            self._sums[slot], self._buckets[slot], self._seen[slot] = 0, 0, -1

    def lines(self) -> Iterator[str]:
        """What a scrape gets; nothing before there is a series."""
        shown = sorted(self.slots.items())
        if self._seen[_OTHER] >= 0:
            shown.append(('server_workload_kind="other"', _OTHER))
        if shown:
            yield head(self.name, "histogram")
            slots = [slot for _, slot in shown]
            yield from histogram_lines(
                self.name, [label for label, _ in shown], self._sums[slots], self._buckets[slots]
            )


class DurationSeries:
    """Those of all metrics of requests.

    :param limit: series of each metric, beside the one of all others.
    :param parts: of workloads that are labels, by their places in ``PARTS``.
    :ivar folded: rows that were counted as others.
    """

    def __init__(self, limit: int, parts: Sequence[int]) -> None:
        self.folded = 0
        self._parts = parts
        self._metrics = [_Durations(metric, limit) for metric in REQUEST_METRICS]

    def __len__(self) -> int:
        return sum(len(durations.slots) for durations in self._metrics)

    def add(self, batch: Batch) -> None:
        """Count the rows of a batch of endpoints."""
        for durations in self._metrics:
            rows = durations.metric.rows(batch)
            if len(rows):
                self.folded += durations.add(self._labels(durations.metric, batch, rows), batch, rows)

    def expire(self, window: int) -> None:
        """End the series that were seen before this second alone; one that comes back begins at 0."""
        for durations in self._metrics:
            durations.expire(window)

    def lines(self) -> Iterator[str]:
        """What a scrape gets."""
        for durations in self._metrics:
            yield from durations.lines()

    def _labels(self, metric: RequestMetric, batch: Batch, rows: np.ndarray) -> list[str]:
        attributes = metric.attributes(batch, rows)
        texts = {told: _text(told) for told in set(attributes)}
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
        return _text([(f"{side}.{name}", text) for name, text in texts])


def _text(attributes: Sequence[Attribute]) -> str:
    return ",".join(
        f'{name.replace(".", "_")}="{escaped(printable(str(value)))}"' for name, value in attributes
    )
