"""One column of a row kind, declared once: messages, rows, tables and the schema page follow from it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

import numpy as np

from model.arrays import Array, Columns, Tables
from model.rows import values as row_values
from model.rows.fields import ALWAYS, Field, Values
from model.rows.words import words_of
from model.tables import Table

#: The fields of a row that a column becomes, by its name.
Fields = Callable[[str], Iterable[Field]]

Codes = type[IntEnum]
#: What becomes of a column when rows are summed up.
Over = Literal["last", "known", "most", "sum"]

#: The unit that the end of a name says; the longest end first.
_UNITS: Final = (
    ("bytes_per_second", "bytes/s"),
    ("segments", "segments"),
    ("bytes", "bytes"),
    ("_bytes_total", "bytes"),
    ("_ns", "ns"),
    ("_ns.sum", "ns"),
    ("late_s", "s"),
)


@dataclass(frozen=True, eq=False)
class Column:
    """One column.

    :param name: dotted; as the OpenTelemetry semantic conventions have it, else with the unit in the name.
    :param type: of numpy, little-endian: ``<u8``, ``V16`` (an address), ``S16`` (text, padded with zeros).
    :param meaning: for the schema page.
    :param unit: in which it counts, where the name does not end in it.
    :param default: what rows of a message have that lacks the column.
    :param codes: the words that rows have in place of numbers.
    :param table: what it points into; its name ends in ``.index``.
    :param values: how the values are written, where neither the type nor ``codes`` tells.
    :param fields: what becomes of it in a row, where that is not one field of the same name.
    :param always: whether rows have it also if it is 0 or empty.
    :param over: what rows of one key have together (``model.summing``): the value of the last, of the last that is
        not 0, the largest, or the sum.
    :param group: columns that the schema page lists in a table of their own; its name is the beginning of theirs.
    """

    name: str
    type: str
    meaning: str = ""
    unit: str = ""
    default: int | bytes = 0
    codes: Codes | None = None
    table: Table | None = None
    values: Callable[[Array], Values] | None = None
    fields: Fields | None = None
    always: bool = False
    group: str = ""
    over: Over = "last"

    @property
    def dtype(self) -> "np.dtype[np.generic]":
        """Its type."""
        return np.dtype(self.type)

    @property
    def counted_in(self) -> str:
        """The unit, also where the name says it; nothing for what is no measure."""
        return self.unit or next((unit for end, unit in _UNITS if self.name.endswith(end)), "")

    def filled(self, rows: int) -> Array:
        """So many rows of the default."""
        if not self.default:
            return np.zeros(rows, self.type)
        return np.full(rows, self.default, self.type)

    def row_fields(self) -> tuple[Field, ...]:
        """What it becomes in a row."""
        if self.fields:
            return tuple(self.fields(self.name))
        if self.table:
            return self.table.fields(self.name)
        name, values = self.name, self.values or self._values()
        empty = "" if self.type[0] in "VS" else 0
        default = ALWAYS if self.always else empty
        return (Field(name, lambda columns, _: values(columns[name]), default, (name,)),)

    def _values(self) -> Callable[[Array], Values]:
        if self.codes:
            return row_values.coded(words_of(self.codes))
        if self.type[0] == "V":
            return row_values.any_addresses if self.always else row_values.addresses
        return row_values.texts if self.type[0] == "S" else row_values.numbers


def derived(name: str, column: str, values: Callable[[Array], Values]) -> Field:
    """A field that rows have beside those of columns: ``values`` of a column, left out where it is empty."""

    def of(columns: Columns, _: Tables) -> Values:
        return values(columns[column])

    return Field(name, of, "", (column,))


def hidden(_: str) -> tuple[Field, ...]:
    """``Column.fields`` of one that rows say in another field."""
    return ()


def where(name: str, marked: Callable[[Columns], np.ndarray], *reads: str) -> Field:
    """Numbers that are written in the marked rows, also if they are 0.

    :param reads: the columns by which rows are marked.
    """

    def values(columns: Columns, _: Tables) -> Values:
        return row_values.only(columns[name].tolist(), marked(columns))

    return Field(name, values, ALWAYS, (name, *reads))
