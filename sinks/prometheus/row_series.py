"""Series of queries, drops and listeners: counters, how long queries took, and how full accept queues are."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from model.batch import Batch
from model.kinds.drop import DROP
from model.kinds.listener import LISTENER
from model.kinds.query import QUERY
from sinks.prometheus.durations import Durations
from sinks.prometheus.exposition import head, labels_text, name_of
from sinks.prometheus.slots import OTHER, Slots
from sinks.row_metrics import GAUGES, LOOKUP, ROW_SUMS, Grouped, RowGroups, lookups

#: The labels of the series of all that found no room, by kind.
_OTHERS: Final = {
    QUERY.name: 'server_workload_kind="other"',
    DROP.name: 'drop_reason="other"',
    LISTENER.name: 'server_workload_kind="other"',
}


class _Sums:
    """Counters of one kind of rows, which share their labels.

    :ivar folded: rows that found no room.
    """

    def __init__(self, kind: str, limit: int) -> None:
        self.folded = 0
        self.slots = Slots(limit, _OTHERS[kind])
        self._metrics = ROW_SUMS[kind]
        self._values = np.zeros((len(self._metrics), self.slots.size), np.uint64)

    def add(self, batch: Batch, groups: Grouped, labels: Sequence[str]) -> None:
        slots = self.slots.of(labels, batch.window)
        for values, metric in zip(self._values, self._metrics, strict=True):
            np.add.at(values, slots, groups.sums(batch.columns[metric.column]))
        self.folded += int(np.count_nonzero(slots[groups.numbers] == OTHER))

    def expire(self, window: int) -> None:
        self._values[:, self.slots.expire(window)] = 0

    def lines(self) -> Iterator[str]:
        labels, slots = self.slots.shown()
        for values, metric in zip(self._values, self._metrics, strict=True):
            if labels:
                yield from _lines(f"{name_of(metric.name)}_total", "counter", labels, values[slots])


class _Queue(NamedTuple):
    """The accept queue of one listener.

    :param window: of its last row.
    """

    labels: str
    queue: int
    limit: int
    window: int

    @property
    def share(self) -> float:
        """How full it is."""
        return self.queue / max(1, self.limit)


class _Queues:
    """Accept queues of listeners, each as its last row says: rows come when something has changed.

    :param most: listeners at once; new ones beyond have no gauges.
    """

    def __init__(self, most: int) -> None:
        self.folded = 0
        self._most = most
        self._queues: dict[tuple[str, int], _Queue] = {}
        self._boots: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._queues)

    def take(self, batch: Batch, groups: Grouped, labels: Sequence[str]) -> None:
        """Takes over what rows say."""
        if self._boots.get(batch.node) != batch.boot:
            self._boots[batch.node] = batch.boot
            self._queues = {key: each for key, each in self._queues.items() if key[0] != batch.node}
        names = ("listener.id", "listener.queue", "listener.limit", "listener.ended")
        rows = zip(*(batch.columns[name].tolist() for name in names), strict=True)
        for number, (id_, queue, limit, ended) in zip(groups.numbers.tolist(), rows, strict=True):
            key = (batch.node, id_)
            if ended:
                self._queues.pop(key, None)
            elif key in self._queues or len(self._queues) < self._most:
                self._queues[key] = _Queue(labels[number], queue, limit, batch.window)
            else:
                self.folded += 1

    def expire(self, window: int) -> None:
        """Ends those that had nothing to say since this second, and in whose queue nobody waits."""
        self._queues = {
            key: each for key, each in self._queues.items() if each.queue or each.window >= window
        }
        nodes = {node for node, _ in self._queues}
        self._boots = {node: boot for node, boot in self._boots.items() if node in nodes}

    def lines(self) -> Iterator[str]:
        fullest: dict[str, _Queue] = {}
        for each in self._queues.values():
            if each.labels not in fullest or fullest[each.labels].share < each.share:
                fullest[each.labels] = each
        labels = sorted(fullest)
        for metric in GAUGES if labels else ():
            name = metric.column.rpartition(".")[2]
            values = np.array([getattr(fullest[label], name) for label in labels], np.int64)
            yield from _lines(name_of(metric.name), "gauge", labels, values)


class RowSeries:
    """Those of all these kinds.

    :param limits: series of each metric by the name of its kind of rows.
    :param names: of questions that are labels.
    :param parts: of workloads that are labels, by their places in ``PARTS``.
    """

    def __init__(self, limits: dict[str, int], names: int, parts: Sequence[int]) -> None:
        self._groups = RowGroups(names, parts)
        self._sums = {kind: _Sums(kind, limit) for kind, limit in limits.items()}
        self._lookups = Durations(f"{name_of(LOOKUP)}_seconds", limits[QUERY.name], _OTHERS[QUERY.name])
        self._queues = _Queues(limits[LISTENER.name])
        self._lookups_folded = 0

    def add(self, batch: Batch) -> None:
        """Count the rows of a batch of one of these kinds."""
        if not len(batch):
            return
        groups = self._groups.of(batch)
        labels = [labels_text(each) for each in groups.attributes]
        self._sums[batch.kind.name].add(batch, groups, labels)
        if batch.kind.name == QUERY.name:
            self._add_lookups(batch)
        elif batch.kind.name == LISTENER.name:
            self._queues.take(batch, groups, labels)

    def _add_lookups(self, batch: Batch) -> None:
        groups = self._groups.of_lookups(batch)
        sums, indexes = lookups(batch)
        rows = np.flatnonzero(indexes)
        texts = [labels_text(each) for each in groups.attributes]
        labels = [texts[number] for number in groups.numbers[rows].tolist()]
        table = batch.tables["histograms"]
        self._lookups_folded += self._lookups.add(labels, batch.window, sums[rows], indexes[rows], table)

    def expire(self, window: int) -> None:
        """End the series that were seen before this second alone; one that comes back begins at 0."""
        for sums in self._sums.values():
            sums.expire(window)
        self._lookups.expire(window)
        self._queues.expire(window)

    def lines(self) -> Iterator[str]:
        """What a scrape gets."""
        for sums in self._sums.values():
            yield from sums.lines()
        yield from self._lookups.lines()
        yield from self._queues.lines()
        yield from self._own_lines()

    def _own_lines(self) -> Iterator[str]:
        """How many series there are of each kind, and how many rows found none."""
        series = {kind: len(sums.slots) for kind, sums in self._sums.items()}
        folded = {kind: sums.folded for kind, sums in self._sums.items()}
        series |= {"lookup": len(self._lookups), "name": len(self._groups.names), "queue": len(self._queues)}
        folded |= {
            "lookup": self._lookups_folded,
            "name": self._groups.names.folded,
            "queue": self._queues.folded,
        }
        labels = [f'kind="{kind}"' for kind in series]
        for name, kind, values in (
            ("tailrace_row_series", "gauge", series),
            ("tailrace_row_series_folded_total", "counter", folded),
        ):
            yield from _lines(name, kind, labels, np.array(list(values.values()), np.int64))


def _lines(name: str, kind: str, labels: Sequence[str], values: np.ndarray) -> Iterator[str]:
    yield head(name, kind)
    yield "".join(
        f"{name}{{{label}}} {value}\n" for label, value in zip(labels, values.tolist(), strict=True)
    )
