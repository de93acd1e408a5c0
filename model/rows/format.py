"""Rows as structs that msgspec writes, as JSON lines, msgpack or plain types: one format for each kind."""

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, Final

import msgspec

from model.arrays import Columns, Tables
from model.rows.fields import Field, Rows, Values
from model.rows.layout import Layout, layout_of
from model.rows.repeated import RepeatedLines

#: Rows made in one go: the interpreter is held for a few milliseconds.
SLICE_ROWS: Final = 1000
#: Fewer rows are written one by one.
LEAST_ROWS: Final = 200
#: Batches after which a layout is looked for anew, for values that began to repeat.
LAYOUT_BATCHES: Final = 32


class RowFormat:
    """How the rows of one kind are written.

    :param kind: its name: ``kind`` of each line.
    :param fields: in the order in which they are written.
    """

    def __init__(self, kind: str, fields: Sequence[Field]) -> None:
        self.fields = fields
        self._kind = kind
        self._batches = 0
        self._layout: Layout | None = None
        head: list[Any] = [("node", str), ("boot", str), ("seq", int), ("window", int)]
        names = {f"f{place}": field.name for place, field in enumerate(fields)}
        body: list[Any] = [(name, object, field.default) for name, field in zip(names, fields, strict=True)]
        options: dict[str, Any] = {"rename": names, "omit_defaults": True, "gc": False}
        title = kind.title().replace("_", "")
        self._row: Any = msgspec.defstruct(f"{title}Row", body, **options)
        self._line: Any = msgspec.defstruct(
            f"{title}Line", [*head, *body], tag_field="kind", tag=kind, **options
        )

    def lines(self, batch: Rows) -> Iterator[tuple[int, bytes]]:
        """The rows as JSON lines, each naming its batch: how many, and their text. ``SLICE_ROWS`` at a time, nothing
        for an empty batch."""
        repeated = self._repeated(batch)
        if repeated is None:
            yield from self.plain_lines(batch)
            return
        yield from repeated.lines(SLICE_ROWS)

    def plain_lines(self, batch: Rows) -> Iterator[tuple[int, bytes]]:
        """The same, row by row."""
        for rows in self._named(batch):
            yield len(rows), _json.encode_lines(rows)

    def packed(self, batch: Rows) -> Iterator[bytes]:
        """The rows as maps of msgpack, without what is the same for all rows of a batch."""
        for columns in _slices(batch):
            yield from map(_msgpack.encode, map(self._row, *self._values(columns, batch.tables)))

    def objects(self, batch: Rows) -> Iterator[dict[str, Any]]:
        """The rows as a reader of a line has them."""
        for rows in self._named(batch):
            yield from map(msgspec.to_builtins, rows)

    def _repeated(self, batch: Rows) -> RepeatedLines | None:
        """A way to write values that repeat once; None: row by row.

        The layout of one batch is tried with those after it, and so is that there is none: to look for one costs as
        much as to write some hundred rows.
        """
        if len(batch) < LEAST_ROWS:
            return None
        layout, again = (
            self._layout,
            self._batches % LAYOUT_BATCHES,
        )  # other threads write rows of this kind, too
        self._batches += 1
        if again and (layout is None or layout.holds(batch)):
            repeated = self._divided(batch, layout)
            if layout is None or repeated:
                return repeated
        layout = layout_of(self.fields, batch)
        repeated = self._divided(batch, layout)
        self._layout = layout if repeated else None
        return repeated

    def _divided(self, batch: Rows, layout: Layout | None) -> RepeatedLines | None:
        if layout is None or not layout.useful:
            return None
        place = {"node": batch.node, "boot": batch.boot, "seq": batch.seq, "window": batch.window}
        repeated = RepeatedLines(self.fields, self._row, batch, layout, {"kind": self._kind, **place})
        return repeated if repeated.fits else None

    def _named(self, batch: Rows) -> Iterator[list[Any]]:
        head = [repeat(value) for value in (batch.node, batch.boot, batch.seq, batch.window)]
        for columns in _slices(batch):
            yield list(map(self._line, *head, *self._values(columns, batch.tables)))

    def _values(self, columns: Columns, tables: Tables) -> list[Values]:
        return [field.values(columns, tables) for field in self.fields]


_json: Final = msgspec.json.Encoder()
_msgpack: Final = msgspec.msgpack.Encoder()


def _slices(batch: Rows) -> Iterator[Columns]:
    for begin in range(0, len(batch), SLICE_ROWS):
        part = slice(begin, begin + SLICE_ROWS)
        yield {name: column[part] for name, column in batch.columns.items()}
