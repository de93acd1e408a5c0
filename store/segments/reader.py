"""The reading side of a store: DuckDB over its files and what the log has more; another process may write."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from model.errors import TailraceError
from model.kinds.workload import MEASURES, Workload
from store.config import QUERY_MEMORY, QUERY_THREADS
from store.measures import (
    DROP_PARTS,
    DROP_SUMS,
    ENDPOINT_PARTS,
    EVERYTHING,
    MOST,
    REQUEST_MEASURES,
    REQUEST_SUMS,
    SUMS,
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
from store.segments import duck
from store.segments.columns import Table as Columns
from store.segments.definitions import Definitions
from store.segments.gaps import gaps_of
from store.segments.log import FOLDER
from store.segments.manifest import Manifest, Segment, read
from store.segments.memory import give_back
from store.segments.merged_query import merged_query
from store.segments.one_row import one_row_each
from store.segments.parquet.reading import FileReader
from store.segments.rollup import together
from store.segments.sums import Sums
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
    STEPPED,
    STEPS,
    WAYS,
    WORKLOADS,
    Stepped,
    Table,
)
from store.segments.tail import Tail
from store.segments.tiles import finest_steps, tiles_of, widened

#: Attempts to read files of which the writer may remove some meanwhile.
ATTEMPTS: Final = 5
_MINUTE: Final = STEPS[-1]

Answer = TypeVar("Answer")


class SegmentStore:
    """Answers from a folder (``store.reading.Store``). One question at a time; the others wait.

    :param folder: of a store, or one that will be: as long as nothing is there it is empty.
    :param memory: bytes that DuckDB takes at most; ``threads`` of one question.
    :raises TailraceError: if what is there is no store, or of a newer version.
    """

    def __init__(self, folder: Path, memory: int = QUERY_MEMORY, threads: int = QUERY_THREADS) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._connection = duck.Connection(threads, memory)
        self._files = FileReader()
        self._tail = Tail(folder)
        self._manifest = Manifest()
        self._definitions = {
            table.name: Definitions(table, self._sealed)
            for table in (WORKLOADS, EDGES, ENDPOINTS, DROP_CAUSES)
        }
        nothing = np.zeros(0, np.int64)
        self._workloads: tuple[object, Workloads] = None, Workloads(nothing, [], nothing, nothing)
        if (folder / FOLDER).is_dir():
            read(folder)

    def close(self) -> None:
        """Let go."""
        with self._lock:
            self._connection.close()

    def edges(
        self,
        window: Window,
        edges: Sequence[int] | np.ndarray | None = None,
        histograms: bool = True,
        columns: Sequence[str] = (*SUMS, *MOST),
    ) -> Edges:
        """See ``Store``."""
        wanted = [*columns, *(MEASURES if histograms else ())]
        found = self._ask(lambda: self._edges(window, _ids(edges), wanted))
        if edges is None:
            give_back()
        return found

    def series(
        self,
        window: Window,
        step_s: int,
        edges: Sequence[int] | np.ndarray | None = None,
        columns: Sequence[str] = EVERYTHING,
    ) -> Series:
        """See ``Store``."""
        return self._ask(lambda: self._series(ROWS, window, step_s, _ids(edges), columns))

    def endpoints(
        self, window: Window, edges: Sequence[int] | np.ndarray | None = None, histograms: bool = True
    ) -> Endpoints:
        """See ``Store``."""
        wanted = [*REQUEST_SUMS, *(REQUEST_MEASURES if histograms else ())]
        return self._ask(lambda: self._endpoints(window, _ids(edges), wanted))

    def request_series(
        self,
        window: Window,
        step_s: int,
        endpoints: Sequence[int] | np.ndarray | None = None,
        columns: Sequence[str] = (*REQUEST_SUMS, *REQUEST_MEASURES),
    ) -> Series:
        """See ``Store``."""
        return self._ask(lambda: self._series(REQUESTS, window, step_s, _ids(endpoints), columns))

    def drops(self, window: Window, edges: Sequence[int] | np.ndarray | None = None) -> Drops:
        """See ``Store``."""
        return self._ask(lambda: self._drops(window, _ids(edges)))

    def workloads(self) -> Workloads:
        """See ``Store``."""
        rows = self._ask(lambda: self._defined(WORKLOADS))
        made_of, workloads = self._workloads
        if made_of is not rows:
            parts = zip(*(rows[name].tolist() for name in Workload._fields), strict=True)
            workloads = Workloads(
                rows["id"], [Workload(*each) for each in parts], rows["first_s"], rows["last_s"]
            )
            self._workloads = rows, workloads
        return workloads

    def instances(self, window: Window, workloads: Sequence[int] | np.ndarray | None = None) -> Instances:
        """See ``Store``."""
        where = "" if workloads is None else f"where workload in ({_listed(_ids(workloads))})"
        rows = self._ask(lambda: self._table(INSTANCES, where, "workload, first_s, id"))
        seen = (rows["first_s"] < window.to_s) & (rows["last_s"] >= window.from_s)
        rows = {name: column[seen] for name, column in rows.items()}
        parts = zip(*(rows[name].tolist() for name in Instance._fields), strict=True)
        return Instances(
            rows["workload"], [Instance(*each) for each in parts], rows["first_s"], rows["last_s"]
        )

    def chains(self, window: Window, edges: Sequence[int] | np.ndarray | None = None) -> Chains:
        """See ``Store``."""
        wide = Window(window.from_s // _MINUTE * _MINUTE, -(-window.to_s // _MINUTE) * _MINUTE)
        return self._ask(lambda: self._chains(wide, _ids(edges)))

    def reporters(self, window: Window) -> list[str]:
        """See ``Store``."""
        rows = self._ask(lambda: self._table(PRESENCE))
        there = (rows["first_s"] < window.to_s) & (rows["last_s"] >= window.from_s)
        return sorted(set(rows["node"][there].tolist()) - {""})

    def gaps(self, window: Window) -> list[Gap]:
        """See ``Store``."""

        def ask() -> list[Gap]:
            presence, losses = self._kept(PRESENCE), self._kept(LOSSES)
            return gaps_of(presence, losses, window, self._newest_s)

        return self._ask(ask)

    def bounds(self) -> Bounds:
        """See ``Store``."""
        return self._ask(self._bounds)

    @property
    def _newest_s(self) -> int:
        last = self._tail.newest
        return last.newest_s if last else self._manifest.newest_s

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        """Answer from the files that there are; again if the writer put others in their place meanwhile.

        :raises TailraceError: if they cannot be read.
        """
        failed: Exception | None = None
        with self._lock:
            for _ in range(ATTEMPTS):
                try:
                    self._manifest = read(self._folder)
                    whole = self._tail.look(self._manifest.part)
                    if (
                        whole and read(self._folder).part == self._manifest.part
                    ):  # else a log was sealed meanwhile
                        return question()
                except OSError as error:
                    failed = error
                except duck.errors("IOException") as error:
                    failed = error
                except duck.errors() as error:
                    what = f"the store {self._folder} did not answer ({' '.join(str(error).split())})"
                    raise TailraceError(
                        what, "ask for a shorter window, or raise store.query_memory"
                    ) from error
        what = f"cannot read the store {self._folder} ({failed or 'its files change too quickly'})"
        raise TailraceError(what, "check that this user may read it") from failed

    def _sums(self, table: Stepped) -> Sums:
        return Sums(table, self._connection, self._files, self._folder, self._manifest, self._tail)

    def _edges(self, window: Window, ids: np.ndarray | None, columns: Sequence[str]) -> Edges:
        window = widened(self._manifest, window)
        keys, measures = self._sums(ROWS).of(tiles_of(window), 0, ids, columns)
        found = np.asarray(keys["id"])
        return Edges(window, found, *self._edge_ends(found), measures)

    def _edge_ends(self, edges: np.ndarray) -> EdgeEnds:
        named = self._defined(EDGES)
        at = np.searchsorted(named["id"], edges)
        return named["client"][at], named["server"][at], named["port"][at], named["transport"][at]

    def _endpoints(self, window: Window, edges: np.ndarray | None, columns: Sequence[str]) -> Endpoints:
        window = widened(self._manifest, window)
        named = self._defined(ENDPOINTS)
        ids = None if edges is None else named["id"][np.isin(named["edge"], edges)]
        keys, measures = self._sums(REQUESTS).of(tiles_of(window), 0, ids, columns)
        found = np.asarray(keys["id"])
        places = np.searchsorted(named["id"], found)
        parts = {name: named[name][places] for name in ENDPOINT_PARTS}
        of = named["edge"][places]
        return Endpoints(window, found, of, *self._edge_ends(of), parts, measures)

    def _drops(self, window: Window, edges: np.ndarray | None) -> Drops:
        window = widened(self._manifest, window)
        named = self._defined(DROP_CAUSES)
        ids = None if edges is None else named["id"][np.isin(named["edge"], edges)]
        keys, measures = self._sums(DROPS).of(tiles_of(window), 0, ids, DROP_SUMS)
        places = np.searchsorted(named["id"], np.asarray(keys["id"]))
        parts = {name: named[name][places] for name in DROP_PARTS}
        return Drops(window, named["edge"][places], parts, measures[DROP_SUMS[0]].astype(np.int64))

    def _series(
        self, table: Stepped, window: Window, step_s: int, ids: np.ndarray | None, columns: Sequence[str]
    ) -> Series:
        begin, end = window.from_s // _MINUTE * _MINUTE, -(-window.to_s // _MINUTE) * _MINUTE
        kept = int(finest_steps(self._manifest, begin, end).max(initial=1))
        step_s = -(-step_s // kept) * kept
        wide = Window(window.from_s // step_s * step_s, -(-window.to_s // step_s) * step_s)
        of = max(step for step in STEPS if step_s % step == 0)
        keys, measures = self._sums(table).of(tiles_of(wide, [of]), step_s, ids, columns)
        return Series(wide, step_s, keys["begin_s"], keys["id"], measures)

    def _chains(self, window: Window, ids: np.ndarray | None) -> Chains:
        where = f"where begin_s >= {window.from_s} and begin_s < {window.to_s}"
        if ids is not None:
            where += f" and edge in ({_listed(ids)})"
        chains = self._table(CHAINS, where)
        ways = self._table(WAYS)
        hops = {id_: _hops(ways, place) for place, id_ in enumerate(ways["id"].tolist())}
        return _summed_chains(chains, hops)

    def _defined(self, table: Table) -> Mapping[str, np.ndarray]:
        """The rows of a table whose key is an id, in order."""
        tail = self._tail.tables.get(table.name)
        return self._definitions[table.name].rows(self._manifest.of(table.name), tail)

    def _sealed(self, table: Table, segments: Sequence[Segment]) -> Mapping[str, np.ndarray]:
        """The rows of files, one for each key, in order."""
        return self._whole(
            table, [self._files.read(self._folder / each.file, table.types) for each in segments]
        )

    def _kept(self, table: Table) -> Mapping[str, np.ndarray]:
        """The rows of a small table, one for each key, those of the log included."""
        parts = [
            self._files.read(self._folder / each.file, table.types) for each in self._manifest.of(table.name)
        ]
        tail = self._tail.tables.get(table.name)
        return self._whole(table, [*parts, *([tail] if tail else [])])

    def _whole(self, table: Table, parts: Sequence[Columns]) -> Mapping[str, np.ndarray]:
        """One row for each key of all parts."""
        if not parts:
            return _empty(table)
        rows = one_row_each(table, together([{name: part[name] for name in table.types} for part in parts]))
        types = {name: np.object_ if type_ == "text" else type_ for name, type_ in table.types.items()}
        return {name: np.array(rows[name], type_) for name, type_ in types.items()}

    def _table(self, table: Table, where: str = "", order: str = "") -> Mapping[str, np.ndarray]:
        """The rows of a table, one for each key, those of the log included."""
        sources, kept = [], None
        if segments := self._manifest.of(table.name):
            sources.append(duck.files_of([self._folder / each.file for each in segments], table.types))
        if table.name in self._tail.tables:
            kept = duck.register(self._connection(), "tail", self._tail.tables[table.name])
            sources.append("tail")
        names = ", ".join(duck.quoted(name) for name in table.types)
        union = " union all ".join(f"select {names} from {source} {where}" for source in sources)
        if not sources:
            return _empty(table)
        query = merged_query(table, f"({union})") + (f" order by {order}" if order else "")
        found = duck.columns_of(self._connection(), query)
        del kept
        return found

    def _bounds(self) -> Bounds:
        segments = [each for each in self._manifest.segments if each.step_s]
        firsts = {step: [each.begin_s for each in segments if each.step_s == step] for step in STEPS}
        rows = [found for table in STEPPED if (found := self._tail.all_rows(table))]
        tail = [min(int(np.asarray(each["begin_s"]).min()) for each in rows)] if rows else []
        steps = {step: min([*first, *tail]) for step, first in firsts.items() if first or tail}
        last = self._tail.newest
        complete = last.complete_s if last else self._manifest.complete_s
        return Bounds(min(steps.values(), default=0), self._newest_s, complete, steps)


def _ids(ids: Sequence[int] | np.ndarray | None) -> Any:
    return None if ids is None else np.asarray(ids, np.int64)


def _listed(ids: np.ndarray) -> str:
    """Numbers as they stand in a statement; of none, one that no row has."""
    return ", ".join(map(str, ids.tolist())) or "-1"


def _empty(table: Table) -> dict[str, np.ndarray]:
    return {
        name: np.zeros(0, np.object_ if type_.startswith("text") or type_.endswith("[]") else type_)
        for name, type_ in table.types.items()
    }


def _hops(ways: Mapping[str, np.ndarray], place: int) -> tuple[ChainHop, ...]:
    columns = (ways[name][place] for name in ("sources", "destinations", "ports", "rewriters"))
    return tuple(
        ChainHop(source, destination, int(port), rewriter)
        for source, destination, port, rewriter in zip(*columns, strict=True)
    )


def _summed_chains(chains: Mapping[str, np.ndarray], hops: Mapping[int, tuple[ChainHop, ...]]) -> Chains:
    """One row for each edge and way."""
    keys = np.stack((chains["edge"], chains["way"]))
    different, same = np.unique(keys, axis=1, return_inverse=True)
    count = different.shape[1]
    sums = {name: np.zeros(count, np.int64) for name in CHAINS.named("sum")}
    for name, total in sums.items():
        np.add.at(total, same.reshape(-1), chains[name])
    first = np.full(count, np.iinfo(np.int64).max)
    last = np.zeros(count, np.int64)
    np.minimum.at(first, same.reshape(-1), chains["first_s"])
    np.maximum.at(last, same.reshape(-1), chains["last_s"])
    taken = [hops[way] for way in different[1].tolist()]
    return Chains(edges=different[0], hops=taken, first_s=first, last_s=last, **sums)
