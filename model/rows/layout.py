"""How rows are divided where values repeat: stretches of fields that many rows share, and the others."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from model.arrays import Array
from model.rows.fields import Field, Rows
from model.rows.same import is_constant, same_rows, sample

#: Values of a column that are looked at, and how many different ones of them are many.
_VALUES: Final = 48
_MANY: Final = 12
#: Rows that are looked at, and how many different ones of them are many.
_ROWS: Final = 256
_MANY_ROWS: Final = 48


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
    """

    parts: tuple[Span | int, ...]
    constant: tuple[str, ...]

    def holds(self, batch: Rows) -> bool:
        """Whether the batch may be written so."""
        return all(is_constant(batch.columns[name]) for name in self.constant)


def layout_of(fields: Sequence[Field], batch: Rows) -> Layout:
    """What a sample of a batch suggests.

    :param batch: not empty.
    """
    return _Search(fields, batch).layout()


class _Search:
    """What is known of a batch's columns: how many different values a sample has, 1 only if all are the same."""

    def __init__(self, fields: Sequence[Field], batch: Rows) -> None:
        self._fields = fields
        self._batch = batch
        names = {name for field in fields for name in field.reads}
        self._different = {name: _different(batch.columns[name]) for name in names}

    def layout(self) -> Layout:
        parts = tuple(self._parts())
        spans = [part for part in parts if isinstance(part, Span)]
        constant = {name for span in spans for name in span.reads if name not in span.differ}
        return Layout(parts, tuple(sorted(constant)))

    def _parts(self) -> Iterator[Span | int]:
        everywhere = range(len(self._fields))
        for steady, places in groupby(everywhere, self._is_steady):
            span = list(places)
            if not steady:
                yield from span
                continue
            self._leave_few(span)
            for still, some in groupby(span, self._is_steady):
                part = list(some)
                if still:
                    yield self._span(part)
                else:
                    yield from part

    def _is_steady(self, place: int) -> bool:
        reads = self._fields[place].reads
        return bool(reads) and max(map(self._different.__getitem__, reads)) < _MANY

    def _span(self, places: list[int]) -> Span:
        reads = dict.fromkeys(name for place in places for name in self._fields[place].reads)
        differ = tuple(name for name in reads if self._different[name] > 1)
        return Span(range(places[0], places[-1] + 1), tuple(reads), differ)

    def _leave_few(self, places: list[int]) -> None:
        """Call those columns varying that say too many different things together with the others."""
        left = sorted(self._span(places).differ, key=self._different.__getitem__)
        rows = sample(len(self._batch), _ROWS)
        while left:
            seen = [self._batch.columns[name][rows] for name in left]
            if len(same_rows(seen).firsts) <= _MANY_ROWS:
                break
            self._different[left.pop()] = _MANY


def _different(column: Array) -> int:
    found = len(set(column[sample(len(column), _VALUES)].tolist()))
    return found if found > 1 or is_constant(column) else 2
