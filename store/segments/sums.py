"""Rows in steps summed up, here or by DuckDB, from files and from the log."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from model.arrays import Columns
from model.histogram import Histograms
from store.measures import Measures
from store.segments import duck
from store.segments.columns import Table, rows_of, taken
from store.segments.duck import quoted
from store.segments.manifest import Manifest
from store.segments.parquet.reading import FileReader
from store.segments.picked_rows import picked_rows
from store.segments.plain_rows import histograms_of, keyed, no_histograms
from store.segments.rollup import together
from store.segments.tables import Stepped
from store.segments.tail import Tail
from store.segments.tiles import Tile

#: Ids that are listed in a statement; more are looked up in a table.
_LISTED: Final = 64
#: Rows up to which they are read as they are and put together here: groups in DuckDB cost more than so few rows.
PLAIN_ROWS: Final = 20_000
#: Values up to which rows of all ids are, without what the log has; then DuckDB need not be loaded for a map.
PLAIN_CELLS: Final = 4_000_000


class Sums:
    """One question.

    :param table: that is asked.
    :param tail: has the rows of logs that are not sealed, in steps of a second.
    """

    def __init__(
        self,
        table: Stepped,
        connection: duck.Connection,
        files: FileReader,
        folder: Path,
        manifest: Manifest,
        tail: Tail,
    ) -> None:
        self._table = table
        self._connection = connection
        self._files = files
        self._folder = folder
        self._manifest = manifest
        self._tail = tail
        self._has_tail = False

    def of(
        self, tiles: Sequence[Tile], step_s: int, ids: np.ndarray | None, columns: Sequence[str]
    ) -> tuple[Columns, Measures]:
        """Sums for each id, or for each id and step.

        :param tiles: whose rows are summed; those of the log by their seconds.
        :param step_s: 0: all of an id together.
        :param ids: None: all.
        :param columns: the sums that are wanted, and the measures whose histograms are.
        :return: ``id`` and, by steps, ``begin_s`` of each row, in the order of step and id.
        """
        kept = []
        key = ["begin_s", "id"] if step_s else ["id"]
        names = [*self._table.key, "first_s", "last_s", *self._table.summed(columns)]
        lists = self._table.lists(columns)
        tail = self._tail.rows(self._table, ids, [*names, *lists])
        if self._are_few(tiles, ids, len(names) + len(lists)):
            return self._folded(tiles, step_s, ids, columns, key, tail)
        self._has_tail = tail is not None
        if tail is not None:
            kept.append(duck.register(self._connection(), "tail", tail))
        if ids is not None and len(ids) > _LISTED:
            kept.append(duck.register(self._connection(), "wanted", {"id": np.unique(ids)}))
        answer = self._grouped(tiles, step_s, ids, columns, key)
        del kept
        return answer

    def _are_few(self, tiles: Sequence[Tile], ids: np.ndarray | None, columns: int) -> bool:
        """Whether it is cheaper to read rows as they are."""
        if ids is not None:
            return len(ids) * sum((to - at) // step for step, at, to in tiles) <= PLAIN_ROWS
        rows = sum(
            each.rows
            for tile in tiles
            for each in self._manifest.of(self._table.name, tile.step_s)
            if tile.holds(each)
        )
        return rows * columns <= PLAIN_CELLS

    def _folded(
        self,
        tiles: Sequence[Tile],
        step_s: int,
        ids: np.ndarray | None,
        columns: Sequence[str],
        key: list[str],
        tail: Table | None,
    ) -> tuple[Columns, Measures]:
        """Rows as they are, put together here."""
        names, lists = self._table.summed(columns), self._table.lists(columns)
        ids = None if ids is None else np.unique(ids)
        tables: list[Table] = [
            table
            for tile in tiles
            for table in picked_rows(
                self._files, self._folder, self._manifest, self._table, tile, ids, [*names, *lists]
            )
        ]
        if tail is not None:
            seconds = np.asarray(tail["begin_s"])
            held = np.zeros(len(seconds), bool)
            for tile in tiles:
                held |= (seconds >= tile.from_s) & (seconds < tile.to_s)
            if ids is not None:
                held &= np.isin(np.asarray(tail[self._table.id]), ids)
            places = np.flatnonzero(held)
            all_of_it = len(places) == len(held)
            tables.append(
                tail if all_of_it else {name: taken(column, places) for name, column in tail.items()}
            )
        tables = [table for table in tables if rows_of(table)]
        if not tables:
            return self._nothing(key, names)
        found = together([{name: table[name] for name in tables[0]} for table in tables])
        del tables
        stored = {"id": self._table.id, "begin_s": "begin_s"}
        by: Columns = {name: np.asarray(found[stored[name]]).astype(np.int64, copy=False) for name in key}
        if step_s:
            by["begin_s"] = by["begin_s"] // step_s * step_s
        keys, groups = keyed(by)
        histograms, indexes = histograms_of(self._table, found)
        plain = {name: np.asarray(found[name]) for name in ("first_s", "last_s", *names)}
        summed = Measures(plain | indexes, histograms).summed(groups, len(keys["id"]))
        types = dict.fromkeys(names, "<u8") | {"first_s": "<i8", "last_s": "<i8"}
        wide = {name: summed[name].astype(type_, copy=False) for name, type_ in types.items()}
        return keys, Measures(summed.columns | wide, summed.histograms)

    def _grouped(
        self,
        tiles: Sequence[Tile],
        step_s: int,
        ids: np.ndarray | None,
        columns: Sequence[str],
        key: list[str],
    ) -> tuple[Columns, Measures]:
        """Summed by DuckDB."""
        keys, found = self._columns(tiles, step_s, ids, key, columns)
        table, indexes = Histograms(), no_histograms(self._table, len(keys["id"]))
        measures = [name for name in self._table.measures if name in columns]
        if measures and len(keys["id"]):
            table, some = self._histograms(tiles, step_s, ids, keys, measures)
            indexes |= some
        return keys, Measures(found | indexes, table)

    def _columns(
        self,
        tiles: Sequence[Tile],
        step_s: int,
        ids: np.ndarray | None,
        key: list[str],
        columns: Sequence[str],
    ) -> tuple[Columns, Columns]:
        names, most = self._table.summed(columns), self._table.named("most")
        over = {name: "max" if name in most else "sum" for name in names}
        picked = [
            *key,
            *(f"coalesce({over[name]}({quoted(name)}), 0)::ubigint as {quoted(name)}" for name in names),
            "min(first_s)::bigint as first_s",
            "max(last_s)::bigint as last_s",
        ]
        by = ", ".join(key)

        def query(alike: bool) -> str:
            source = self._source(tiles, step_s, ids, names, times=True, alike=alike)
            return f"select {', '.join(picked)} from ({source}) group by {by} order by {by}" if source else ""

        found = self._answered(query)
        if found is None:
            keys, measures = self._nothing(key, names)
            return keys, measures.columns
        return {name: found[name] for name in key}, {
            name: column for name, column in found.items() if name not in key
        }

    def _nothing(self, key: list[str], names: Sequence[str]) -> tuple[Columns, Measures]:
        keys: Columns = {name: np.zeros(0, np.int64) for name in key}
        times = {name: np.zeros(0, np.int64) for name in ("first_s", "last_s")}
        sums = {name: np.zeros(0, np.uint64) for name in names}
        return keys, Measures(times | sums | no_histograms(self._table, 0), Histograms())

    def _answered(self, query: Callable[[bool], str]) -> Columns | None:
        """The answer to a statement, or None if there is none.

        :param query: makes it, for files of the same columns, and for those of which older ones lack some.
        """
        statement = query(True)
        if not statement:
            return None
        try:
            return dict(duck.columns_of(self._connection(), statement))
        except duck.errors("BinderException", "InvalidInputException"):
            return dict(duck.columns_of(self._connection(), query(False)))

    def _histograms(
        self,
        tiles: Sequence[Tile],
        step_s: int,
        ids: np.ndarray | None,
        keys: Columns,
        measures: Sequence[str],
    ) -> tuple[Histograms, Columns]:
        """The histograms of these measures of all rows, one table."""
        count, parts = len(keys["id"]), []
        indexes: Columns = {}
        for place, measure in enumerate(measures):
            rows, buckets, counts = self._buckets(measure, tiles, step_s, ids, keys)
            held = np.bincount(rows, minlength=count) != 0
            numbers = np.arange(1, count + 1) + place * count
            indexes[f"{measure}.index"] = np.where(held, numbers, 0).astype(np.uint32)
            parts.append((rows + 1 + place * count, buckets, counts))
        numbers, buckets, counts = (np.concatenate(each) for each in zip(*parts, strict=True))
        begins = np.searchsorted(numbers, np.arange(len(measures) * count + 2))
        return Histograms(begins, buckets, counts), indexes

    def _buckets(
        self, measure: str, tiles: Sequence[Tile], step_s: int, ids: np.ndarray | None, keys: Columns
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row, bucket and count of all that is in a measure's histograms, in this order."""
        names = [f"{measure}.buckets", f"{measure}.counts"]
        key = list(keys)
        by = ", ".join([*key, "bucket"])

        def query(alike: bool) -> str:
            source = self._source(tiles, step_s, ids, names, times=False, alike=alike)
            unnested = (
                f"select {', '.join(key)}, unnest({quoted(names[0])}) as bucket, "
                f"unnest({quoted(names[1])}) as held from ({source})"
            )
            return f"select {by}, sum(held)::bigint as held from ({unnested}) group by {by} order by {by}"

        found = self._answered(query)
        assert found is not None
        return _places(keys, found), found["bucket"].astype(np.int64), found["held"]

    def _source(
        self,
        tiles: Sequence[Tile],
        step_s: int,
        ids: np.ndarray | None,
        names: list[str],
        *,
        times: bool,
        alike: bool,
    ) -> str:
        """The rows as a statement; empty if there can be none."""
        begin = f"begin_s // {step_s} * {step_s} as begin_s" if step_s else "begin_s"
        columns = [f"{self._table.id} as id, {begin}", *map(quoted, names)]
        parts = []
        for tile in tiles:
            paths = [
                self._folder / each.file
                for each in self._manifest.of(self._table.name, tile.step_s)
                if tile.holds(each)
            ]
            where = _where(self._table.id, tile, ids)
            if paths:
                seen = _SEEN_1S if tile.step_s == 1 else _SEEN
                picked = ", ".join([*columns, *(seen if times else [])])
                parts.append(f"select {picked} from {duck.files(paths, alike)} where {where}")
            if self._has_tail:
                picked = ", ".join([*columns, *(_SEEN if times else [])])
                parts.append(f"select {picked} from tail where {where}")
        return " union all ".join(parts)


