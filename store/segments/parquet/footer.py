"""Parquet's own metadata: heads of pages, and the footer that says what is in a file; pure.

See ``parquet.thrift`` of Apache Parquet's format: the numbers of fields and values are from there.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from store.segments.parquet.index import PageIndex
from store.segments.parquet.pages import physical_size
from store.segments.parquet.thrift import (
    BINARY,
    I32,
    I64,
    LIST,
    STRUCT,
    Field,
    binary,
    integer,
    listed,
    struct,
)

CREATED_BY: Final = b"tailrace"
#: A field of 32 bits that follows the one before.
_I32_NEXT: Final = b"\x15"
_PLAIN: Final = integer(0)
_RLE: Final = integer(3)
_BYTE_STREAM_SPLIT: Final = integer(9)
_ZSTD: Final = integer(6)
_REQUIRED: Final = integer(0)
_REPEATED: Final = integer(2)
_LIST: Final = integer(3)
#: What numbers and texts are converted from: by the type's name here.
_CONVERTED: Final = {"text": 0, "<u1": 11, "<u2": 12, "<u4": 13, "<u8": 14, "<i2": 16, "<i4": 17, "<i8": 18}
#: Of numbers of 4 and 8 bytes, and of texts (0).
_PHYSICAL: Final = {4: integer(1), 8: integer(2), 0: integer(6)}

#: Of a page: type 0 (data) and, after sizes, what comes with the number of values: encodings of values and levels.
_TYPE: Final = b"\x15\x00\x15"
_VALUES: Final = b"\x2c\x15"
_LEVELS: Final = b"\x15\x06\x15\x06\x00\x00"


def page_head(type_: str, values: int, raw_size: int, size: int) -> bytes:
    """What stands before the body of a page: a struct, written by hand because there are thousands.

    :param raw_size: of the body; ``size``: as it is compressed.
    """
    sizes = integer(raw_size) + _I32_NEXT + integer(size)
    return _TYPE + sizes + _VALUES + integer(values) + _I32_NEXT + _encoding(type_) + _LEVELS


def _encoding(type_: str) -> bytes:
    return _BYTE_STREAM_SPLIT if physical_size(type_) else _PLAIN


def footer(index: PageIndex) -> bytes:
    """The footer of a file."""
    groups = [np.flatnonzero(index.groups == group) for group in np.unique(index.groups).tolist()]
    return struct(
        Field(1, I32, integer(1)),
        Field(2, LIST, listed(STRUCT, _schema(index))),
        Field(3, I64, integer(int(index.rows.sum()))),
        Field(4, LIST, listed(STRUCT, [_group(index, pages) for pages in groups])),
        Field(6, BINARY, binary(CREATED_BY)),
    )


def _schema(index: PageIndex) -> Sequence[bytes]:
    root = struct(Field(4, BINARY, binary(b"schema")), Field(5, I32, integer(len(index.types))))
    return [root, *(element for name, type_ in index.types.items() for element in _elements(name, type_))]


def _elements(name: str, type_: str) -> Sequence[bytes]:
    """A column: its leaf, and around that of a list two groups."""
    inner = type_.removesuffix("[]")
    leaf = b"element" if inner != type_ else name.encode()
    element = struct(
        Field(1, I32, _PHYSICAL[physical_size(type_)]),
        Field(3, I32, _REQUIRED),
        Field(4, BINARY, binary(leaf)),
        Field(6, I32, integer(_CONVERTED[inner])),
    )
    if inner == type_:
        return [element]
    named = Field(4, BINARY, binary(name.encode()))
    one = Field(5, I32, integer(1))
    return [
        struct(Field(3, I32, _REQUIRED), named, one, Field(6, I32, _LIST)),
        struct(Field(3, I32, _REPEATED), Field(4, BINARY, binary(b"list")), one),
        element,
    ]


def _group(index: PageIndex, pages: np.ndarray) -> bytes:
    """A row group."""
    chunks = [_chunk(index, place, name, pages) for place, name in enumerate(index.types)]
    raw = int(index.raw_sizes[:, pages].sum() + index.heads[:, pages].sum())
    return struct(
        Field(1, LIST, listed(STRUCT, chunks)),
        Field(2, I64, integer(raw)),
        Field(3, I64, integer(int(index.rows[pages].sum()))),
    )


def _chunk(index: PageIndex, place: int, name: str, pages: np.ndarray) -> bytes:
    """A column of a row group."""
    type_ = index.types[name]
    heads, sizes = int(index.heads[place, pages].sum()), int(index.sizes[place, pages].sum())
    begin = int(index.offsets[place, pages[0]])
    path = [name.encode(), *([b"list", b"element"] if type_.endswith("[]") else [])]
    statistics = []
    if name in index.keys:
        key = index.keys.index(name)
        bounds = int(index.most[key, pages].max()), int(index.least[key, pages].min())
        most, least = (binary(bound.to_bytes(8, "little", signed=True)) for bound in bounds)
        told = struct(Field(3, I64, integer(0)), Field(5, BINARY, most), Field(6, BINARY, least))
        statistics.append(Field(12, STRUCT, told))
    metadata = struct(
        Field(1, I32, _PHYSICAL[physical_size(type_)]),
        Field(2, LIST, listed(I32, [_RLE, _encoding(type_)])),
        Field(3, LIST, listed(BINARY, list(map(binary, path)))),
        Field(4, I32, _ZSTD),
        Field(5, I64, integer(int(index.values[place, pages].sum()))),
        Field(6, I64, integer(int(index.raw_sizes[place, pages].sum()) + heads)),
        Field(7, I64, integer(sizes + heads)),
        Field(9, I64, integer(begin)),
        *statistics,
    )
    return struct(Field(2, I64, integer(begin)), Field(3, STRUCT, metadata))
