"""Bodies of pages: numbers in planes of bytes, texts one after the other, lists with their levels; pure.

Numbers have the encoding BYTE_STREAM_SPLIT: the lowest byte of all of them, then the next one of all. Those that are
small leave the upper planes empty, which zstd makes nothing of. See "Encodings" of Apache Parquet's format.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Final

import numpy as np

from model.arrays import Array
from model.varint import varint
from store.segments.columns import Column, Flat, Lists, narrowed

_LENGTH: Final = struct.Struct("<I")


@dataclass(frozen=True)
class Page:
    """What is compressed of a page.

    :param values: how many; of lists their items, and 1 for each empty one.
    :param width: bytes of a number that are not 0 in any; 0 for texts, and where all are 0.
    """

    body: bytes
    values: int
    width: int


def physical_size(type_: str) -> int:
    """Bytes of a number of this type in a file, which has those of 4 and of 8 bytes; 0 for texts."""
    inner = type_.removesuffix("[]")
    return 0 if inner == "text" else 8 if inner.endswith("8") else 4


def pages_of(column: Column, type_: str, begins: np.ndarray) -> Iterator[Page]:
    """The pages of a column.

    :param begins: 0, the first row of each but the first, and how many rows there are; at least one page.
    """
    if not isinstance(column, Lists):
        bodies, width = _bodies(column, type_, begins)
        for body, count in zip(bodies, np.diff(begins).tolist(), strict=True):
            yield Page(body, count, width)
        return
    lengths = np.diff(column.offsets)
    slots = np.concatenate(([0], np.cumsum(np.maximum(lengths, 1))))
    repeated, defined = (np.ones(int(slots[-1]), np.uint8) for _ in range(2))
    repeated[slots[:-1]] = 0
    defined[slots[:-1][lengths == 0]] = 0
    bodies, width = _bodies(column.values, type_, column.offsets[begins])
    ends = slots[begins].tolist()
    for body, (begin, end) in zip(bodies, pairwise(ends), strict=True):
        levels = _levels(repeated[begin:end]) + _levels(defined[begin:end])
        yield Page(levels + body, end - begin, width)


def _bodies(values: Flat, type_: str, begins: np.ndarray) -> tuple[Iterator[bytes], int]:
    """Values without levels, and their width."""
    ends = begins.tolist()
    if isinstance(values, list):
        texts = [text.encode(errors="replace") for text in values]
        parts = [_LENGTH.pack(len(text)) + text for text in texts]
        return (b"".join(parts[begin:end]) for begin, end in pairwise(ends)), 0
    size = physical_size(type_)
    planes = _planes(values, size)
    return (
        planes[:, begin:end].tobytes() + bytes((size - len(planes)) * (end - begin))
        for begin, end in pairwise(ends)
    ), len(planes)


def _planes(values: Array, size: int) -> np.ndarray:
    """The bytes of all, plane by plane, without the upper ones that are 0; shape (width, values)."""
    if not values.any():
        return np.zeros((0, len(values)), np.uint8)
    short = narrowed(values)
    assert isinstance(short, np.ndarray)
    if short.dtype.kind == "i":
        short = short.astype(f"<i{size}")  # negative ones: all bytes count
    planes = short.view(np.uint8).reshape(len(short), short.itemsize).T
    width = short.itemsize
    while not planes[width - 1].any():
        width -= 1
    return np.ascontiguousarray(planes[:width])


def _levels(bits: np.ndarray) -> bytes:
    """Levels 0 and 1 as one run of packed bits, with its length."""
    packed = np.packbits(bits, bitorder="little").tobytes()
    run = varint(len(packed) << 1 | 1) + packed
    return _LENGTH.pack(len(run)) + run


def column_of(
    body: bytes, type_: str, rows: int, values: int, width: int, picked: np.ndarray | None = None
) -> Column:
    """What a page holds: numbers in the shortest type that their width takes.

    :param values: see ``Page``; ``width`` likewise.
    :param picked: rows of the page that are wanted; None: all.
    """
    inner = type_.removesuffix("[]")
    if inner == type_:
        return _flat(body, 0, inner, rows, width, picked)
    begin = _levels_end(body)
    slots, defined, items = _read_levels(body[:begin], values)
    if picked is None:
        there = np.concatenate(([0], np.cumsum(defined, dtype=np.int64)))
        return Lists(there[slots], _flat(body, begin, inner, items, width))
    if not len(picked):
        return Lists(np.zeros(1, np.int64), _flat(body, begin, inner, items, width, picked))
    first, last = (
        int(slots[picked.min()]),
        int(slots[picked.max() + 1]),
    )  # what is before and behind is not looked at
    there = np.concatenate(([0], np.cumsum(defined[first:last], dtype=np.int64)))
    before = int(np.count_nonzero(defined[:first]))
    begins, ends = (there[slots[picked + after] - first] + before for after in (0, 1))
    offsets = np.concatenate(([0], np.cumsum(ends - begins)))
    places = np.repeat(begins - offsets[:-1], ends - begins) + np.arange(int(offsets[-1]))
    return Lists(offsets, _flat(body, begin, inner, items, width, places))


def _levels_end(body: bytes) -> int:
    """Where both kinds of levels end."""
    end = 0
    for _ in range(2):
        end += _LENGTH.size + _LENGTH.unpack_from(body, end)[0]
    return end


@lru_cache(4)
def _read_levels(levels: bytes, values: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Of each row the first value, and behind them how many there are; which values are items, and how many are.

    Columns of a histogram have the same levels: of the second they are not read again.
    """
    size = -(-values // 8)
    repeated_end = len(levels) // 2  # both are as long as each other
    repeated, defined = (
        np.unpackbits(np.frombuffer(levels, np.uint8, size, end - size), count=values, bitorder="little")
        for end in (repeated_end, len(levels))
    )
    return np.append(np.flatnonzero(repeated == 0), values), defined, int(np.count_nonzero(defined))


def _flat(
    body: bytes, begin: int, type_: str, count: int, width: int, picked: np.ndarray | None = None
) -> Flat:
    if type_ == "text":
        texts = list(_texts(body, begin, count))
        return texts if picked is None else [texts[place] for place in picked.tolist()]
    size = physical_size(type_)
    wanted = count if picked is None else len(picked)
    if not width or not wanted:
        return np.zeros(wanted, np.uint8)
    planes = np.frombuffer(body, np.uint8, width * count, begin).reshape(width, count)
    item = 1 << (width - 1).bit_length()
    wide = np.zeros((wanted, item), np.uint8)
    wide[:, :width] = (planes if picked is None else planes[:, picked]).T
    signed = type_[1] == "i" and (width == size or item == 8)
    numbers: Array = wide.view(f"<{'i' if signed else 'u'}{item}").reshape(wanted)
    return numbers


def _texts(body: bytes, begin: int, count: int) -> Iterator[str]:
    lengths, place = [], begin
    for _ in range(count):
        (length,) = _LENGTH.unpack_from(body, place)
        lengths.append(_LENGTH.size + length)
        place += _LENGTH.size + length
    for at, length in zip(accumulate(lengths, initial=begin), lengths, strict=False):
        yield body[at + _LENGTH.size : at + length].decode()
