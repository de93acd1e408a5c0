"""Sums of rows in steps as statements; pure but for the question that is put."""

from collections.abc import Sequence
from typing import Final, NamedTuple, cast

import numpy as np

from model.arrays import Columns
from model.histogram import Histograms
from sinks.clickhouse.tables import quoted
from store.clickhouse.tables import BLOCK_S, IN_STEPS
from store.measures import Measures
from store.reading import Window
from store.segments.columns import Lists, Table
from store.segments.plain_rows import no_histograms
from store.segments.tables import Stepped
from store.segments.tiles import Tile

#: Ids that a statement lists at most; of more, all are read and those chosen here.
LISTED: Final = 2000


class OpenPart(NamedTuple):
    """A part of which no longer steps are made yet: its rows of seconds are read instead.

    :param written_s: when it was begun.
    """

    writer: int
    part: int
    written_s: int


def among(parts: Sequence[OpenPart]) -> str:
    """Whether a row is of one of these parts."""
    return " OR ".join(f"(writer = {each.writer} AND part = {each.part})" for each in parts) or "0"


def of_parts(parts: Sequence[OpenPart]) -> str:
    """As ``among``, looking only where their rows can be."""
    since = min((each.written_s for each in parts), default=0)
    return f"written >= toDateTime({since}) AND ({among(parts)})"


def listed(name: str, ids: np.ndarray | None) -> str:
    """A condition: one of these ids; nothing if all are meant, or too many."""
    if ids is None or len(ids) > LISTED:
        return ""
    return f" AND {name} IN ({', '.join(map(str, ids.tolist())) or '-1'})"


