"""Files of Parquet that the store wrote, read as columns: those columns and pages that are asked for."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import zstandard

from store.segments.columns import Column, Lists, empty, joined
from store.segments.parquet.index import PageIndex, index_of
from store.segments.parquet.pages import column_of

#: Bytes of indexes that are remembered.
_REMEMBERED: Final = 8 << 20


class _Name(NamedTuple):
    """A file that stays the same as long as this does."""

    path: Path
    inode: int
    size: int
    changed_ns: int


class FileReader:
    """Reads files, and remembers where their pages are. Safe to use from any thread.

    :param remembered: bytes of indexes that are remembered; the files read last stay.
    """

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._indexes: OrderedDict[_Name, PageIndex] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def read(
        self,
        path: Path,
        types: Mapping[str, str],
        pick: Callable[[PageIndex], np.ndarray] | None = None,
    ) -> dict[str, Column]:
        """Columns of a file, numbers in the shortest types that hold them; those that it lacks are 0.

        :param types: of the columns that are wanted.
        :param pick: gives the pages that are wanted; None: all.
        :raises OSError: if it cannot be read.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            index = self.index(descriptor, path)
            pages = np.arange(len(index)) if pick is None else pick(index)
            if not len(pages):
                return empty(types)
            decompressor = zstandard.ZstdDecompressor()
            return {
                name: _column(descriptor, index, name, type_, pages, decompressor)
                for name, type_ in types.items()
            }
        finally:
            os.close(descriptor)

    def index(self, descriptor: int, path: Path) -> PageIndex:
        """The index of an open file.

        :raises OSError: if it cannot be read.
        """
        status = os.fstat(descriptor)
        name = _Name(path, status.st_ino, status.st_size, status.st_mtime_ns)
        with self._lock:
            if found := self._indexes.get(name):
                self._indexes.move_to_end(name)
                return found
        found = index_of(descriptor)
        with self._lock:
            if name not in self._indexes:
                self._indexes[name] = found
                self._bytes += found.nbytes
            while self._bytes > self._remembered and len(self._indexes) > 1:
                self._bytes -= self._indexes.popitem(last=False)[1].nbytes
        return found


def _column(
    descriptor: int,
    index: PageIndex,
    name: str,
    type_: str,
    pages: np.ndarray,
    decompressor: zstandard.ZstdDecompressor,
) -> Column:
    """The values of a column in some pages."""
    if name not in index.types:
        return _nothing(type_, int(index.rows[pages].sum()))
    place = list(index.types).index(name)
    if not type_.endswith("[]") and type_ != "text" and not index.widths[place, pages].any():
        return np.zeros(int(index.rows[pages].sum()), np.uint8)
    numbers = (index.offsets, index.heads, index.sizes, index.values, index.widths)
    found: list[Column] = []
    for rows, *of_page in zip(
        index.rows[pages].tolist(), *(each[place, pages].tolist() for each in numbers), strict=True
    ):
        offset, head, size, values, width = of_page
        body = decompressor.decompress(os.pread(descriptor, size, offset + head))
        found.append(column_of(body, type_, rows, values, width))
    return joined(found)


def _nothing(type_: str, rows: int) -> Column:
    """A column of a file that has none of this name."""
    if type_.endswith("[]"):
        return Lists(np.zeros(rows + 1, np.int64), [] if type_ == "text[]" else np.zeros(0, np.uint8))
    return [""] * rows if type_ == "text" else np.zeros(rows, np.uint8)
