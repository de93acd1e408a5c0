"""Files of Parquet that the store wrote, read as columns: those columns and pages that are asked for."""

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import zstandard

from store.segments.columns import Column, Lists, empty, joined
from store.segments.parquet.index import PageIndex, index_of
from store.segments.parquet.pages import column_of

#: Bytes of indexes that are remembered.
_REMEMBERED: Final = 8 << 20


#: Whether each page may have what is wanted; shape (pages,), bool.
PagesWhere = Callable[[PageIndex], np.ndarray]
#: The places of rows that are wanted, by the columns of keys.
RowsWhere = Callable[[Sequence[np.ndarray]], np.ndarray]


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

    def read(self, path: Path, types: Mapping[str, str]) -> dict[str, Column]:
        """Columns of a file, numbers in the shortest types that hold them; those that it lacks are 0.

        :param types: of the columns that are wanted.
        :raises OSError: if it cannot be read.
        """
        with self._open(path) as file:
            parts = [
                [file.values(name, type_, page) for name, type_ in types.items()]
                for page in range(len(file.index))
            ]
            return _joined(types, parts)

    def read_where(
        self, path: Path, types: Mapping[str, str], pages: PagesWhere, keys: Sequence[str], rows: RowsWhere
    ) -> dict[str, Column]:
        """As ``read``, of some rows.

        :param pages: which pages may have such rows, by their bounds.
        :param keys: columns among ``types`` that tell which rows are wanted.
        :param rows: which these are, by those columns of a page.
        :raises OSError: if it cannot be read.
        """
        with self._open(path) as file:
            picked: list[tuple[int, np.ndarray | None]] = []
            for page in np.flatnonzero(pages(file.index)).tolist():
                found = rows([np.asarray(file.values(key, types[key], page)) for key in keys])
                if len(found):
                    all_of_it = len(found) == file.index.rows[page]
                    picked.append((page, None if all_of_it else found))
            if not picked:
                return empty(types)
            parts = [
                [file.values(name, type_, page, found) for name, type_ in types.items()]
                for page, found in picked
            ]
            return _joined(types, parts)

    @contextlib.contextmanager
    def _open(self, path: Path) -> Iterator["_File"]:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield _File(descriptor, self.index(descriptor, path))
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


#: Rows, and of columns: offsets, bytes of heads and bodies, values and widths.
_PageNumbers = tuple[int, list[int], list[int], list[int], list[int], list[int]]


class _File:
    """A file that is open."""

    def __init__(self, descriptor: int, index: PageIndex) -> None:
        self.index = index
        self._descriptor = descriptor
        self._decompressor = zstandard.ZstdDecompressor()
        self._places = {name: place for place, name in enumerate(index.types)}
        self._page_number = -1
        self._numbers: _PageNumbers = (0, [], [], [], [], [])

    def values(self, name: str, type_: str, page: int, picked: np.ndarray | None = None) -> Column:
        """The values of a page of a column.

        :param picked: its rows that are wanted; None: all.
        """
        place, (rows, *numbers) = self._places.get(name), self._page(page)
        if place is None or not (numbers[-1][place] or _is_listed(type_)):
            return _nothing(type_, rows if picked is None else len(picked))
        offset, head, size, values, width = (each[place] for each in numbers)
        body = self._decompressor.decompress(os.pread(self._descriptor, size, offset + head))
        return column_of(body, type_, rows, values, width, picked)

    def _page(self, page: int) -> "_PageNumbers":
        """Its rows, and what is needed to read its columns: cells of lists are read faster than of arrays."""
        if self._page_number != page:
            index = self.index
            of_columns = (index.offsets, index.heads, index.sizes, index.values, index.widths)
            self._numbers = (int(index.rows[page]), *(each[:, page].tolist() for each in of_columns))
            self._page_number = page
        return self._numbers


def _joined(types: Mapping[str, str], pages: Sequence[Sequence[Column]]) -> dict[str, Column]:
    """A table of the columns of pages, at least one."""
    columns = zip(*pages, strict=True)
    return {name: joined(parts) for name, parts in zip(types, columns, strict=True)}


def _is_listed(type_: str) -> bool:
    """Whether a page says more than its width does."""
    return type_ == "text" or type_.endswith("[]")


def _nothing(type_: str, rows: int) -> Column:
    """A column of a file that has none of this name, or in which all is 0."""
    if type_.endswith("[]"):
        return Lists(np.zeros(rows + 1, np.int64), [] if type_ == "text[]" else np.zeros(0, np.uint8))
    return [""] * rows if type_ == "text" else np.zeros(rows, np.uint8)