_SEEN: Final = ["first_s", "last_s"]
#: Files in steps of a second do without: it is the same.
_SEEN_1S: Final = ["begin_s as first_s", "begin_s as last_s"]


def _where(column: str, tile: Tile, ids: np.ndarray | None) -> str:
    where = f"begin_s >= {tile.from_s} and begin_s < {tile.to_s}"
    if ids is None:
        return where
    if len(ids) > _LISTED:
        return f"{where} and {column} in (select id from wanted)"
    return f"{where} and {column} in ({', '.join(map(str, ids.tolist())) or '-1'})"


def _places(keys: Columns, found: Mapping[str, np.ndarray]) -> np.ndarray:
    """The row of each entry; both are in the order of the keys."""
    changes = np.zeros(len(found["id"]), np.bool_)
    for name in keys:
        changes[1:] |= found[name][1:] != found[name][:-1]
    groups = np.cumsum(changes)
    first = np.flatnonzero(np.concatenate(([True], changes[1:]))) if len(groups) else np.zeros(0, np.int64)
    rows = _rows_of(keys, {name: found[name][first] for name in keys})
    return rows[groups] if len(groups) else np.zeros(0, np.int64)


def _rows_of(keys: Columns, wanted: Columns) -> np.ndarray:
    """The places of keys among others of which they are some, both in order."""
    if len(keys) == 1:
        return np.searchsorted(keys["id"], wanted["id"])
    steps = np.unique(keys["begin_s"])
    bounds = np.append(np.searchsorted(keys["begin_s"], steps), len(keys["id"]))
    found = np.zeros(len(wanted["id"]), np.int64)
    mine = np.append(np.searchsorted(wanted["begin_s"], steps), len(found))
    for place in range(len(steps)):
        here = slice(int(mine[place]), int(mine[place + 1]))
        ids = keys["id"][bounds[place] : bounds[place + 1]]
        found[here] = bounds[place] + np.searchsorted(ids, wanted["id"][here])
    return found
