"""A store that keeps rows as they came and sums them up in plain loops: what queries are compared with."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from model.arrays import Columns
from model.batch import Batch
from model.histogram import Histogram, Histograms
from model.kinds.workload import MEASURES, Workload
from store.measures import (
    DROP_PARTS,
    ENDPOINT_PARTS,
    EVERYTHING,
    INDEXES,
    MOST,
    REQUEST_MEASURES,
    REQUEST_SUMS,
    SUMS,
    Measures,
)
from store.reading import Bounds, Chains, Drops, Edges, Endpoints, Gap, Instances, Series, Window, Workloads
from tests.unit.store.segments.made_requests import Named, RequestTruth, merged

#: One row: second, client, server, port, transport, numbers by column, histograms by measure.
Row = tuple[int, Workload, Workload, int, int, dict[str, int], dict[str, Histogram]]
Key = tuple[Workload, Workload, int, int]


class RowsStore:
    """Everything of all seconds; ids are given in the order in which things come."""

    def __init__(
        self,
        batches: Iterable[Batch],
        instances: Instances | None = None,
        chains: Chains | None = None,
        gaps: Sequence[Gap] = (),
        requests: Iterable[Batch] = (),
    ) -> None:
        self.requests = RequestTruth()
        for batch in requests:
            self.requests.add(batch)
        self._endpoint_ids: dict[Named, int] = {}
        for _, named in self.requests.sums:
            self._endpoint_ids.setdefault(named, len(self._endpoint_ids) + 1)
        self.rows: list[Row] = [row for batch in batches for row in _rows(batch)]
        self.ids: dict[Workload, int] = {}
        self.edge_ids: dict[Key, int] = {}
        self._lives: dict[Workload, list[int]] = {}
        self._answers: dict[Window, Edges] = {}
        for at, client, server, port, transport, _, _ in self.rows:
            for part in (client, server):
                self.ids.setdefault(part, len(self.ids) + 1)
                life = self._lives.setdefault(part, [at, at])
                life[0], life[1] = min(life[0], at), max(life[1], at)
            self.edge_ids.setdefault((client, server, port, transport), len(self.edge_ids) + 1)
        for _, (client, server, port, *_) in self.requests.sums:  # of what proxies passed on, too
            self.edge_ids.setdefault((client, server, port, 6), len(self.edge_ids) + 1)
        none = np.zeros(0, np.int64)
        self._instances = instances or Instances(none, [], none, none)
        self._chains = chains or Chains(none, [], *[none] * 7)
        self._gaps = list(gaps)
        self.dropped: Drops | None = None

    def within(self, window: Window) -> list[Row]:
        """The rows of a window."""
        return [row for row in self.rows if window.from_s <= row[0] < window.to_s]

    def edges(
        self,
        window: Window,
        edges: Sequence[int] | np.ndarray | None = None,
        histograms: bool = True,
        columns: Sequence[str] = (*SUMS, *MOST),
    ) -> Edges:
        """As the store's contract says; with all sums and histograms also where few are wanted."""
        if window not in self._answers:
            self._answers[window] = self._edges(window)
        whole = self._answers[window]
        return whole if edges is None else whole.take(np.isin(whole.ids, np.asarray(edges)))

    def _edges(self, window: Window) -> Edges:
        keys: dict[Key, list[Row]] = defaultdict(list)
        for row in self.within(window):
            keys[row[1:5]].append(row)
        order = sorted(keys, key=self.edge_ids.__getitem__)
        return Edges(
            window,
            np.array([self.edge_ids[key] for key in order], np.int64),
            np.array([self.ids[key[0]] for key in order], np.int64),
            np.array([self.ids[key[1]] for key in order], np.int64),
            np.array([key[2] for key in order], np.uint16),
            np.array([key[3] for key in order], np.uint8),
            _measures([keys[key] for key in order]),
        )

    def series(
        self,
        window: Window,
        step_s: int,
        edges: Sequence[int] | np.ndarray | None = None,
        columns: Sequence[str] = EVERYTHING,
    ) -> Series:
        """As the store's contract says; with all columns also where few are wanted."""
        keys: dict[tuple[int, int], list[Row]] = defaultdict(list)
        wanted = None if edges is None else set(np.asarray(edges).tolist())
        for row in self.within(window):
            if wanted is None or self.edge_ids[row[1:5]] in wanted:
                keys[row[0] // step_s * step_s, self.edge_ids[row[1:5]]].append(row)
        order = sorted(keys)
        begins, ids = (np.array([key[place] for key in order], np.int64) for place in range(2))
        return Series(window, step_s, begins, ids, _measures([keys[key] for key in order]))

    def endpoints(
        self, window: Window, edges: Sequence[int] | np.ndarray | None = None, histograms: bool = True
    ) -> Endpoints:
        """As the store's contract says; those of edges that have rows."""
        sums = self.requests.of(window)
        order = sorted(sums, key=self._endpoint_ids.__getitem__)
        of_edges = [self.edge_ids[(*named[:3], 6)] for named in order]
        parts = zip(*(named[3:] for named in order), strict=True) if order else [()] * len(ENDPOINT_PARTS)
        types = {name: object if type_ == "text" else type_ for name, type_ in ENDPOINT_PARTS.items()}
        found = Endpoints(
            window,
            np.array([self._endpoint_ids[named] for named in order], np.int64),
            np.array(of_edges, np.int64),
            np.array([self.ids[named[0]] for named in order], np.int64),
            np.array([self.ids[named[1]] for named in order], np.int64),
            np.array([named[2] for named in order], np.uint16),
            np.full(len(order), 6, np.uint8),
            {name: np.array(each, types[name]) for name, each in zip(types, parts, strict=True)},
            merged([sums[named] for named in order]),
        )
        return found if edges is None else found.take(np.isin(found.edges, np.asarray(edges)))

    def request_series(
        self,
        window: Window,
        step_s: int,
        endpoints: Sequence[int] | np.ndarray | None = None,
        columns: Sequence[str] = (*REQUEST_SUMS, *REQUEST_MEASURES),
    ) -> Series:
        """As the store's contract says."""
        wanted = None if endpoints is None else set(np.asarray(endpoints).tolist())
        rows = [
            (at, self._endpoint_ids[named], sums)
            for at in range(window.from_s // step_s * step_s, window.to_s, step_s)
            for named, sums in self.requests.of(Window(at, at + step_s)).items()
            if wanted is None or self._endpoint_ids[named] in wanted
        ]
        begins, ids = (np.array([row[place] for row in rows], np.int64) for place in range(2))
        return Series(window, step_s, begins, ids, merged([row[2] for row in rows]))

    def workloads(self) -> Workloads:
        """As the store's contract says."""
        first, last = (np.array([self._lives[part][end] for part in self.ids], np.int64) for end in range(2))
        return Workloads(np.array(list(self.ids.values()), np.int64), list(self.ids), first, last)

    def instances(self, window: Window, workloads: Sequence[int] | np.ndarray | None = None) -> Instances:
        """Those that were given."""
        told = self._instances
        mask = (told.first_s < window.to_s) & (told.last_s >= window.from_s)
        if workloads is not None:
            mask &= np.isin(told.workloads, workloads)
        rows = np.flatnonzero(mask)
        return Instances(
            told.workloads[rows],
            [told.parts[row] for row in rows.tolist()],
            told.first_s[rows],
            told.last_s[rows],
        )

    def chains(self, window: Window, edges: Sequence[int] | np.ndarray | None = None) -> Chains:
        """Those that were given."""
        told = self._chains
        rows = np.flatnonzero(np.isin(told.edges, told.edges if edges is None else edges))
        columns = (told.connections, told.both_ends, told.bytes, told.reply_bytes, told.unaccounted_bytes)
        return Chains(
            told.edges[rows],
            [told.hops[row] for row in rows.tolist()],
            *(column[rows] for column in (*columns, told.first_s, told.last_s)),
        )

    def drops(self, window: Window, edges: Sequence[int] | np.ndarray | None = None) -> Drops:
        """Those that were given, in any window."""
        none = np.zeros(0, np.int64)
        told = self.dropped or Drops(window, none, dict.fromkeys(DROP_PARTS, none.astype(object)), none)
        mine = np.isin(told.edges, told.edges if edges is None else edges)
        parts = {name: part[mine] for name, part in told.parts.items()}
        return Drops(window, told.edges[mine], parts, told.packets[mine])

    def reporters(self, window: Window) -> list[str]:
        """The machines of instances."""
        return sorted({part.node for part in self.instances(window).parts} - {""})

    def gaps(self, window: Window) -> list[Gap]:
        """Those that were given, cut to the window."""
        return [
            gap._replace(from_s=max(gap.from_s, window.from_s), to_s=min(gap.to_s, window.to_s))
            for gap in self._gaps
            if gap.from_s < window.to_s and gap.to_s > window.from_s
        ]

    def bounds(self) -> Bounds:
        """From the first second to the last."""
        seconds = [row[0] for row in self.rows]
        return Bounds(min(seconds), max(seconds), max(seconds) + 1, {1: min(seconds)})

    def close(self) -> None:
        """Nothing to let go of."""


def _rows(batch: Batch) -> Iterable[Row]:
    table, histograms = batch.tables["workloads"], batch.tables["histograms"]
    columns = {name: column.tolist() for name, column in batch.columns.items()}
    for row in range(len(batch)):
        numbers = {name: columns[name][row] for name in (*SUMS, *MOST)}
        measured = {measure: histograms[columns[INDEXES[measure]][row]] for measure in MEASURES}
        yield (
            batch.window - columns["window.late_s"][row],
            table[columns["client.workload.index"][row]],
            table[columns["server.workload.index"][row]],
            columns["server.port"][row],
            columns["network.transport"][row],
            numbers,
            measured,
        )


def _measures(groups: list[list[Row]]) -> Measures:
    columns: Columns = {
        name: np.array([sum(row[5][name] for row in rows) for rows in groups], np.uint64) for name in SUMS
    }
    for name in MOST:
        columns[name] = np.array([max(row[5][name] for row in rows) for rows in groups], np.uint64)
    columns["first_s"] = np.array([min(row[0] for row in rows) for rows in groups], np.int64)
    columns["last_s"] = np.array([max(row[0] for row in rows) for rows in groups], np.int64)
    begins, buckets, counts = [0, 0], [], []
    for measure in MEASURES:
        places = []
        for rows in groups:
            total: dict[int, int] = defaultdict(int)
            for row in rows:
                for bucket, count in row[6][measure].counts.items():
                    total[bucket] += count
            places.append(len(begins) - 1 if total else 0)
            if total:
                buckets += sorted(total)
                counts += [total[bucket] for bucket in sorted(total)]
                begins.append(len(buckets))
        columns[INDEXES[measure]] = np.array(places, np.uint32)
    table = Histograms(np.array(begins, np.int64), np.array(buckets, np.int64), np.array(counts, np.int64))
    return Measures(columns, table)
