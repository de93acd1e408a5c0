"""Rows of edges as they stand in files: only pages that may have some are read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from store.segments.columns import Column
from store.segments.manifest import Manifest
from store.segments.parquet.index import PageIndex
from store.segments.parquet.reading import FileReader
from store.segments.tables import ROWS
from store.segments.tiles import Tile


def picked_rows(
    files: FileReader,
    folder: Path,
    manifest: Manifest,
    tile: Tile,
    ids: np.ndarray | None,
    names: Sequence[str],
) -> list[dict[str, Column]]:
    """The rows of a tile, a table for each file.

    :param ids: of edges, ascending; None: all.
    :param names: of columns; the key, ``first_s`` and ``last_s`` are there in any case.
    :raises OSError: if a file cannot be read.
    """
    types = {name: ROWS.types[name] for name in (*ROWS.key, "first_s", "last_s", *names)}
    if tile.step_s == 1:  # they are the second itself
        types = {name: type_ for name, type_ in types.items() if name not in ("first_s", "last_s")}
    edge, begin = ROWS.key

    def may_have(index: PageIndex) -> np.ndarray:
        (least, least_s), (most, most_s) = (
            [of[index.keys.index(key)] for key in (edge, begin)] for of in (index.least, index.most)
        )
        found: np.ndarray = (least_s < tile.to_s) & (most_s >= tile.from_s)
        if ids is not None:
            ends = least.astype(np.int64), most.astype(np.int64)
            found &= np.searchsorted(ids, ends[0]) < np.searchsorted(ids, ends[1], "right")
        return found

    def wanted(keys: Sequence[np.ndarray]) -> np.ndarray:
        edges, begins = keys
        held = (begins >= tile.from_s) & (begins < tile.to_s)
        if ids is not None:
            held &= ids[np.minimum(np.searchsorted(ids, edges), len(ids) - 1)] == edges
        return np.flatnonzero(held)

    tables = []
    for segment in manifest.of(ROWS.name, tile.step_s):
        if tile.holds(segment):
            table = files.read_where(folder / segment.file, types, may_have, (edge, begin), wanted)
            if tile.step_s == 1:
                table["first_s"] = table["last_s"] = table[begin]
            tables.append(table)
    return tables
