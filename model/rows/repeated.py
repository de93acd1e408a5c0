"""Rows as JSON lines where values repeat: neighbouring fields that are the same in many rows are written once.

A row is made of stretches of such fields, as text of each group of rows that says the same in them, and of fields
that vary. A struct of few fields writes it: the first key of a stretch stands for all of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from model.arrays import Columns
from model.rows.fields import ALWAYS, Field, Rows, Values
from model.rows.layout import Layout, Span
from model.rows.same import same_rows

#: Combinations of first keys at most.
_SHAPES: Final = 8
#: Rows of a group at least, on average.
_ROWS_OF_GROUP: Final = 4

_encode: Final = msgspec.json.Encoder().encode
_encode_lines: Final = msgspec.json.Encoder().encode_lines
_FIRST: Final = np.zeros(1, np.intp)


class Stretch(NamedTuple):
    """Neighbouring fields.

    :param keys: the first key of each group's text; empty where there is none.
    :param texts: what follows it, as ``msgspec.Raw``; shape (groups,).
    :param numbers: the group of each row; None: there is one.
    """

    keys: Sequence[str]
    texts: np.ndarray
    numbers: np.ndarray | None

    def values(self, rows: np.ndarray) -> Values:
        """Of these rows."""
        if self.numbers is None:
            return repeat(self.texts[0], len(rows))
        found: list[Any] = self.texts.take(self.numbers.take(rows)).tolist()
        return found


#: The keys that a line's struct has, with their defaults; an empty one stands for a stretch that says nothing.
Shape = tuple[tuple[str, Any], ...]


class RepeatedLines:
    """The lines of one batch.

    :param fields: of a row.
    :param row: the struct of all of them, which leaves out defaults.
    :param head: what is the same in all rows and stands before the fields.
    """

    def __init__(
        self, fields: Sequence[Field], row: Any, batch: Rows, layout: Layout, head: Mapping[str, Any]
    ) -> None:
        self._fields = fields
        self._row = row
        self._batch = batch
        self._defaults: list[Values] = [repeat(field.default) for field in fields]
        self._pieces = self._pieced(layout, _encode(head)[1:-1])
        self._shapes, self._shape_of = _shapes(self._pieces, len(batch))

    @property
    def fits(self) -> bool:
        """Whether rows share their texts as the layout promised."""
        most = max(len(piece.keys) for piece in self._pieces if isinstance(piece, Stretch))
        return most * _ROWS_OF_GROUP <= len(self._batch) and len(self._shapes) <= _SHAPES

    def lines(self, rows: int) -> Iterator[tuple[int, bytes]]:
        """All of them, so many at a time: their count and text."""
        made = np.empty(len(self._batch), object)
        for number, shape in enumerate(self._shapes):
            places = np.flatnonzero(self._shape_of == number)
            made[places] = self._made(shape, places)
        for begin in range(0, len(made), rows):
            some = made[begin : begin + rows].tolist()
            yield len(some), _encode_lines(some)

    def _made(self, shape: Shape, rows: np.ndarray) -> list[Any]:
        """Structs of one shape."""
        columns = self._read(rows)
        there = (piece for (name, _), piece in zip(shape, self._pieces, strict=True) if name)
        values = [
            piece.values(rows) if isinstance(piece, Stretch) else piece.values(columns, self._batch.tables)
            for piece in there
        ]
        return list(map(_struct(shape), *values))

    def _pieced(self, layout: Layout, head: bytes) -> list[Stretch | Field]:
        pieces: list[Stretch | Field] = []
        for part in layout.parts:
            if not isinstance(part, Span):
                pieces.append(self._fields[part])
            elif pieces:
                pieces.append(self._stretch(part))
            else:
                pieces.append(self._stretch(part, head + b","))
        if not pieces or isinstance(pieces[0], Field):
            pieces.insert(0, _stretch([head]))
        return pieces

    def _stretch(self, span: Span, head: bytes = b"") -> Stretch:
        """What fields say, once for each group of rows that says the same."""
        places = span.places
        fields = self._fields[places.start : places.stop]
        firsts, numbers = _FIRST, None
        if span.differ:
            firsts, numbers = same_rows([self._batch.columns[name] for name in span.differ])
        columns = {name: self._batch.columns[name].take(firsts) for name in span.reads}
        values = [field.values(columns, self._batch.tables) for field in fields]
        values = self._defaults[: places.start] + values + self._defaults[places.stop :]
        texts = [text[1:-1] for text in _encode_lines(list(map(self._row, *values))).split(b"\n")[:-1]]
        if head:
            texts = [head + text if text else head[:-1] for text in texts]
        return _stretch(texts, numbers)

    def _read(self, rows: np.ndarray) -> Columns:
        """The columns that fields that vary read, in these rows."""
        fields = [piece for piece in self._pieces if isinstance(piece, Field)]
        names = {name for field in fields for name in field.reads}
        if not all(field.reads for field in fields):
            names = set(self._batch.columns)
        return {name: self._batch.columns[name].take(rows) for name in names}


def _shapes(pieces: Sequence[Stretch | Field], count: int) -> tuple[list[Shape], np.ndarray]:
    """The combinations of keys that there are, up to some more than ``_SHAPES``, and that of each row."""
    shapes: list[Shape] = [()]
    of = np.zeros(count, np.intp)
    for piece in pieces:
        if isinstance(piece, Field):
            shapes = [(*shape, (piece.name, piece.default)) for shape in shapes]
            continue
        keys = {key: number for number, key in enumerate(dict.fromkeys(piece.keys))}
        shapes = [(*shape, (key, ALWAYS)) for shape in shapes for key in keys]
        if len(keys) > 1:
            of = of * len(keys) + np.array([keys[key] for key in piece.keys])[piece.numbers]
            used, of = np.unique(of, return_inverse=True)
            shapes = [shapes[number] for number in used.tolist()]
        if len(shapes) > _SHAPES:
            break
    return shapes, of


@lru_cache(512)
def _struct(shape: Shape) -> Any:
    fields = [(f"f{place}", object, default) for place, (name, default) in enumerate(shape) if name]
    names = {f"f{place}": name for place, (name, _) in enumerate(shape) if name}
    return msgspec.defstruct("Line", fields, rename=names, omit_defaults=True, gc=False)


def _stretch(texts: list[bytes], numbers: np.ndarray | None = None) -> Stretch:
    parts = [text.partition(b'":') for text in texts]
    made = np.fromiter((msgspec.Raw(rest) for _, _, rest in parts), object, len(parts))
    return Stretch([key[1:].decode() for key, _, _ in parts], made, numbers)
