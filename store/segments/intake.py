"""Batches become rows of the store's tables: seconds of edges and endpoints, who was there, ways
through NAT, and what is missing."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from model.batch import Batch
from model.histogram import Histograms
from model.kinds.endpoint import ENDPOINT
from model.kinds.flow import FLOW, SIDES
from model.kinds.ledger import LEDGER
from model.kinds.workload import MEASURES, WORKLOAD, Workload
from store.ids import Names, edge_ids
from store.measures import MOST, REQUEST_MEASURES, REQUEST_SUMS, SUMS
from store.segments.columns import Column, Lists
from store.segments.dropped import cause_ids, cause_rows, drop_rows
from store.segments.endpoints import endpoint_ids, endpoint_rows
from store.segments.flow_ends import FlowEnds
from store.segments.frames import Frame, Source
from store.segments.instances import SeenInstances
from store.segments.losses import Losses, too_old
from store.segments.once import Once
from store.segments.rollup import together
from store.segments.tables import (
    CHAINS,
    DROP_CAUSES,
    DROPS,
    EDGES,
    ENDPOINTS,
    INSTANCES,
    LOSSES,
    PRESENCE,
    REQUESTS,
    ROWS,
    WAYS,
    WORKLOADS,
)
from store.segments.ways import chain_rows, ways_of

#: The seconds after which a source that says nothing is no longer waited for.
SILENT_S: Final = 10

#: Tables of what ids stand for.
_NAMED: Final = (WORKLOADS, EDGES, ENDPOINTS, DROP_CAUSES, INSTANCES, WAYS)

Rows = dict[str, Column]


class Intake:
    """Takes batches, gives frames.

    What a log names once it does not name again: ``renew`` begins another log.

    :param boot: the start of this store, for its own presence.
    :ivar duplicates: batches that came twice, so far.
    """

    def __init__(self, boot: str, marks: dict[Source, int], newest_s: int = 0, complete_s: int = 0) -> None:
        self.duplicates = 0
        self._boot = boot
        self._marks = dict(marks)
        self._moved: dict[Source, int] = {}  # since the last frame
        self._names = Names()
        self._ends = FlowEnds(self._names)
        self._instances = SeenInstances()
        self._losses = Losses({(node, start) for kind, node, start in marks if kind == LEDGER.name})
        self._named: dict[str, Once] = {}
        self._pending: dict[str, list[Rows]] = {}
        self._unsaid: list[Rows] = []  # losses
        self._newest_s, self._complete_s = newest_s, complete_s
        self._whole: dict[Source, int] = {}  # of each source up to, and without, which second it is complete
        self.renew()

    @property
    def newest_s(self) -> int:
        """The second of the last batch."""
        return self._newest_s

    def renew(self) -> None:
        """Begin another log: it names all that it has rows of."""
        self._named = {table.name: Once() for table in _NAMED}

    def take(self, batch: Batch) -> None:
        """Take a batch, unless it came before."""
        source = (batch.kind.name, batch.node, batch.boot)
        if batch.seq <= self._marks.get(source, -1):
            self.duplicates += 1
            return
        self._marks[source] = self._moved[source] = batch.seq
        self._newest_s = batch.window
        if batch.kind is LEDGER:
            self._ledger(batch)
            return
        self._complete(source, batch)
        if not len(batch):
            return
        if batch.kind.name == ENDPOINT.name:
            self._requests(batch)
        elif batch.kind.name == WORKLOAD.name:
            self._workloads(batch)
        elif batch.kind.name == FLOW.name:
            self._flows(batch)

    def frame(self) -> Frame:
        """What came since the last one, and losses until ``written`` tells that they are in the log."""
        lost = [*self._pending.get(LOSSES.name, []), *self._unsaid]
        parts = self._pending | ({LOSSES.name: lost} if lost else {})
        tables = {name: together(each) for name, each in parts.items()}
        marks, self._moved, self._pending = self._moved, {}, {}
        return Frame(tables, marks, self._newest_s, self._complete_s)

    def written(self) -> None:
        """The last frame is in the log."""
        self._unsaid = []

    def lose(self, reason: str, rows: int) -> None:
        """Note that what came since the last frame could not be written."""
        self.renew()  # what it named is not in the log
        self._unsaid.append(self._losses.of_store(reason, rows, self._newest_s))

    @property
    def is_empty(self) -> bool:
        """Whether nothing came since the last frame."""
        return not self._pending and not self._unsaid

    def _add(self, table: str, rows: Rows) -> None:
        if rows:
            self._pending.setdefault(table, []).append(rows)

    def _complete(self, source: Source, batch: Batch) -> None:
        """Move what is complete to the second that all sources that still speak have ended."""
        self._add(PRESENCE.name, presence("", self._boot, batch.window))
        if not batch.last or batch.kind.name == ENDPOINT.name:  # they come in seconds with requests alone
            return
        self._whole[source] = batch.window + 1
        self._whole = {
            each: second for each, second in self._whole.items() if abs(second - batch.window) <= SILENT_S
        }
        self._complete_s = min(self._whole.values())

    def _ledger(self, batch: Batch) -> None:
        stages = batch.head["stages"]
        if "kernel" in stages:  # of a machine, not of an engine
            self._add(PRESENCE.name, presence(batch.node, batch.boot, batch.window))
            self._add(LOSSES.name, too_old(batch.node, batch.head.get("version", ""), batch.window))
        if lost := self._losses.of_node(batch.node, batch.boot, stages, batch.window):
            self._unsaid.append(lost)

    def _workloads(self, batch: Batch) -> None:
        rows: Rows = {"edge": self._edges(batch), **_sums(batch, (*SUMS, *MOST), MEASURES)}
        self._add(ROWS.name, rows)

    def _requests(self, batch: Batch) -> None:
        edges = self._edges(batch)
        ids = endpoint_ids(batch, edges, self._names)
        rows: Rows = {"endpoint": ids, **_sums(batch, REQUEST_SUMS, REQUEST_MEASURES)}
        self._add(REQUESTS.name, rows)
        new = self._named[ENDPOINTS.name].new(ids)
        if len(new):
            named = {"id": ids[new], "edge": edges[new], **endpoint_rows(batch, new), **unseen(len(new))}
            self._add(ENDPOINTS.name, named)

    def _edges(self, batch: Batch) -> np.ndarray:
        """The id of each row's edge; the log names it, and its workloads."""
        columns, table = batch.columns, batch.tables["workloads"]
        ids = self._names.ids(table)
        clients, servers = (ids[columns[f"{side}.workload.index"]] for side in SIDES)
        ports, transports = columns["server.port"], columns["network.transport"]
        edges = edge_ids(clients, servers, ports, transports)
        used = np.zeros(len(ids), np.bool_)
        for side in SIDES:
            used[columns[f"{side}.workload.index"]] = True
        self._name_workloads(ids[used], dict(zip(ids.tolist(), table, strict=True)))
        parts = {"client": clients, "server": servers, "port": ports, "transport": transports}
        self._name_edges(edges, parts)
        return edges

    def _name_workloads(self, ids: np.ndarray, names: Mapping[int, Workload]) -> None:
        new = ids[self._named[WORKLOADS.name].new(ids)]
        if len(new):
            self._add(WORKLOADS.name, workload_rows(new, [names[id_] for id_ in new.tolist()]))

    def _name_edges(self, edges: np.ndarray, parts: Mapping[str, np.ndarray]) -> None:
        new = self._named[EDGES.name].new(edges)
        if len(new):
            named: Rows = {name: part[new] for name, part in parts.items()}
            self._add(EDGES.name, {"id": edges[new], **named, **unseen(len(new))})

    def _flows(self, batch: Batch) -> None:
        self._add(INSTANCES.name, self._instances.rows(batch, self._ends, self._named[INSTANCES.name]))
        dropped = np.flatnonzero(batch.columns["dropped_segments"])
        if len(dropped):
            self._drops(batch.take(dropped))
        rows = np.flatnonzero(batch.columns["nat.index"])
        if not len(rows):
            return
        part = batch.take(rows)
        edges = self._edges_of(part)
        ways, named = ways_of(part, self._named[WAYS.name])
        self._add(WAYS.name, named)
        self._add(CHAINS.name, chain_rows(part, edges, ways))

    def _drops(self, flows: Batch) -> None:
        """Why packets of these flows were dropped."""
        edges = self._edges_of(flows)
        ids = cause_ids(flows, edges, self._names)
        self._add(DROPS.name, drop_rows(flows, ids))
        new = self._named[DROP_CAUSES.name].new(ids)
        if len(new):
            named = {"id": ids[new], "edge": edges[new], **cause_rows(flows, new), **unseen(len(new))}
            self._add(DROP_CAUSES.name, named)

    def _edges_of(self, flows: Batch) -> np.ndarray:
        """The id of each flow's edge: that of workload rows."""
        clients, servers = (self._ends.workloads(flows, side) for side in SIDES)
        return edge_ids(clients, servers, flows.columns["server.port"], flows.columns["network.transport"])


