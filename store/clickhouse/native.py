"""Tables of the store as blocks of ClickHouse's format Native, and back (see ``sinks.clickhouse.native``)."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np

from model.varint import varint
from store.clickhouse.tables import TYPES, type_of
from store.segments.columns import Column, Flat, Lists, Table, empty_flat, joined, rows_of

#: numpy's types by ClickHouse's.
_READ: Final = {type_: "<u4" if name == "time" else name for name, type_ in TYPES.items()}


def block_of(types: Mapping[str, str], table: Table) -> bytes:
    """Rows as one block; columns are brought into these types."""
    parts = [varint(len(types)), varint(rows_of(table))]
    for name, type_ in types.items():
        parts += [_text(name), _text(type_of(type_)), _column(table[name], type_)]
    return b"".join(parts)


def _column(column: Column, type_: str) -> bytes:
    inner = type_.removesuffix("[]")
    if isinstance(column, Lists):
        return column.offsets[1:].astype("<u8").tobytes() + _values(column.values, inner)
    return _values(column, inner)


def _values(values: Flat, type_: str) -> bytes:
    if isinstance(values, list):
        return b"".join(map(_text, values))
    return values.astype("<u4" if type_ == "time" else type_).tobytes()


def _text(text: str) -> bytes:
    raw = text.encode(errors="replace")
    return varint(len(raw)) + raw


class _Read(NamedTuple):
    name: str
    type: str
    values: Column
    end: int


def table_in(data: bytes) -> dict[str, Column]:
    """The rows of all blocks of an answer; nothing if it has none."""
    blocks = list(_blocks(data))
    if not blocks:
        return {}
    return {name: joined([block[name] for block in blocks]) for name in blocks[0]}


def _blocks(data: bytes) -> Iterator[dict[str, Column]]:
    at = 0
    while at < len(data):
        columns, at = _number(data, at)
        rows, at = _number(data, at)
        found: dict[str, Column] = {}
        for _ in range(columns):
            read = _read(data, at, rows)
            found[read.name], at = read.values, read.end
        yield found


def _read(data: bytes, at: int, rows: int) -> _Read:
    """One column of a block."""
    (name, type_), at = _texts(data, at, 2)
    if not type_.startswith("Array("):
        values, at = _flat(data, at, type_, rows)
        return _Read(name, type_, values, at)
    ends = np.frombuffer(data, "<u8", rows, at).astype(np.int64)
    offsets = np.concatenate((np.zeros(1, np.int64), ends))
    values, at = _flat(data, at + ends.nbytes, type_[len("Array(") : -1], int(offsets[-1]))
    return _Read(name, type_, Lists(offsets, values), at)


def _flat(data: bytes, at: int, type_: str, count: int) -> tuple[Flat, int]:
    if type_ == "String":
        return _texts(data, at, count)
    dtype = np.dtype(_READ[type_])
    if not count:
        return empty_flat(dtype.str), at
    return np.frombuffer(data, dtype, count, at), at + count * dtype.itemsize


def _texts(data: bytes, at: int, count: int) -> tuple[list[str], int]:
    found = []
    for _ in range(count):
        length, at = _number(data, at)
        found.append(data[at : at + length].decode(errors="replace"))
        at += length
    return found, at


def _number(data: bytes, at: int) -> tuple[int, int]:
    """What ``varint`` wrote, and where it ends."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
