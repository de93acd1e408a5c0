"""Rows of edges summed up by DuckDB, from files and from the log."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from model.arrays import Columns
from model.histogram import Histograms
from model.kinds.workload import MEASURES
from store.measures import MOST, SUMS, Measures
from store.segments import duck
from store.segments.columns import Table
from store.segments.duck import quoted
from store.segments.manifest import Manifest
from store.segments.tables import ROWS
from store.segments.tiles import Tile

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Ids that are listed in a statement; more are looked up in a table.
_LISTED: Final = 64


class Sums:
    """One question.

    :param tail: rows of logs that are not sealed, in steps of a second; None: there are none.
    """

    def __init__(
        self, connection: "DuckDBPyConnection", folder: Path, manifest: Manifest, tail: Table | None
    ) -> None:
        self._connection = connection
        self._folder = folder
        self._manifest = manifest
        self._tail = tail

    def of(
        self, tiles: Sequence[Tile], step_s: int, ids: np.ndarray | None, histograms: bool
    ) -> tuple[Columns, Measures]:
        """Sums for each edge, or for each edge and step.

        :param tiles: whose rows are summed; those of the log by their seconds.
        :param step_s: 0: all of an edge together.
        :param ids: of the edges; None: all.
        :return: ``edge`` and, by steps, ``begin_s`` of each row, in the order of step and edge.
        """
        kept = []
        if self._tail is not None:
            kept.append(duck.register(self._connection, "tail", self._tail))
        if ids is not None and len(ids) > _LISTED:
            kept.append(duck.register(self._connection, "wanted", {"id": np.unique(ids)}))
        key = ["begin_s", "edge"] if step_s else ["edge"]
        columns = self._columns(tiles, step_s, ids, key)
        keys = {name: columns.pop(name) for name in key}
        table, indexes = Histograms(), {f"{name}.index": _nothing(columns) for name in MEASURES}
        if histograms and len(keys["edge"]):
            table, indexes = self._histograms(tiles, step_s, ids, keys)
        del kept
        return keys, Measures(columns | indexes, table)

    def _columns(self, tiles: Sequence[Tile], step_s: int, ids: np.ndarray | None, key: list[str]) -> Columns:
        sums = [f"coalesce(sum({quoted(name)}), 0)::ubigint as {quoted(name)}" for name in SUMS]
        most = [f"coalesce(max({quoted(name)}), 0)::ubigint as {quoted(name)}" for name in MOST]
        times = ["min(first_s) as first_s", "max(last_s) as last_s"]
        source = self._source(tiles, step_s, ids, [*SUMS, *MOST], times=True)
        if not source:
            names = [*key, *ROWS.named("least"), *ROWS.named("most"), *SUMS]
            return {
                name: np.zeros(0, "<i8" if name in (*key, "first_s", "last_s") else "<u8") for name in names
            }
        by = ", ".join(key)
        query = (
            f"select {', '.join([*key, *sums, *most, *times])} from ({source}) group by {by} order by {by}"
        )
        return dict(duck.columns_of(self._connection, query))

    def _histograms(
        self, tiles: Sequence[Tile], step_s: int, ids: np.ndarray | None, keys: Columns
    ) -> tuple[Histograms, Columns]:
        """The histograms of both measures of all rows, one table."""
        count, parts = len(keys["edge"]), []
        indexes: Columns = {}
        for place, measure in enumerate(MEASURES):
            rows, buckets, counts = self._buckets(measure, tiles, step_s, ids, keys)
            held = np.bincount(rows, minlength=count) != 0
            numbers = np.arange(1, count + 1) + place * count
            indexes[f"{measure}.index"] = np.where(held, numbers, 0).astype(np.uint32)
            parts.append((rows + 1 + place * count, buckets, counts))
        numbers, buckets, counts = (np.concatenate(each) for each in zip(*parts, strict=True))
        begins = np.searchsorted(numbers, np.arange(len(MEASURES) * count + 2))
        return Histograms(begins, buckets, counts), indexes

    def _buckets(
        self, measure: str, tiles: Sequence[Tile], step_s: int, ids: np.ndarray | None, keys: Columns
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row, bucket and count of all that is in a measure's histograms, in this order."""
        names = [f"{measure}.buckets", f"{measure}.counts"]
        source = self._source(tiles, step_s, ids, names, times=False)
        key = list(keys)
        unnested = (
            f"select {', '.join(key)}, unnest({quoted(names[0])}) as bucket, unnest({quoted(names[1])}) as held "
            f"from ({source})"
        )
        by = ", ".join([*key, "bucket"])
        query = f"select {by}, sum(held)::bigint as held from ({unnested}) group by {by} order by {by}"
        found = duck.columns_of(self._connection, query)
        return _places(keys, found), found["bucket"].astype(np.int64), found["held"]

    def _source(
        self, tiles: Sequence[Tile], step_s: int, ids: np.ndarray | None, names: list[str], times: bool
    ) -> str:
        """The rows as a statement; empty if there can be none."""
        begin = f"begin_s // {step_s} * {step_s} as begin_s" if step_s else "begin_s"
        columns = [f"edge, {begin}", *map(quoted, names)]
        parts = []
        for tile in tiles:
            paths = [
                self._folder / each.file
                for each in self._manifest.of(ROWS.name, tile.step_s)
                if tile.holds(each)
            ]
            where = _where(tile, ids)
            if paths:
                seen = _SEEN_1S if tile.step_s == 1 else _SEEN
                picked = ", ".join([*columns, *(seen if times else [])])
                parts.append(f"select {picked} from {duck.files(paths)} where {where}")
            if self._tail is not None:
                picked = ", ".join([*columns, *(_SEEN if times else [])])
                parts.append(f"select {picked} from tail where {where}")
        return " union all ".join(parts)


