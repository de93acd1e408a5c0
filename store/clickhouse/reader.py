"""The reading side: answers from the tables of a server that any number of writers insert into."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, cast

import numpy as np

from model.arrays import Columns
from model.errors import TailraceError
from model.kinds.workload import MEASURES, Workload
from store.clickhouse.definitions import Definitions
from store.clickhouse.kept import Kept
from store.clickhouse.link import Link
from store.clickhouse.native import table_in
from store.clickhouse.preparing import newest_version, refuse_newer
from store.clickhouse.presence import spans_of
from store.clickhouse.statements import chains, losses_in, presence
from store.clickhouse.sums import Sums, listed
from store.clickhouse.tables import (
    DEFINITIONS,
    FORMAT,
    IN_STEPS,
    INSTANCE_SEEN,
    SEEN,
    WORKLOAD_SEEN,
    ServerTable,
)
from store.measures import (
    DROP_PARTS,
    DROP_SUMS,
    ENDPOINT_PARTS,
    EVERYTHING,
    MOST,
    REQUEST_MEASURES,
    REQUEST_SUMS,
    SUMS,
    Measures,
)
from store.reading import (
    Bounds,
    ChainHop,
    Chains,
    Drops,
    EdgeEnds,
    Edges,
    Endpoints,
    Gap,
    Instance,
    Instances,
    Series,
    Window,
    Workloads,
)
from store.segments.columns import Lists, Table
from store.segments.gaps import gaps_of
from store.segments.tables import (
    CHAINS,
    DROP_CAUSES,
    DROPS,
    EDGES,
    ENDPOINTS,
    INSTANCES,
    REQUESTS,
    ROWS,
    STEPS,
    WAYS,
    WORKLOADS,
    Stepped,
)
from store.segments.tiles import Tile, tiles_of

_MINUTE: Final = STEPS[-1]


class ClickHouseStore:
    """Answers from a server (``store.reading.Store``). As long as nobody wrote to its database it is empty.

    :param link: to the server; closed with the store.
    :raises TailraceError: if the server does not answer, or its tables are of a newer version.
    """

    def __init__(self, link: Link, database: str) -> None:
        self._link = link
        self._database = database
        self._lock = threading.Lock()
        self._made = False  # whether the tables are there
        self._drops_kept = False  # those of drops
        self._kept = Kept(self._ask, database)
        self._defined = {name: Definitions(self._definitions(name)) for name in DEFINITIONS}
        nothing = np.zeros(0, np.int64)
        self._workloads = Workloads(nothing, [], nothing, nothing)
        try:
            self._look()
        except TailraceError:
            link.close()
            raise

    def close(self) -> None:
        """Let go."""
        self._link.close()

    def edges(
        self,
        window: Window,
        edges: Sequence[int] | np.ndarray | None = None,
        histograms: bool = True,
        columns: Sequence[str] = (*SUMS, *MOST),
    ) -> Edges:
        """See ``Store``."""
        self._look()
        parts = self._kept.open_parts()
        window = self._kept.widened(window)
        wanted = [*columns, *(MEASURES if histograms else ())]
        question = Sums(ROWS, self._database, parts, 0, _ids(edges), wanted)
        keys, measures = self._sums(question, tiles_of(window))
        ids = np.asarray(keys["id"])
        return Edges(window, ids, *self._edge_ends(ids), measures)

    def _edge_ends(self, edges: np.ndarray) -> EdgeEnds:
        named = self._named(EDGES.name, edges)
        clients, servers = named["client"].astype(np.int64), named["server"].astype(np.int64)
        return clients, servers, named["port"], named["transport"]

    def endpoints(
        self, window: Window, edges: Sequence[int] | np.ndarray | None = None, histograms: bool = True
    ) -> Endpoints:
        """See ``Store``."""
        self._look()
        parts = self._kept.open_parts()
        window = self._kept.widened(window)
        wanted = [*REQUEST_SUMS, *(REQUEST_MEASURES if histograms else ())]
        of_edges = _ids(edges)
        table = self._of(DEFINITIONS[ENDPOINTS.name])
        condition = listed("edge", of_edges).removeprefix(" AND ")
        within = f" AND endpoint IN (SELECT id FROM {table} WHERE {condition})" if condition else ""
        question = Sums(REQUESTS, self._database, parts, 0, None, wanted, within)
        keys, measures = self._sums(question, tiles_of(window))
        ids = np.asarray(keys["id"])
        named = self._named(ENDPOINTS.name, ids)
        mine = named["edge"].astype(np.int64)
        of = {name: named[name] for name in ENDPOINT_PARTS}
        found = Endpoints(window, ids, mine, *self._edge_ends(mine), of, measures)
        return found if of_edges is None else found.take(np.flatnonzero(np.isin(mine, of_edges)))

    def drops(self, window: Window, edges: Sequence[int] | np.ndarray | None = None) -> Drops:
        """See ``Store``."""
        self._look()
        window = self._kept.widened(window)
        table = self._of(DEFINITIONS[DROP_CAUSES.name])
        condition = listed("edge", _ids(edges)).removeprefix(" AND ")
        within = f" AND cause IN (SELECT id FROM {table} WHERE {condition})" if condition else ""
        question = Sums(DROPS, self._database, self._kept.open_parts(), 0, None, DROP_SUMS, within)
        keys, measures = self._sums(question, tiles_of(window) if self._has_drops() else [])
        named = self._named(DROP_CAUSES.name, np.asarray(keys["id"]))
        mine = np.flatnonzero(
            np.ones(len(keys["id"]), np.bool_) if edges is None else np.isin(named["edge"], edges)
        )
        parts = {name: named[name][mine] for name in DROP_PARTS}
        packets = measures[DROP_SUMS[0]].astype(np.int64)
        return Drops(window, named["edge"][mine].astype(np.int64), parts, packets[mine])

    def _has_drops(self) -> bool:
        """Whether a program has written here that keeps them: those who read may be newer."""
        if not self._drops_kept:
            table = self._of(IN_STEPS[DROPS.name][STEPS[-1]])
            self._drops_kept = bool(_numbers(self._ask(f"EXISTS TABLE {table}"), "result").any())
        return self._drops_kept

    def series(
        self,
        window: Window,
        step_s: int,
        edges: Sequence[int] | np.ndarray | None = None,
        columns: Sequence[str] = EVERYTHING,
    ) -> Series:
        """See ``Store``."""
        return self._series(ROWS, window, step_s, _ids(edges), columns)

    def request_series(
        self,
        window: Window,
        step_s: int,
        endpoints: Sequence[int] | np.ndarray | None = None,
        columns: Sequence[str] = (*REQUEST_SUMS, *REQUEST_MEASURES),
    ) -> Series:
        """See ``Store``."""
        return self._series(REQUESTS, window, step_s, _ids(endpoints), columns)

    def _series(
        self, table: Stepped, window: Window, step_s: int, ids: np.ndarray | None, columns: Sequence[str]
    ) -> Series:
        self._look()
        parts = self._kept.open_parts()
        (kept,) = self._kept.finest([_whole_minutes(window)])
        step_s = -(-step_s // kept) * kept
        wide = Window(window.from_s // step_s * step_s, -(-window.to_s // step_s) * step_s)
        of = max(step for step in STEPS if step_s % step == 0)
        question = Sums(table, self._database, parts, step_s, ids, columns)
        keys, measures = self._sums(question, tiles_of(wide, [of]))
        return Series(wide, step_s, np.asarray(keys["begin_s"]), np.asarray(keys["id"]), measures)

    def workloads(self) -> Workloads:
        """See ``Store``."""
        ids, first, last = self._seen(WORKLOAD_SEEN)
        with self._lock:
            known = self._workloads
            same = np.array_equal(ids, known.ids)
            if same and np.array_equal(first, known.first_s) and np.array_equal(last, known.last_s):
                return known
            parts = known.parts if same else self._parts(ids)
            self._workloads = Workloads(ids, parts, first, last)
            return self._workloads

    def instances(self, window: Window, workloads: Sequence[int] | np.ndarray | None = None) -> Instances:
        """See ``Store``."""
        ids, first, last = self._seen(INSTANCE_SEEN, f"a < {window.to_s} AND b >= {window.from_s}")
        places, rows = self._defined[INSTANCES.name].of(ids)
        wanted = places >= 0  # what has no name at all is no instance
        if workloads is not None and rows:
            of = cast(np.ndarray, rows["workload"])[places[wanted]]
            wanted[wanted] = np.isin(of, np.asarray(workloads, np.int64))
        ids, first, last, places = (each[wanted] for each in (ids, first, last, places))
        mine = cast(np.ndarray, rows["workload"])[places] if rows else ids
        order = np.lexsort((ids, first, mine))
        texts = [cast(Sequence[str], rows[name]) for name in Instance._fields] if rows else []
        parts = [Instance(*(each[place] for each in texts)) for place in places[order].tolist()]
        return Instances(mine[order], parts, first[order], last[order])

    def chains(self, window: Window, edges: Sequence[int] | np.ndarray | None = None) -> Chains:
        """See ``Store``."""
        self._look()
        ids = _ids(edges)
        found = self._ask(chains(self._database, self._kept.open_parts(), _whole_minutes(window), ids))
        sums = {name: _numbers(found, f"s{place}") for place, name in enumerate(CHAINS.named("sum"))}
        columns = {
            "edges": _numbers(found, "edge"),
            "first_s": _numbers(found, "f"),
            "last_s": _numbers(found, "l"),
        }
        ways = _numbers(found, "way")
        mask = np.ones(len(ways), np.bool_) if ids is None else np.isin(columns["edges"], ids)
        hops = list(self._hops(ways[mask]))
        return Chains(hops=hops, **{name: column[mask] for name, column in (columns | sums).items()})

    def reporters(self, window: Window) -> list[str]:
        """See ``Store``."""
        there = self._there(window)
        seen = (there["first_s"] < window.to_s) & (there["last_s"] >= window.from_s)
        return sorted(set(there["node"][seen].tolist()) - {""})

    def gaps(self, window: Window) -> list[Gap]:
        """See ``Store``."""
        there = self._there(window)
        lost = self._ask(losses_in(self._database, window))
        losses = {name: np.array(lost.get(name, []), np.object_) for name in ("node", "stage", "reason")}
        losses |= {
            name: _numbers(lost, said) for name, said in (("lost", "n"), ("first_s", "f"), ("last_s", "l"))
        }
        return gaps_of(there, losses, window, self._kept.newest_s())

    def _there(self, window: Window) -> dict[str, np.ndarray]:
        """When each node, and the store itself (empty), was there, around the window."""
        self._look()
        found = self._ask(presence(self._database, self._kept.open_parts(), _whole_minutes(window)))
        nodes, node_of = np.unique(np.array(found.get("node", []), np.object_), return_inverse=True)
        times = spans_of(node_of, _numbers(found, "at"), _numbers(found, "s").astype(np.uint64))
        return {"node": nodes[times[0]], "first_s": times[1], "last_s": times[2]}

    def bounds(self) -> Bounds:
        """See ``Store``."""
        self._look()
        return self._kept.bounds()

    def _look(self) -> None:
        """Whether the tables are there by now.

        :raises TailraceError: if they are of a newer version.
        """
        if self._made:
            return
        said = _numbers(table_in(self._link.ask(f"EXISTS TABLE {self._of(FORMAT)} FORMAT Native")), "result")
        if said.any():
            version = table_in(self._link.ask(f"{newest_version(self._database)} FORMAT Native"))
            refuse_newer(str(int(_numbers(version, "v")[0])), f"ClickHouse, database {self._database}")
            self._made = True

    def _ask(self, statement: str) -> Table:
        """The rows of an answer; none as long as there are no tables."""
        return table_in(self._link.ask(f"{statement} FORMAT Native")) if self._made else {}

    def _of(self, table: ServerTable) -> str:
        return f"{self._database}.{table.name}"

    def _sums(self, question: Sums, tiles: Sequence[Tile]) -> tuple[Columns, Measures]:
        statement = question.statement(tiles)
        return question.answer(self._ask(statement) if statement else {})

    def _definitions(self, name: str) -> Callable[[np.ndarray | None], Table]:
        columns = ", ".join(column for column in DEFINITIONS[name].types if column != "written")

        def read(ids: np.ndarray | None) -> Table:
            return self._ask(
                f"SELECT {columns} FROM {self._of(DEFINITIONS[name])} FINAL WHERE 1{listed('id', ids)}"
            )

        return read

    def _named(self, name: str, ids: np.ndarray) -> Mapping[str, np.ndarray]:
        """The definitions of these ids, in their order.

        :raises TailraceError: if somebody removed one.
        """
        places, rows = self._defined[name].of(ids)
        if (places < 0).any():
            what = f"table {self._of(DEFINITIONS[name])} lacks rows that others name"
            raise TailraceError(what, "restore it from a backup, or let rows of that time end")
        types = DEFINITIONS[name].types
        return {
            each: np.asarray(rows[each], object if type_ == "text" else None)[places] if rows else np.zeros(0)
            for each, type_ in types.items()
            if not type_.endswith("[]") and each != "written"
        }

    def _parts(self, ids: np.ndarray) -> list[Workload]:
        named = self._named(WORKLOADS.name, ids)
        return [
            Workload(*each) for each in zip(*(named[name].tolist() for name in Workload._fields), strict=True)
        ]

    def _seen(self, what: int, having: str = "1") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ids, first and last seconds."""
        self._look()
        found = self._ask(
            f"SELECT id, min(at) AS a, max(at) AS b FROM {self._of(SEEN)} WHERE what = {what} GROUP BY id "
            f"HAVING {having} ORDER BY id"
        )
        ids, first, last = (_numbers(found, name) for name in ("id", "a", "b"))
        return ids, first, last

    def _hops(self, ways: np.ndarray) -> Iterator[tuple[ChainHop, ...]]:
        places, rows = self._defined[WAYS.name].of(ways)
        for place in places.tolist():
            columns = [
                _list_at(cast(Lists, rows[name]), place)
                for name in ("sources", "destinations", "ports", "rewriters")
            ]
            yield tuple(
                ChainHop(source, destination, int(port), rewriter)
                for source, destination, port, rewriter in zip(*columns, strict=True)
            )


def _ids(ids: Sequence[int] | np.ndarray | None) -> np.ndarray | None:
    return None if ids is None else np.unique(np.asarray(ids, np.int64))


def _whole_minutes(window: Window) -> Window:
    return Window(window.from_s // _MINUTE * _MINUTE, -(-window.to_s // _MINUTE) * _MINUTE)


def _numbers(found: Table, name: str) -> np.ndarray:
    return cast(np.ndarray, found[name]) if found else np.zeros(0, np.int64)


def _list_at(lists: Lists, place: int) -> list[str]:
    return list(lists.values[int(lists.offsets[place]) : int(lists.offsets[place + 1])])
