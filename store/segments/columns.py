"""Tables in columns: numbers, texts, and lists of either, one value for each row."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from model.arrays import Array

#: Numbers, or texts, one after the other.
Flat = Array | list[str]


@dataclass(frozen=True)
class Lists:
    """A list for each row.

    :param offsets: where each begins in ``values``, from 0, and the end of all; shape (rows + 1,), int64.
    """

    offsets: np.ndarray
    values: Flat

    def __len__(self) -> int:
        return len(self.offsets) - 1


Column = Flat | Lists
Table = Mapping[str, Column]


def rows_of(table: Table) -> int:
    """How many rows it has."""
    return len(next(iter(table.values()), ()))


def flat_taken(values: Flat, places: np.ndarray) -> Flat:
    """The values at these places."""
    if isinstance(values, list):
        return [values[place] for place in places.tolist()]
    found: Array = values[places] if values.any() else np.zeros(len(places), values.dtype)
    return found


def taken(column: Column, places: np.ndarray) -> Column:
    """The rows at these places."""
    if not isinstance(column, Lists):
        return flat_taken(column, places)
    lengths = np.diff(column.offsets)[places]
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    inner = np.repeat(column.offsets[:-1][places] - offsets[:-1], lengths) + np.arange(int(offsets[-1]))
    return Lists(offsets, flat_taken(column.values, inner))


def sliced(column: Column, begin: int, end: int) -> Column:
    """The rows from one to another, which is not among them."""
    if not isinstance(column, Lists):
        return column[begin:end]
    offsets = column.offsets[begin : end + 1]
    return Lists(offsets - offsets[0], column.values[int(offsets[0]) : int(offsets[-1])])


def narrowed(column: Column) -> Column:
    """The same numbers in the shortest type that holds them; negative ones and texts stay as they are."""
    if isinstance(column, Lists):
        values = narrowed(column.values)
        assert not isinstance(values, Lists)
        return Lists(column.offsets, values)
    if isinstance(column, list) or (column.dtype.kind == "i" and int(column.min(initial=0)) < 0):
        return column
    return column.astype(np.min_scalar_type(int(column.max(initial=0))), copy=False)


def joined(columns: Sequence[Column]) -> Column:
    """One behind the other; all are alike."""
    first = columns[0]
    if len(columns) == 1:
        return first
    if isinstance(first, Lists):
        lists = [column for column in columns if isinstance(column, Lists)]
        bases = accumulate((len(column.values) for column in lists), initial=0)
        offsets = [column.offsets[1:] + base for column, base in zip(lists, bases, strict=False)]
        values = _flat_joined([column.values for column in lists])
        return Lists(np.concatenate(([0], *offsets)).astype(np.int64, copy=False), values)
    return _flat_joined([column for column in columns if not isinstance(column, Lists)])


def _flat_joined(parts: Sequence[Flat]) -> Flat:
    if isinstance(parts[0], list):
        return [text for part in parts for text in part]
    return np.concatenate([part for part in parts if not isinstance(part, list)])


def packed(table: Table) -> dict[str, Any]:
    """As it stands in a frame: columns of numbers that are all 0 are left out, the others as short as they can be.

    Its number of rows is ``n``.
    """
    columns = {name: _packed(column) for name, column in table.items()}
    return {
        "n": rows_of(table),
        "columns": {name: column for name, column in columns.items() if column is not None},
    }


def unpacked(packed_table: Mapping[str, Any], types: Mapping[str, str]) -> dict[str, Column]:
    """What ``packed`` made: numbers of signed types as wide as these, the others as short as they were written.

    :param types: of the columns (``store.segments.tables``); those that are missing are 0 or empty.
    """
    count = packed_table["n"]
    return {name: _unpacked(packed_table["columns"].get(name), type_, count) for name, type_ in types.items()}


def _packed(column: Column) -> Any:
    if isinstance(column, list):
        return column
    if isinstance(column, Lists):
        return (
            [numbers_packed(np.diff(column.offsets)), _packed(column.values)] if len(column.values) else None
        )
    return numbers_packed(column) if column.any() else None


def numbers_packed(values: Array) -> tuple[str, bytes]:
    """Type and bytes, of the shortest type that holds all; negative numbers stay as they are."""
    short = narrowed(values)
    assert isinstance(short, np.ndarray)
    return short.dtype.str, short.tobytes()


def _unpacked(column: Any, type_: str, count: int) -> Column:
    inner = type_.removesuffix("[]")
    if type_ != inner:
        if column is None:
            return Lists(np.zeros(count + 1, np.int64), empty_flat(inner))
        lengths = _read(column[0], "<i8")
        values = [] if column[1] is None else column[1]
        offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
        return Lists(offsets, values if inner == "text" else _filled(values, inner, int(offsets[-1])))
    if inner == "text":
        return list(column or [])
    return _filled(column, inner, count)


def _filled(column: Any, type_: str, count: int) -> Array:
    if column:
        return _read(column, type_)
    return np.zeros(count, np.uint8 if type_[1] == "u" else type_)


def _read(column: Any, type_: str) -> Array:
    found: Array = np.frombuffer(column[1], column[0])
    return found if type_[1] == "u" else found.astype(type_, copy=False)


def empty_flat(type_: str) -> Flat:
    """No value of this type."""
    return [] if type_ == "text" else np.zeros(0, type_)


def empty(types: Mapping[str, str]) -> dict[str, Column]:
    """A table without rows."""
    nothing: Iterable[tuple[str, Column]] = (
        (
            name,
            Lists(np.zeros(1, np.int64), empty_flat(type_[:-2]))
            if type_.endswith("[]")
            else empty_flat(type_),
        )
        for name, type_ in types.items()
    )
    return dict(nothing)
