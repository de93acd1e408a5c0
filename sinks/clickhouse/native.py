"""Batches as blocks of ClickHouse's format Native: columns as they are in memory.

A block is the number of columns and of rows, then for each column its name, its type and its values
(https://clickhouse.com/docs/interfaces/formats/Native). Only types that every server since 18.16 has are used.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from model.arrays import Array
from model.batch import Batch
from model.column import Column
from model.histogram import Histograms
from model.kind import Kind
from model.rows.fields import Field
from model.rows.same import same_rows
from model.rows.words import words_of
from model.tables import CHAIN, ENTITY, HISTOGRAM
from model.varint import varint
from sinks.joined import Rows

#: Makes the bytes of a column.
Values = Callable[[Batch], bytes]
#: Of the column that tells a row's batch.
SEQ: Final = "seq"

_NUMBERS: Final = {"u": "UInt", "i": "Int", "f": "Float"}
#: Texts whose bytes are remembered while a block is made.
_json: Final = msgspec.json.Encoder().encode


class NativeColumn(NamedTuple):
    """A column of a table."""

    name: str
    type: str
    values: Values


def native_columns(kind: Kind) -> list[NativeColumn]:
    """The columns of a table for rows of a kind: what names the batch, then the fields that are wanted."""
    head = [
        NativeColumn("window", "DateTime", lambda batch: _same(batch, batch.window, "<u4")),
        NativeColumn("node", "String", lambda batch: _text(batch.node) * len(batch)),
        NativeColumn("boot", "String", lambda batch: _text(batch.boot) * len(batch)),
        NativeColumn(SEQ, "UInt64", lambda batch: _same(batch, batch.seq, "<u8")),
    ]
    fields = [each for column in kind.columns for each in _of_column(kind, column)]
    derived = [_of_field(field) for _, field in kind.derived if kind.wanted.name(field.name)]
    return [*head, *fields, *derived]


def block(columns: Sequence[NativeColumn], rows: Rows) -> bytes:
    """Rows as one block."""
    batch = rows.batch
    parts = [varint(len(columns)), varint(len(batch))]
    for column in columns:
        values = rows.seqs.tobytes() if column.name == SEQ else column.values(batch)
        parts += [_text(column.name), _text(column.type), values]
    return b"".join(parts)


def enum_type(words: dict[int, str]) -> str:
    """``Enum8('' = 0, 'tcp' = 6)``; 0 stands for what has no word."""
    named = {0: ""} | words
    return f"Enum8({', '.join(f'{_quoted(word)} = {code}' for code, word in sorted(named.items()))})"


def _quoted(word: str) -> str:
    return f"'{word}'"


def _of_column(kind: Kind, column: Column) -> Iterator[NativeColumn]:
    name = column.name
    if column.table:
        yield from _of_table(kind, column)
    elif not kind.wanted.name(name):
        return
    elif column.codes:
        words = words_of(column.codes)
        yield _coded(name, words) if max(words) < 128 else _worded(name, words)
    elif column.dtype.kind == "V":
        yield NativeColumn(name, "FixedString(16)", lambda batch: batch.columns[name].tobytes())
    elif column.dtype.kind == "S":
        yield NativeColumn(name, "String", lambda batch: _short_texts(batch.columns[name]))
    else:
        bits = column.dtype.itemsize * 8
        type_ = f"{_NUMBERS[column.dtype.kind]}{bits}"
        yield NativeColumn(name, type_, lambda batch: batch.columns[name].tobytes())


def _of_table(kind: Kind, column: Column) -> Iterator[NativeColumn]:
    assert column.table is not None
    for field in column.row_fields():
        if not kind.writes(field.name):
            continue
        if column.table.type is HISTOGRAM:
            yield from _histogram(column, field)
        else:
            yield _looked_up(kind, column, field)


def _coded(name: str, words: dict[int, str]) -> NativeColumn:
    known = np.zeros(256, np.uint8)
    known[list(words)] = list(words)
    return NativeColumn(
        name, enum_type(words), lambda batch: known[batch.columns[name].astype(np.uint8)].tobytes()
    )


def _worded(name: str, words: dict[int, str]) -> NativeColumn:
    """Words of more numbers than an ``Enum8`` has; a number without one as it is."""

    def texts(batch: Batch) -> bytes:
        column = batch.columns[name]
        return _grouped(
            [column], lambda firsts: (words.get(code, str(code)) for code in column[firsts].tolist())
        )

    return NativeColumn(name, "String", texts)


def _looked_up(kind: Kind, column: Column, field: Field) -> NativeColumn:
    """Texts of a table; maps and lists as JSON. Each entry is made into bytes once."""
    assert column.table is not None
    nested = column.table.type in (ENTITY, CHAIN)
    entity = column.table.type is ENTITY and not kind.wanted.all

    def values(batch: Batch) -> bytes:
        index = batch.columns[column.name]
        every = np.arange(int(index.max(initial=0)) + 1, dtype=np.uint32)
        entries = field.values({column.name: every}, batch.tables)
        texts = [
            _entry(kind.wanted.entity(field.name, entry) if entity and entry else entry, nested)
            for entry in entries
        ]
        return b"".join(map(texts.__getitem__, index.tolist()))

    return NativeColumn(field.name, "String", values)


def _entry(entry: Any, nested: bool) -> bytes:
    if not entry or entry is msgspec.UNSET:
        return _text("")
    if nested:
        raw = _json(entry)
        return varint(len(raw)) + raw
    return _text(entry)


def _histogram(column: Column, field: Field) -> Iterator[NativeColumn]:
    """Buckets and counts as arrays of one length, which ClickHouse takes for one nested column.

    Its name is what stands before the first dot: two histograms must not share it, for all arrays of a nested column
    have one length.
    """

    def part(name: str) -> Values:
        def values(batch: Batch) -> bytes:
            assert column.table is not None
            table: Histograms = batch.tables[column.table.name].take(batch.columns[column.name])
            values: np.ndarray = getattr(table, name)
            return table.begins[1:].astype("<u8").tobytes() + values.astype("<i8").tobytes()

        return values

    nested = field.name.replace(".", "_")
    for name in ("buckets", "counts"):
        yield NativeColumn(f"{nested}.{name}", "Array(Int64)", part(name))


def _of_field(field: Field) -> NativeColumn:
    """Texts that rows have beside their columns."""

    def values(batch: Batch) -> bytes:
        read = {name: batch.columns[name] for name in field.reads or batch.columns}

        def texts(firsts: np.ndarray) -> Iterator[str]:
            told = field.values({name: column[firsts] for name, column in read.items()}, batch.tables)
            return (text if isinstance(text, str) else "" for text in told)

        return _grouped(list(read.values()), texts)

    return NativeColumn(field.name, "String", values)


def _short_texts(column: Array) -> bytes:
    return _grouped(
        [column], lambda firsts: (text.decode(errors="replace") for text in column[firsts].tolist())
    )


def _grouped(columns: list[Array], texts: Callable[[np.ndarray], Iterable[str]]) -> bytes:
    """Texts of rows, made of one row for each that says something else in columns."""
    firsts, numbers = same_rows(columns)
    made = np.fromiter(map(_text, texts(firsts)), object, len(firsts))
    return b"".join(made.take(numbers).tolist())


def _same(batch: Batch, value: int, type_: str) -> bytes:
    return np.full(len(batch), value, type_).tobytes()


def _text(text: str) -> bytes:
    raw = text.encode(errors="replace")
    return varint(len(raw)) + raw
