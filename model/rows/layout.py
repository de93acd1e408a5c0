"""How rows are divided where values repeat: stretches of fields that many rows share, and the others."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from model.arrays import Array
from model.rows.fields import Field, Rows
from model.rows.same import is_constant, same_rows, sample

#: Rows that are looked at.
_ROWS: Final = 256
#: Different values of numbers among them that are many, and of what is longer: a text costs more than a number.
_MANY_NUMBERS: Final = 40
_MANY_TEXTS: Final = 200
#: Different rows of a span among them that are many.
_MANY_ROWS: Final = 48
#: A layout is of use if its parts are so few of the fields.
_PARTS_OF_FIELDS: Final = 0.5


class Span(NamedTuple):
    """Neighbouring fields that say the same in many rows.

    :param places: of the fields.
    :param reads: the columns that they read.
    :param differ: those of them that are not the same in all rows.
    """

    places: range
    reads: tuple[str, ...]
    differ: tuple[str, ...]


class Layout(NamedTuple):
    """Spans, and the places of fields that vary, in order.

    :param constant: columns that are the same in all rows.
    :param useful: whether spans stand for most fields.
    """

    parts: tuple[Span | int, ...]
    constant: tuple[str, ...]
    useful: bool

    def holds(self, batch: Rows) -> bool:
        """Whether the batch may be written so."""
        return all(is_constant(batch.columns[name]) for name in self.constant)


def layout_of(fields: Sequence[Field], batch: Rows) -> Layout:
    """What a sample of a batch suggests.

    :param batch: not empty.
    """
    return _Search(fields, batch).layout()


class _Search:
    """What is known of a batch's columns: how many different values a sample has, 1 only if all are the same.

    :ivar apart: columns whose fields make spans of their own.
    """

    def __init__(self, fields: Sequence[Field], batch: Rows) -> None:
        self._fields = fields
        self._batch = batch
        self._rows = sample(len(batch), _ROWS)
        names = {name for field in fields for name in field.reads}
        self._different = {name: self._values(batch.columns[name]) for name in names}
        self._varying = {name for name in names if self._different[name] >= self._many(name)}
        self._apart: set[str] = set()

    def layout(self) -> Layout:
        for key, places in groupby(range(len(self._fields)), self._key):
            if key is not None:
                self._leave_few(list(places))
        parts = tuple(self._parts())
        spans = [part for part in parts if isinstance(part, Span)]
        constant = {name for span in spans for name in span.reads if name not in span.differ}
        useful = len(parts) <= _PARTS_OF_FIELDS * len(self._fields)
        return Layout(parts, tuple(sorted(constant)), useful)

    def _parts(self) -> Iterator[Span | int]:
        for key, places in groupby(range(len(self._fields)), self._key):
            if key is None:
                yield from places
            else:
                yield self._span(list(places))

    def _key(self, place: int) -> frozenset[str] | None:
        """The same for neighbours that make a span; None for a field that varies."""
        reads = self._fields[place].reads
        if not reads or not self._varying.isdisjoint(reads):
            return None
        return frozenset(self._apart.intersection(reads))

    def _span(self, places: list[int]) -> Span:
        reads = dict.fromkeys(name for place in places for name in self._fields[place].reads)
        differ = tuple(name for name in reads if self._different[name] > 1)
        return Span(range(places[0], places[-1] + 1), tuple(reads), differ)

    def _leave_few(self, places: list[int]) -> None:
        """Take out of a span the columns that say too many different things together with the others."""
        left = sorted(self._span(places).differ, key=self._different.__getitem__)
        while len(left) > 1:
            seen = [self._batch.columns[name][self._rows] for name in left]
            if len(same_rows(seen).firsts) <= _MANY_ROWS:
                break
            name = left.pop()
            (self._varying if self._is_number(name) else self._apart).add(name)

    def _values(self, column: Array) -> int:
        found = len(set(column[self._rows].tolist()))
        return found if found > 1 or is_constant(column) else 2

    def _many(self, name: str) -> int:
        return _MANY_NUMBERS if self._is_number(name) else _MANY_TEXTS

    def _is_number(self, name: str) -> bool:
        """Whether its fields are written as numbers; an index stands for texts."""
        return self._batch.columns[name].dtype.kind in "iuf" and not name.endswith(".index")