class Sums:
    """One question.

    :param table: that is asked.
    :param step_s: 0: all of an id together.
    :param ids: None: all.
    :param columns: the sums that are wanted, and the measures whose histograms are.
    :param condition: that rows meet beside, as it follows others: `` AND …``.
    """

    def __init__(
        self,
        table: Stepped,
        database: str,
        parts: Sequence[OpenPart],
        step_s: int,
        ids: np.ndarray | None,
        columns: Sequence[str],
        condition: str = "",
    ) -> None:
        self._table = table
        self._id = table.id
        self._condition = condition
        self._database = database
        self._parts = parts
        self._step_s = step_s
        self._ids = ids
        self._sums = [name for name in table.named("sum") if name in columns]
        self._most = [name for name in table.named("most") if name in columns]
        self._measures = [name for name in table.measures if name in columns]

    def statement(self, tiles: Sequence[Tile]) -> str:
        """Asks for the sums of the rows of tiles; empty if there can be none."""
        sources = " UNION ALL ".join(source for tile in tiles for source in self._sources(tile))
        if not sources:
            return ""
        key = f"at, {self._id}" if self._step_s else self._id
        picked = [
            *([f"intDiv(begin_s, {self._step_s}) * {self._step_s} AS at"] if self._step_s else []),
            f"{self._id}, min(f) AS first, max(l) AS last",
            *(f"sum(s{place}) AS t{place}" for place in range(len(self._sums))),
            *(f"max(m{place}) AS n{place}" for place in range(len(self._most))),
            *(
                f"tupleElement(sumMap(k{place}, v{place}), {part}) AS {name}{place}"
                for place in range(len(self._measures))
                for part, name in ((1, "b"), (2, "c"))
            ),
        ]
        return f"SELECT {', '.join(picked)} FROM ({sources}) GROUP BY {key} ORDER BY {key}"

    def _sources(self, tile: Tile) -> list[str]:
        """The rows of a tile: of longer steps those of full parts, and the seconds of the others."""
        if tile.step_s == 1:
            return [self._seconds(tile, "")]
        full = f" AND NOT ({among(self._parts)})" if self._parts else ""
        table = f"{self._database}.{IN_STEPS[self._table.name][tile.step_s].name}"
        rolled = f"SELECT {', '.join(self._plain())} FROM {table} FINAL WHERE {self._where(tile)}{full}"
        return [rolled, self._seconds(tile, f" AND {of_parts(self._parts)}")] if self._parts else [rolled]

    def _seconds(self, tile: Tile, condition: str) -> str:
        """Rows of seconds; where active connections are wanted those of a part and second are added first."""
        table = f"{self._database}.{IN_STEPS[self._table.name][1].name}"
        where = f"FROM {table} FINAL WHERE {self._where(tile)}{condition}"
        if not self._most:
            return f"SELECT {', '.join(self._plain())} {where}"
        picked = [
            f"{self._id}, begin_s, min(first_s) AS f, max(last_s) AS l",
            *(f"sum({quoted(name)}) AS s{place}" for place, name in enumerate(self._sums)),
            *(f"sum({quoted(name)}) AS m{place}" for place, name in enumerate(self._most)),
            *(
                f"tupleElement(sumMap(`{name}.buckets`, `{name}.counts`), {part}) AS {alias}{place}"
                for place, name in enumerate(self._measures)
                for part, alias in ((1, "k"), (2, "v"))
            ),
        ]
        return f"SELECT {', '.join(picked)} {where} GROUP BY {self._id}, begin_s, writer, part"

    def _plain(self) -> list[str]:
        """The columns of rows as they are."""
        return [
            f"{self._id}, begin_s, first_s AS f, last_s AS l",
            *(f"{quoted(name)} AS s{place}" for place, name in enumerate(self._sums)),
            *(f"{quoted(name)} AS m{place}" for place, name in enumerate(self._most)),
            *(
                f"{quoted(f'{name}.{part}')} AS {alias}{place}"
                for place, name in enumerate(self._measures)
                for part, alias in (("buckets", "k"), ("counts", "v"))
            ),
        ]

    def _where(self, tile: Tile) -> str:
        window = Window(tile.from_s, tile.to_s)
        blocks = f"block >= {window.from_s // BLOCK_S} AND block <= {(window.to_s - 1) // BLOCK_S}"
        these = listed(self._id, self._ids) + self._condition
        return f"{blocks} AND begin_s >= {window.from_s} AND begin_s < {window.to_s}{these}"

    def answer(self, found: Table) -> tuple[Columns, Measures]:
        """What the server said.

        :return: ``id`` and, by steps, ``begin_s`` of each row, in the order of step and id.
        """
        names = {"id": self._id} | ({"begin_s": "at"} if self._step_s else {})
        keys: Columns = {name: _numbers(found, said, np.int64) for name, said in names.items()}
        columns: Columns = {
            name: _numbers(found, said, np.int64) for name, said in (("first_s", "first"), ("last_s", "last"))
        }
        for letter, wanted in (("t", self._sums), ("n", self._most)):
            columns |= {
                name: _numbers(found, f"{letter}{place}", np.uint64) for place, name in enumerate(wanted)
            }
        table, indexes = self._histograms(found, len(keys["id"]))
        measures = Measures(columns | indexes, table)
        if self._ids is None or len(self._ids) <= LISTED:
            return keys, measures
        mask = np.isin(keys["id"], self._ids)
        return {name: column[mask] for name, column in keys.items()}, measures.take(np.flatnonzero(mask))

    def _histograms(self, found: Table, count: int) -> tuple[Histograms, Columns]:
        """All of them as one table, and their places in it."""
        indexes = no_histograms(self._table, count)
        parts = []
        for place, measure in enumerate(self._measures if found else ()):
            buckets, counts = (cast(Lists, found[f"{name}{place}"]) for name in ("b", "c"))
            lengths = np.diff(buckets.offsets)
            places = np.arange(1, count + 1) + place * count
            indexes[f"{measure}.index"] = np.where(lengths != 0, places, 0).astype(np.uint32)
            parts.append((lengths, *(np.asarray(each.values).astype(np.int64) for each in (buckets, counts))))
        if not parts:
            return Histograms(), indexes
        lengths, values, held = (np.concatenate(each) for each in zip(*parts, strict=True))
        return Histograms(np.concatenate(([0, 0], np.cumsum(lengths))), values, held), indexes


def _numbers(found: Table, name: str, type_: type) -> np.ndarray:
    return np.asarray(found[name]).astype(type_) if found else np.zeros(0, type_)
