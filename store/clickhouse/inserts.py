"""A frame becomes rows of the tables in ClickHouse; pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, cast

import numpy as np

from store.clickhouse.tables import (
    BLOCK_S,
    CHAINS_NEW,
    DEFINITIONS,
    IN_STEPS,
    INSTANCE_SEEN,
    LOST,
    PRESENCE_NEW,
    SEEN,
    WORKLOAD_SEEN,
    ServerTable,
)
from store.reading import Instance
from store.segments.columns import Column, Lists, Table, rows_of, taken
from store.segments.frames import Frame
from store.segments.rollup import numbers, spans, together
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

_DAY: Final = 86_400
_MINUTE: Final = 60
#: Rows of one frame and table at most: the rest of a row's number is the frame's.
_FRAME_BITS: Final = 32


class Insert(NamedTuple):
    """Rows for one table."""

    table: ServerTable
    rows: Table


class Place(NamedTuple):
    """Where rows of a frame stand.

    :param frame: its number, of this writer; a later frame has a greater one.
    :param written_s: when the part was begun.
    """

    writer: int
    part: int
    frame: int
    written_s: int

    @property
    def number(self) -> int:
        """Of its first row."""
        return self.frame << _FRAME_BITS

    def columns(self, count: int) -> dict[str, Column]:
        """The identity of so many rows."""
        return {
            "writer": np.full(count, self.writer, np.uint64),
            "part": np.full(count, self.part, np.uint32),
            "number": np.arange(self.number, self.number + count, dtype=np.uint64),
            "written": np.full(count, self.written_s, np.uint32),
        }


class Ends:
    """The workloads at the ends of edges, and of the edges of endpoints, as frames name them."""

    def __init__(self) -> None:
        self._ids, self._clients, self._servers = (np.zeros(0, np.int64) for _ in range(3))

    def learn(self, tables: Mapping[str, Table]) -> None:
        """Rows of ``EDGES`` and ``ENDPOINTS``."""
        if EDGES.name in tables:
            edges = tables[EDGES.name]
            self._add(*(numbers(edges, name) for name in ("id", "client", "server")))
        if ENDPOINTS.name in tables:
            endpoints = tables[ENDPOINTS.name]
            self._add(numbers(endpoints, "id"), *np.split(self.of(numbers(endpoints, "edge")), 2))

    def _add(self, ids: np.ndarray, clients: np.ndarray, servers: np.ndarray) -> None:
        self._ids, first = np.unique(np.concatenate((self._ids, ids)), return_index=True)
        self._clients = np.concatenate((self._clients, clients))[first]
        self._servers = np.concatenate((self._servers, servers))[first]

    def of(self, ids: np.ndarray) -> np.ndarray:
        """The clients of these, then their servers; shape (2 * ids,)."""
        places = np.searchsorted(self._ids, ids)
        return np.concatenate((self._clients[places], self._servers[places]))


def inserts_of(frame: Frame, place: Place, ends: Ends) -> Iterator[Insert]:
    """What ids stand for first, the rows of edges last: who reads them finds the others."""
    tables = frame.tables
    ends.learn(tables)
    for kind in (WORKLOADS, EDGES, ENDPOINTS, DROP_CAUSES, WAYS, INSTANCES):
        if kind.name in tables and (rows := _defining(tables[kind.name], place)):
            yield Insert(DEFINITIONS[kind.name], rows)
    if seen := list(_seen(tables, place, ends)):
        yield Insert(SEEN, together(seen))
    if LOSSES.name in tables:
        yield Insert(LOST, _losses(tables[LOSSES.name], place))
    in_seconds = ((kind, IN_STEPS[kind.name][1]) for kind in (DROPS, REQUESTS, ROWS))
    for kind, table in ((PRESENCE, PRESENCE_NEW), (CHAINS, CHAINS_NEW), *in_seconds):
        if kind.name in tables:
            rows = tables[kind.name]
            yield Insert(table, {**rows, **_derived(rows), **place.columns(rows_of(rows))})


def _derived(rows: Table) -> dict[str, Column]:
    """The columns that follow from others: of rows of edges, and of presence."""
    begins = numbers(rows, "begin_s")
    if "node" not in rows:
        return {"block": begins // BLOCK_S}
    bits = np.left_shift(np.uint64(1), (begins % _MINUTE).astype(np.uint64))
    return {"begin_s": begins // _MINUTE * _MINUTE, "seconds": bits}


def _defining(rows: Table, place: Place) -> Table:
    """Those that say what an id stands for: of instances, not those that were named before."""
    if "pod" in rows:
        texts = [cast(Sequence[str], rows[name]) for name in Instance._fields]
        named = [row for row, each in enumerate(zip(*texts, strict=True)) if any(each)]
        rows = {name: taken(column, np.array(named, np.int64)) for name, column in rows.items()}
    count = rows_of(rows)
    return {**rows, "written": np.full(count, place.written_s, np.uint32)} if count else {}


def _seen(tables: Mapping[str, Table], place: Place, ends: Ends) -> Iterator[Table]:
    """The first and the last second of workloads and instances, by day."""
    used = [(tables[kind.name], kind.id) for kind in (ROWS, REQUESTS) if kind.name in tables]
    if used:
        times: Table = {
            name: np.concatenate([np.tile(numbers(rows, name), 2) for rows, _ in used])
            for name in ("first_s", "last_s")
        }
        ids = np.concatenate([ends.of(numbers(rows, id_)) for rows, id_ in used])
        yield from _spans(times, ids, WORKLOAD_SEEN, place)
    if INSTANCES.name in tables:
        rows = tables[INSTANCES.name]
        yield from _spans(rows, numbers(rows, "id"), INSTANCE_SEEN, place)


def _spans(times: Table, of: np.ndarray, what: int, place: Place) -> Iterator[Table]:
    ids, first, last = spans(times, of)
    for end, at in enumerate((first, last)):
        rank = at if end else (1 << 40) - at
        yield {
            "what": np.full(len(ids), what, np.uint8),
            "id": ids,
            "day": at // _DAY,
            "end": np.full(len(ids), end, np.uint8),
            "at": at,
            "rank": rank.astype(np.uint64),
            "written": np.full(len(ids), place.written_s, np.uint32),
        }


def _losses(rows: Table, place: Place) -> Table:
    """Those of the store are this writer's own."""
    nodes = cast(Sequence[str], rows["node"])
    writers = np.array([0 if node else place.writer for node in nodes], np.uint64)
    return {**rows, "writer": writers, "written": np.full(len(nodes), place.written_s, np.uint32)}


def texts_of(groups: Sequence[Sequence[str]]) -> Lists:
    """A list of texts for each row."""
    offsets = np.concatenate(([0], np.cumsum([len(each) for each in groups]))).astype(np.int64)
    return Lists(offsets, [text for each in groups for text in each])
