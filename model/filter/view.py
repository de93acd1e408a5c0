"""What a filter looks at: a batch, or rows that came over a public subject, as columns made when asked for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from model.addresses import address_bytes
from model.arrays import Array, Columns
from model.batch import Batch
from model.column import Column
from model.kind import Kind
from model.public import PublicRow
from model.rows.fields import UNSET, Field
from model.rows.values import hexadecimals, known_hexadecimals
from model.rows.words import words_of
from model.traffic import RowTraffic

#: Which rows; shape (n,).
Mask = npt.NDArray[np.bool_]

HEXADECIMAL: Final = (hexadecimals, known_hexadecimals)


class View(Protocol):
    """Rows of one kind."""

    @property
    def columns(self) -> Columns:
        """By name."""

    def __len__(self) -> int: ...

    def windows(self) -> np.ndarray:
        """The second of each row, or one for all, before what it is late by."""

    def nodes(self) -> Sequence[str]:
        """Who made each row, or one for all."""

    def entries(self, column: Column, field: Field) -> tuple[list[Any], np.ndarray]:
        """The different values of a field that is looked up in a table, and which of them each row has."""

    def entities(self, column: Column, field: Field) -> tuple[Sequence[Any], np.ndarray]:
        """The same of maps of attributes; what is empty stands for nobody."""

    def moved(self) -> RowTraffic:
        """What moved in each row.

        :raises ValueError: if nothing moves in rows of this kind.
        """

    def taken(self, rows: np.ndarray) -> "View":
        """The rows at these places; of a whole view alone."""


class BatchView:
    """A batch.

    :param rows: the places of those that are looked at; None for all.
    """

    def __init__(self, batch: Batch, rows: np.ndarray | None = None) -> None:
        self.columns = batch.columns if rows is None else _SelectedColumns(batch.columns, rows)
        self._batch = batch
        self._length = len(batch) if rows is None else len(rows)
        self._moved: RowTraffic | None = None
        self._entries: dict[tuple[str, str], list[Any]] = {}

    def __len__(self) -> int:
        return self._length

    def windows(self) -> np.ndarray:
        """One for all."""
        return np.array([self._batch.window], np.int64)

    def nodes(self) -> Sequence[str]:
        """One for all."""
        return [self._batch.node]

    def entries(self, column: Column, field: Field) -> tuple[list[Any], np.ndarray]:
        """Each entry of the table is looked at once, whether rows point to it or not."""
        key = column.name, field.name
        if key not in self._entries:
            index = self._batch.columns[column.name]
            every = np.arange(int(index.max(initial=0)) + 1, dtype=np.uint32)
            self._entries[key] = list(field.values({column.name: every}, self._batch.tables))
        return self._entries[key], self.columns[column.name]

    def entities(self, column: Column, field: Field) -> tuple[Sequence[Any], np.ndarray]:
        """The table as it is."""
        assert column.table is not None
        return self._batch.tables[column.table.name], self.columns[column.name]

    def moved(self) -> RowTraffic:
        """As summaries add it up; once."""
        self._moved = self._moved or _moved(self._batch.kind, self.columns)
        return self._moved

    def taken(self, rows: np.ndarray) -> "BatchView":
        """The rows at these places, without a copy of what nobody asks for."""
        assert self._length == len(self._batch), "of a whole batch"
        view = BatchView(self._batch, rows)
        view._entries = self._entries
        return view


class RowsView:
    """Rows as a reader has them; columns are made of the fields that are asked for."""

    def __init__(self, kind: Kind, rows: Sequence[PublicRow]) -> None:
        self._kind = kind
        self._rows = rows
        self._fields = [each.row for each in rows]
        self.columns = _FieldColumns(kind, self._fields)

    def __len__(self) -> int:
        return len(self._rows)

    def windows(self) -> np.ndarray:
        """That of each row's message."""
        return np.array([row.window for row in self._rows], np.int64)

    def nodes(self) -> Sequence[str]:
        """That of each row's message."""
        return [row.node for row in self._rows]

    def entries(self, column: Column, field: Field) -> tuple[list[Any], np.ndarray]:
        """One for each row."""
        return [row.get(field.name, UNSET) for row in self._fields], np.arange(len(self._fields))

    def entities(self, column: Column, field: Field) -> tuple[Sequence[Any], np.ndarray]:
        """One for each row."""
        return self.entries(column, field)

    def moved(self) -> RowTraffic:
        """As summaries add it up."""
        return _moved(self._kind, self.columns)

    def taken(self, rows: np.ndarray) -> "RowsView":
        """The rows at these places."""
        return RowsView(self._kind, [self._rows[row] for row in rows.tolist()])


def _moved(kind: Kind, columns: Columns) -> RowTraffic:
    if kind.figures is None:
        raise ValueError(f"nothing moves in {kind.plural}")
    return kind.figures.moved(columns)


class _SelectedColumns(dict[str, Array]):
    """Some rows of columns, each taken when it is asked for."""

    def __init__(self, columns: Columns, rows: np.ndarray) -> None:
        super().__init__()
        self._whole = columns
        self._at = rows

    def __missing__(self, name: str) -> Array:
        self[name] = self._whole[name][self._at]
        return self[name]


class _FieldColumns(dict[str, Array]):
    """Columns of rows, each made when it is asked for."""

    def __init__(self, kind: Kind, rows: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self._kind = kind
        self._rows = rows

    def __missing__(self, name: str) -> Array:
        column = self._kind.column(name)
        values = list(map(_reader(column), _fields_of(column, self._rows)))
        self[name] = _array(column, values)
        return self[name]


def _fields_of(column: Column, rows: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    """What rows say of a column; None where they leave it out."""
    stem, dot, part = column.name.rpartition(".")
    if dot and part == "sum":  # of a histogram, within it
        yield from ((row.get(stem) or {}).get(part) for row in rows)
    else:
        yield from (row.get(column.name) for row in rows)


def _reader(column: Column) -> Callable[[Any], Any]:
    """From the words of rows back to what columns hold."""
    if column.codes:
        codes = {word: code for code, word in words_of(column.codes).items()}
        return lambda word: column.default if word is None else codes.get(word, word)
    if column.values in HEXADECIMAL:
        return lambda digits: int(digits, 16) if digits else 0
    if column.dtype.kind == "V":
        return lambda text: address_bytes(text) if text else bytes(16)
    if column.dtype.kind == "S":
        return lambda text: text.encode() if text else b""
    return lambda number: column.default if number is None else number


def _array(column: Column, values: list[Any]) -> Array:
    if column.dtype.kind == "V":
        return np.frombuffer(b"".join(values), column.dtype)
    return np.array(values, column.dtype)
