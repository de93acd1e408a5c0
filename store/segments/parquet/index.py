"""Where the pages of a file are: lies between its rows and Parquet's own metadata, for readers of few rows.

The file ends with: index, its length (32 bits, little-endian), ``TRPI``, Parquet's metadata, its length, ``PAR1``.
"""

import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgpack
import msgspec
import numpy as np
import zstandard

from store.segments.columns import numbers_packed

MAGIC: Final = b"PAR1"
_TAIL: Final = struct.Struct("<I4s")
_INDEX: Final = b"TRPI"
#: Bytes from the end that are read at first.
_GUESS: Final = 1 << 16
_LEVEL: Final = 3
#: Numbers of pages, and then those of pages of each column or key.
_ARRAYS: Final = (
    "rows",
    "groups",
    "offsets",
    "heads",
    "sizes",
    "raw_sizes",
    "values",
    "widths",
    "least",
    "most",
)
_PLAIN: Final = _ARRAYS[:2]


@dataclass(frozen=True)
class PageIndex:
    """The pages of a file; every column has pages of the same rows.

    :param types: of the columns, by name, in the order of the file.
    :param rows: of each page; shape (pages,); ``groups``: the row group that each is in.
    :param offsets: where each begins; shape (columns, pages); ``heads``: bytes before its body; ``sizes``: bytes of
        its body; ``raw_sizes``: decompressed; ``values`` and ``widths``: see ``Page``.
    :param keys: columns whose least and most value of each page is known.
    :param least: shape (keys, pages); ``most`` likewise.
    """

    types: Mapping[str, str]
    keys: tuple[str, ...]
    rows: np.ndarray
    groups: np.ndarray
    offsets: np.ndarray
    heads: np.ndarray
    sizes: np.ndarray
    raw_sizes: np.ndarray
    values: np.ndarray
    widths: np.ndarray
    least: np.ndarray
    most: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, pages: np.ndarray) -> "PageIndex":
        """Some of the pages, in numbers that can be reckoned with: those of a file are as short as they can be."""
        return replace(self, **{name: getattr(self, name)[..., pages].astype(np.int64) for name in _ARRAYS})

    def moved(self, offsets: np.ndarray, group: int) -> "PageIndex":
        """The pages of a row group as they are elsewhere."""
        return replace(self, offsets=offsets, groups=np.full(len(self), group))

    @classmethod
    def joined(cls, parts: Sequence["PageIndex"]) -> "PageIndex":
        """Of one file; at least one."""
        arrays = {name: np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in _ARRAYS}
        return cls(parts[0].types, parts[0].keys, **arrays)

    @property
    def nbytes(self) -> int:
        """In memory."""
        return sum(int(getattr(self, name).nbytes) for name in _ARRAYS)

    def encoded(self) -> bytes:
        """As it stands in a file."""
        arrays = {name: numbers_packed(getattr(self, name)) for name in _ARRAYS}
        packed = msgpack.packb({"types": dict(self.types), "keys": list(self.keys), **arrays})
        body: bytes = zstandard.ZstdCompressor(level=_LEVEL).compress(packed)
        return body + _TAIL.pack(len(body), _INDEX)


def index_of(descriptor: int) -> PageIndex:
    """The index of a file.

    :raises OSError: if it has none, or cannot be read.
    """
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, _GUESS, max(0, size - _GUESS))
    if len(tail) >= _TAIL.size:
        length, magic = _TAIL.unpack_from(tail, len(tail) - _TAIL.size)
        end = size - _TAIL.size - length  # of the index
        if magic == MAGIC and end >= _TAIL.size:
            length, magic = _TAIL.unpack(_range(descriptor, tail, size, end - _TAIL.size, end))
            if magic == _INDEX and length <= end - _TAIL.size:
                return _decoded(_range(descriptor, tail, size, end - _TAIL.size - length, end - _TAIL.size))
    raise OSError(0, "a file of the store has no index: it is damaged, or was written by another program")


def _range(descriptor: int, tail: bytes, size: int, begin: int, end: int) -> bytes:
    """Bytes of the file, of which the last are there already."""
    first = size - len(tail)
    if begin >= first:
        return tail[begin - first : end - first]
    return os.pread(descriptor, end - begin, begin)


def _decoded(body: bytes) -> PageIndex:
    message: dict[str, Any] = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(body))
    arrays = {name: np.frombuffer(message[name][1], message[name][0]) for name in _ARRAYS}
    pages = len(arrays["rows"])
    shaped = {name: array if name in _PLAIN else array.reshape(-1, pages) for name, array in arrays.items()}
    return PageIndex(message["types"], tuple(message["keys"]), **shaped)
