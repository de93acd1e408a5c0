"""Files of Parquet are written aside, made safe, and then given their name."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import zstandard

from store.segments.columns import Lists, Table, rows_of, sliced
from store.segments.manifest import UNFINISHED, sync_folder
from store.segments.parquet.footer import footer, page_head
from store.segments.parquet.index import MAGIC, PageIndex
from store.segments.parquet.pages import pages_of, physical_size

#: Rows that a reader of one edge has to look at.
PAGE_ROWS: Final = 2048
#: Rows of a row group.
GROUP_ROWS: Final = 64 * PAGE_ROWS
_LEVEL: Final = 1
#: What the index has of each page of a column, in this order.
_OF_PAGE: Final = ("offsets", "heads", "sizes", "raw_sizes", "values", "widths")


class FileWriter:
    """A file that is written: ``new_file`` makes it.

    :param types: of the columns, in their order.
    :param keys: columns of 64 bits whose least and most value of each page is kept.
    :param check: called between columns; what it raises ends the file.
    """

    def __init__(
        self, file: BinaryIO, types: Mapping[str, str], keys: Sequence[str], check: Callable[[], None]
    ) -> None:
        self._file = file
        self._types = dict(types)
        self._keys = tuple(key for key in keys if key in types)
        self._check = check
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self._groups: list[PageIndex] = []
        self._offset = file.write(MAGIC)

    def add(self, table: Table) -> None:
        """Add rows, in groups.

        :raises OSError: if they cannot be written.
        """
        rows = rows_of(table)
        for begin in range(0, rows, GROUP_ROWS):
            end = min(rows, begin + GROUP_ROWS)
            part = {name: sliced(column, begin, end) for name, column in table.items()}
            self._group(part, np.append(np.arange(0, end - begin, PAGE_ROWS), end - begin))

    def _group(self, table: Table, begins: np.ndarray) -> None:
        numbers = [self._column(table, name, begins) for name in self._types]
        of_pages = dict(zip(_OF_PAGE, np.moveaxis(np.array(numbers, np.int64), 2, 0), strict=True))
        keys = [np.asarray(table[key]) for key in self._keys]
        shape = (len(keys), len(begins) - 1)
        bounds = [
            np.array([over.reduceat(key, begins[:-1]) for key in keys], np.int64).reshape(shape)
            for over in (np.minimum, np.maximum)
        ]
        of_pages |= {"rows": np.diff(begins), "groups": np.full(shape[1], len(self._groups))}
        self._groups.append(PageIndex(self._types, self._keys, **of_pages, least=bounds[0], most=bounds[1]))

    def _column(self, table: Table, name: str, begins: np.ndarray) -> Sequence[tuple[int, ...]]:
        """Write the pages of a column, and give what the index has of each."""
        self._check()
        type_, column = self._types[name], table[name]
        if not isinstance(column, Lists | list) and not column.any():
            return [self._empty(type_, count) for count in np.diff(begins).tolist()]
        found = []
        for page in pages_of(column, type_, begins):
            body = self._compressor.compress(page.body)
            head = page_head(type_, page.values, len(page.body), len(body))
            found.append((self._offset, len(head), len(body), len(page.body), page.values, page.width))
            self._offset += self._file.write(head + body)
        return found

    def _empty(self, type_: str, count: int) -> tuple[int, ...]:
        """Write a page of numbers that are all 0; see ``_column``."""
        offset, (page, head) = self._offset, _zeros(type_, count)
        self._offset += self._file.write(page)
        return offset, head, len(page) - head, physical_size(type_) * count, count, 0

    def copy(self, descriptor: int, index: PageIndex) -> None:
        """Add the groups of another file of the same columns as they are.

        :raises OSError: if they cannot be read or written.
        """
        for group in np.unique(index.groups).tolist():
            pages = np.flatnonzero(index.groups == group)
            part = index.take(pages)
            offsets = np.empty_like(part.offsets)
            for place in range(len(self._types)):
                self._check()
                begin = int(part.offsets[place, 0])
                end = int(part.offsets[place, -1] + part.heads[place, -1] + part.sizes[place, -1])
                offsets[place] = part.offsets[place] - begin + self._offset
                self._offset += self._file.write(os.pread(descriptor, end - begin, begin))
            self._groups.append(part.moved(offsets, len(self._groups)))

    def finish(self) -> int:
        """Write what ends the file.

        :return: rows.
        :raises OSError: if it cannot be written.
        """
        index = PageIndex.joined(self._groups)
        end = footer(index)
        self._file.write(index.encoded() + end + len(end).to_bytes(4, "little") + MAGIC)
        return int(index.rows.sum())


@lru_cache(64)
def _zeros(type_: str, count: int) -> tuple[bytes, int]:
    """A page of so many numbers that are 0, and the length of its head."""
    raw = bytes(physical_size(type_) * count)
    body = zstandard.ZstdCompressor(level=_LEVEL).compress(raw)
    head = page_head(type_, count, len(raw), len(body))
    return head + body, len(head)


def write_file(
    path: Path,
    types: Mapping[str, str],
    keys: Sequence[str],
    fill: Callable[[FileWriter], None],
    check: Callable[[], None] = lambda: None,
) -> tuple[int, int]:
    """Write a file of at least one row.

    :param fill: adds the rows; for the others see ``FileWriter``.
    :return: rows and bytes.
    :raises OSError: if it cannot be written; there is no file then.
    """
    path.parent.mkdir(exist_ok=True)
    aside = path.with_name(f".{path.name}{UNFINISHED}")
    try:
        with _whole(aside) as file:
            writer = FileWriter(file, types, keys, check)
            fill(writer)
            rows = writer.finish()
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        aside.rename(path)
        sync_folder(path.parent)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return rows, size


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A new file; what fails in the block is raised, not what its close says then."""
    file = path.open("wb", buffering=_BUFFER)
    try:
        yield file
    except BaseException:
        with contextlib.suppress(OSError):
            file.close()
        raise
    file.close()


#: Bytes that are written at once.
_BUFFER: Final = 1 << 20


def write_table(
    path: Path,
    table: Table,
    types: Mapping[str, str],
    keys: Sequence[str] = (),
    check: Callable[[], None] = lambda: None,
) -> tuple[int, int]:
    """Write a table of at least one row; see ``write_file``."""
    return write_file(path, types, keys, lambda writer: writer.add(table), check)