_SEEN: Final = ["first_s", "last_s"]
#: Files in steps of a second do without: it is the same.
_SEEN_1S: Final = ["begin_s as first_s", "begin_s as last_s"]


def _nothing(columns: Columns) -> np.ndarray:
    return np.zeros(len(columns["bytes"]), np.uint32)


def _where(tile: Tile, ids: np.ndarray | None) -> str:
    where = f"begin_s >= {tile.from_s} and begin_s < {tile.to_s}"
    if ids is None:
        return where
    if len(ids) > _LISTED:
        return f"{where} and edge in (select id from wanted)"
    return f"{where} and edge in ({', '.join(map(str, ids.tolist())) or '-1'})"


def _places(keys: Columns, found: Mapping[str, np.ndarray]) -> np.ndarray:
    """The row of each entry; both are in the order of the keys."""
    changes = np.zeros(len(found["edge"]), np.bool_)
    for name in keys:
        changes[1:] |= found[name][1:] != found[name][:-1]
    groups = np.cumsum(changes)
    first = np.flatnonzero(np.concatenate(([True], changes[1:]))) if len(groups) else np.zeros(0, np.int64)
    rows = _rows_of(keys, {name: found[name][first] for name in keys})
    return rows[groups] if len(groups) else np.zeros(0, np.int64)


def _rows_of(keys: Columns, wanted: Columns) -> np.ndarray:
    """The places of keys among others of which they are some, both in order."""
    if len(keys) == 1:
        return np.searchsorted(keys["edge"], wanted["edge"])
    steps = np.unique(keys["begin_s"])
    bounds = np.append(np.searchsorted(keys["begin_s"], steps), len(keys["edge"]))
    found = np.zeros(len(wanted["edge"]), np.int64)
    mine = np.append(np.searchsorted(wanted["begin_s"], steps), len(found))
    for place in range(len(steps)):
        here = slice(int(mine[place]), int(mine[place + 1]))
        edges = keys["edge"][bounds[place] : bounds[place + 1]]
        found[here] = bounds[place] + np.searchsorted(edges, wanted["edge"][here])
    return found
