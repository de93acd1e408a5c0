"""Rows as structs that msgspec writes, as JSON lines, msgpack or plain types: one format for each kind."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from model.arrays import Columns, Tables

#: One value for each row.
Values = Iterable[Any]

#: Rows made in one go: the interpreter is held for a few milliseconds.
SLICE_ROWS: Final = 1000

UNSET: Final = msgspec.UNSET
#: Default of a field that is written also if it is 0 or empty; only a value that is ``UNSET`` itself is left out.
ALWAYS: Final = UNSET


class Field(NamedTuple):
    """One key of a row.

    :param name: the key, dotted.
    :param values: from columns and tables, one a row.
    :param default: the key is left out where the value is this very object (true of 0 and ""); or ``ALWAYS``.
    """

    name: str
    values: Callable[[Columns, Tables], Values]
    default: Any = 0


class Rows(Protocol):
    """What is written: a batch."""

    @property
    def node(self) -> str: ...
    @property
    def boot(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def window(self) -> int: ...
    @property
    def columns(self) -> Columns: ...
    @property
    def tables(self) -> Tables: ...
    def __len__(self) -> int: ...


class RowFormat:
    """How the rows of one kind are written.

    :param kind: its name: ``kind`` of each line.
    :param fields: in the order in which they are written.
    """

    def __init__(self, kind: str, fields: Sequence[Field]) -> None:
        self.fields = fields
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
