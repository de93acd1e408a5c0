"""Batches as Arrow tables: the same words as JSON lines, columns without copying where Arrow keeps them alike.

Numbers, addresses, codes and texts of tables are the batch's own memory; flags, process names and what is nested are
made anew.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Protocol

import numpy as np

from model.arrays import Array
from model.column import Column
from model.extras import extra
from model.kind import Kind
from model.narrowing import Wanted
from model.rows.fields import Field, Rows, Values
from model.rows.same import same_rows
from model.rows.values import flags, texts
from model.rows.words import words_of
from model.tables import ENTITY


class KindRows(Rows, Protocol):
    """What becomes a table: a batch."""

    @property
    def kind(self) -> Kind: ...


def arrow_table(batch: KindRows) -> Any:
    """A ``pyarrow.Table``. Each row has ``node``, ``boot``, ``seq`` and ``window``: tables can be put together.

    :raises TailraceError: if pyarrow is not installed.
    """
    pa = _pyarrow()
    wanted = batch.kind.wanted
    fields = {
        name: array for column in batch.kind.columns for name, array in _fields(pa, batch, column, wanted)
    }
    fields |= {
        field.name: _derived(pa, field, batch) for _, field in batch.kind.derived if wanted.name(field.name)
    }
    order = [field.name for field in batch.kind.rows.fields if field.name in fields]
    arrays = _head(pa, batch) | {name: fields[name] for name in dict.fromkeys([*order, *fields])}
    empty = {field.name for _, field in batch.kind.derived}
    schema = pa.schema(
        [
            pa.field(name, array.type, name in empty, metadata=_metadata(batch.kind, name))
            for name, array in arrays.items()
        ],
        metadata={"kind": batch.kind.name},
    )
    return pa.Table.from_arrays(list(arrays.values()), schema=schema)


def _pyarrow() -> Any:
    return extra("pyarrow", "arrow", "Arrow tables need pyarrow")


def _head(pa: Any, batch: KindRows) -> dict[str, Any]:
    """What is the same in all rows."""
    rows = len(batch)
    index = pa.array(np.zeros(rows, np.int8))
    texts = {"node": batch.node, "boot": batch.boot}
    numbers = {"seq": batch.seq, "window": batch.window}
    return {name: pa.DictionaryArray.from_arrays(index, pa.array([text])) for name, text in texts.items()} | {
        name: pa.array(np.full(rows, number, np.uint64)) for name, number in numbers.items()
    }


def _fields(pa: Any, batch: KindRows, column: Column, wanted: Wanted) -> Iterator[tuple[str, Any]]:
    """Those of a column that are wanted."""
    values = batch.columns[column.name]
    if column.table is None:
        if wanted.name(column.name):
            yield column.name, _column(pa, column, values)
        return
    table, names = batch.tables[column.table.name], [field.name for field in column.row_fields()]
    if not any(map(batch.kind.writes, names)):
        return
    if column.table.type is ENTITY and batch.kind.only:
        table = [wanted.entity(names[0], entity) for entity in table]
    for name, array in zip(names, column.table.type.arrow(table, pa), strict=True):
        if batch.kind.writes(name):
            yield name, _looked_up(pa, _plain(pa, values), array)


def _looked_up(pa: Any, index: Any, values: Any) -> Any:
    """Strings stay in a dictionary; what is nested is written out, for few readers take it in one."""
    return pa.DictionaryArray.from_arrays(index, values) if values.type == pa.string() else values.take(index)


def _column(pa: Any, column: Column, values: Array) -> Any:
    if column.codes and column.dtype.itemsize == 1:
        return pa.DictionaryArray.from_arrays(_plain(pa, values), _words(column.codes))
    if column.codes:
        known, index = np.unique(values, return_inverse=True)
        words = words_of(column.codes)
        told = pa.array([words.get(code, str(code)) for code in known.tolist()], pa.string())
        return pa.DictionaryArray.from_arrays(index.astype(np.int32), told)
    if column.values is flags:
        return pa.array(values != 0)
    if column.dtype.kind == "S":
        return _texts(pa, [values], lambda firsts: texts(values[firsts]))
    return _plain(pa, values)


def _plain(pa: Any, values: Array) -> Any:
    """The column's own memory, if it lies together."""
    values = np.ascontiguousarray(values)
    if values.dtype.kind == "V":
        type_ = pa.binary(values.dtype.itemsize)
        return pa.Array.from_buffers(type_, len(values), [None, pa.py_buffer(values)])
    return pa.array(values)


def _derived(pa: Any, field: Field, batch: KindRows) -> Any:
    """Texts; empty ones are null."""
    read = {name: batch.columns[name] for name in field.reads or batch.columns}

    def values(firsts: np.ndarray) -> Values:
        return field.values({name: column[firsts] for name, column in read.items()}, batch.tables)

    return _texts(pa, list(read.values()), values, empty=None)


def _texts(
    pa: Any, columns: list[Array], values: Callable[[np.ndarray], Values], empty: str | None = ""
) -> Any:
    """A dictionary of the texts that rows have, made of one row for each that says something else in columns."""
    if not len(columns[0]):
        return pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), pa.array([], pa.string()))
    firsts, numbers = same_rows(columns)
    told = [text if isinstance(text, str) and text else empty for text in values(firsts)]
    index = pa.array(numbers.astype(np.int32), mask=_nothing(told)[numbers] if empty is None else None)
    return pa.DictionaryArray.from_arrays(index, pa.array([text or "" for text in told], pa.string()))


def _nothing(told: list[str | None]) -> np.ndarray:
    return np.fromiter((text is None for text in told), np.bool_, len(told))


@cache
def _words(codes: Any) -> Any:
    """The word of each number of one byte, the number itself where there is none."""
    pa, words = _pyarrow(), words_of(codes)
    return pa.array([words.get(code, str(code)) for code in range(256)])


def _metadata(kind: Kind, name: str) -> Mapping[str, str] | None:
    if name not in kind.types:
        return None
    column = kind.column(name)
    said = {"unit": column.counted_in, "meaning": column.meaning}
    return {key: text for key, text in said.items() if text} or None
