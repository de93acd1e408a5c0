"""Rows in steps as they stand in files: only pages that may have some are read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from store.segments.columns import Column
from store.segments.manifest import Manifest
from store.segments.parquet.index import PageIndex
from store.segments.parquet.reading import FileReader
from store.segments.tables import Stepped
from store.segments.tiles import Tile


def picked_rows(
    files: FileReader,
    folder: Path,
    manifest: Manifest,
    of: Stepped,
    tile: Tile,
    ids: np.ndarray | None,
    names: Sequence[str],
) -> list[dict[str, Column]]:
    """The rows of a tile, a table for each file.

    :param ids: that are wanted, ascending; None: all.
    :param names: of columns; the key, ``first_s`` and ``last_s`` are there in any case.
    :raises OSError: if a file cannot be read.
    """
    types = {name: of.types[name] for name in (*of.key, "first_s", "last_s", *names)}
    if tile.step_s == 1:  # they are the second itself
        types = {name: type_ for name, type_ in types.items() if name not in ("first_s", "last_s")}
    id_, begin = of.key

    def may_have(index: PageIndex) -> np.ndarray:
        (least, least_s), (most, most_s) = (
            [bound[index.keys.index(key)] for key in (id_, begin)] for bound in (index.least, index.most)
        )
        found: np.ndarray = (least_s < tile.to_s) & (most_s >= tile.from_s)
        if ids is not None:
            ends = least.astype(np.int64), most.astype(np.int64)
            found &= np.searchsorted(ids, ends[0]) < np.searchsorted(ids, ends[1], "right")
        return found

    def wanted(keys: Sequence[np.ndarray]) -> np.ndarray:
        held_ids, begins = keys
        held = (begins >= tile.from_s) & (begins < tile.to_s)
        if ids is not None:
            held &= ids[np.minimum(np.searchsorted(ids, held_ids), len(ids) - 1)] == held_ids
        return np.flatnonzero(held)

    tables = []
    for segment in manifest.of(of.name, tile.step_s):
        if tile.holds(segment):
            table = files.read_where(folder / segment.file, types, may_have, (id_, begin), wanted)
            if tile.step_s == 1:
                table["first_s"] = table["last_s"] = table[begin]
            tables.append(table)
    return tables