def presence(node: str, boot: str, second: int) -> Rows:
    """One second in which somebody was there."""
    at = np.array([second], np.int64)
    times = dict.fromkeys(("begin_s", "first_s", "last_s", "part"), at)
    return {"node": [node], "boot": [boot], **times}


def workload_rows(ids: np.ndarray, parts: Sequence[Workload]) -> Rows:
    """What names workloads."""
    texts: dict[str, Any] = {name: [getattr(each, name) for each in parts] for name in Workload._fields}
    return {"id": ids, **texts, **unseen(len(ids))}


def unseen(count: int) -> Rows:
    """Columns that sealing fills."""
    nothing = np.zeros(count, np.int64)
    return {"first_s": nothing, "last_s": nothing, "part": nothing}


def _sums(batch: Batch, names: Sequence[str], measures: Sequence[str]) -> Rows:
    """Each row's second, its sums, and its histograms as lists."""
    columns = batch.columns
    seconds = batch.window - columns["window.late_s"].astype(np.int64)
    rows: Rows = {"begin_s": seconds, "first_s": seconds, "last_s": seconds}
    rows |= {name: columns[name] for name in names}
    for measure in measures:
        rows |= histograms(measure, batch.tables["histograms"], columns[f"{measure}.index"])
    return rows


def histograms(measure: str, table: Histograms, index: np.ndarray) -> Rows:
    """The histogram of each row as two lists."""
    mine = table.take(index)
    return {
        f"{measure}.buckets": Lists(mine.begins, mine.buckets),
        f"{measure}.counts": Lists(mine.begins, mine.counts),
    }
