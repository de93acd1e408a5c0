"""A batch of rows of one kind: columns, the tables that they point into, and what names it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgpack
import msgspec
import numpy as np

from model.arrays import Columns, Tables, holds
from model.arrow import arrow_table
from model.kind import Kind

#: Bytes of one message at most: below what a NATS server takes by default (1 MiB), with room for headers.
MESSAGE_BYTES: Final = 950_000
#: Bytes of a message without rows and tables: names of columns, head.
_FRAME_BYTES: Final = 8192


@dataclass(frozen=True)
class Batch:
    """Rows of one window, or a chunk of them.

    :param node: who made the rows: a node's name, ``engine``, or that of an engine's partition.
    :param boot: the start of Tailrace there; with ``kind``, ``node`` and ``seq`` it names the batch for good.
    :param window: the second since the epoch in which the rows happened, whole.
    :param columns: those of the kind, all of the same length.
    :param tables: what index columns point into, by name; empty ones may be left out.
    :param head: what the batch says as a whole (``Kind.head``).
    :param chunk: this batch's place among the ``chunks`` of one publication of the window.
    :param via: the partition whose engine found that the rows belong to another; -1 from the node itself.
    :param unknown: columns of the message that this program does not know and left aside.
    """

    kind: Kind
    node: str
    boot: str
    seq: int
    window: int
    columns: Columns
    tables: Tables = field(default_factory=dict)
    head: Mapping[str, Any] = field(default_factory=dict)
    chunk: int = 0
    chunks: int = 1
    via: int = -1
    unknown: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.tables) < len(self.kind.tables):
            empty = {name: table.type.empty() for name, table in self.kind.tables.items()}
            object.__setattr__(self, "tables", empty | dict(self.tables))
        if len(self.head) < len(self.kind.head):
            object.__setattr__(self, "head", {**self.kind.head, **self.head})

    def __len__(self) -> int:
        return len(self.columns[self.kind.columns[0].name]) if self.kind.columns else 0

    @property
    def last(self) -> bool:
        """Whether the publication of the window is complete with this batch."""
        return self.chunk == self.chunks - 1

    def empty(self) -> "Batch":
        """The same without rows."""
        return replace(self, columns=self.kind.empty())

    def take(self, rows: np.ndarray | slice) -> "Batch":
        """The rows at these places, or of this mask; tables are shared."""
        return replace(self, columns={name: column[rows] for name, column in self.columns.items()})

    def with_tables(self, **tables: Any) -> "Batch":
        """The same with these tables in place of its own."""
        return replace(self, tables={**self.tables, **tables})

    def compacted(self) -> "Batch":
        """The same with tables that hold only what its rows use."""
        columns, tables = _used(self.kind, self.columns, self.tables)
        return replace(self, columns=columns, tables=tables)

    def encode(self) -> bytes:
        """The batch as one message: a msgpack map with the columns inside as they are in memory."""
        kind = self.kind
        head = {"v": kind.version, "kind": kind.name, "node": self.node, "boot": self.boot, "seq": self.seq}
        part = {"window": self.window, "chunk": self.chunk, "chunks": self.chunks, "n": len(self)}
        columns = {
            column.name: self.columns[column.name].tobytes() if holds(self.columns[column.name]) else b""
            for column in kind.columns
            if not (column.default and (self.columns[column.name] == column.default).all())
        }
        tables = {name: table.type.encode(self.tables[name]) for name, table in kind.tables.items()}
        whole = head | part | {"columns": columns} | tables | dict(self.head) | {"via": self.via}
        packed: bytes = msgpack.packb(whole)
        return packed

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows as a reader of their JSON lines has them."""
        return self.kind.rows.objects(self)

    def json_lines(self) -> Iterator[tuple[int, bytes]]:
        """The rows as JSON lines, some at a time: how many, and their text; nothing for an empty batch.

        What the batch says as a whole (``Kind.document``) is a line that counts for no row.
        """
        yield from self.kind.rows.lines(self)
        if document := self.document():
            head = {"kind": self.kind.name, "node": self.node, "boot": self.boot, "window": self.window}
            yield 0, msgspec.json.encode(head | document) + b"\n"

    def document(self) -> dict[str, Any]:
        """What it says as a whole, for a line of its own; nothing for most kinds."""
        return {name: self.head[name] for name in self.kind.document}

    def packed_rows(self) -> Iterator[bytes]:
        """The rows as maps of msgpack, without what is the same for all rows of the batch."""
        return self.kind.rows.packed(self)

    def to_arrow(self) -> Any:
        """A ``pyarrow.Table`` (the extra ``arrow``): see ``model.arrow``.

        :raises TailraceError: if pyarrow is not installed.
        """
        return arrow_table(self)

    def chunked(self, rows: int = 0) -> Iterator["Batch"]:
        """Pieces of at most ``rows`` rows (0: as many as the kind says), numbered; tables are shared.

        At least one, also of an empty batch.
        """
        return published([self], rows)

    def fitting(self, max_bytes: int = MESSAGE_BYTES) -> Iterator["Batch"]:
        """The same, each with the tables of its own rows only, and at most ``max_bytes`` long as a message.

        A single row is never divided, however much it points to.
        """
        row_bytes = sum(column.dtype.itemsize for column in self.columns.values() if holds(column))
        rows = self.kind.chunk_rows
        parts = [
            part
            for begin in range(0, max(1, len(self)), rows)
            for part in self._parts(slice(begin, min(begin + rows, len(self))), row_bytes, max_bytes)
        ]
        return _numbered(self, parts)

    def _parts(self, span: slice, row_bytes: int, max_bytes: int) -> Iterator["Batch"]:
        """The rows of a span in pieces that fit, by halving."""
        part, count = self.take(span).compacted(), span.stop - span.start
        tables = sum(table.type.nbytes(part.tables[name]) for name, table in self.kind.tables.items())
        if count <= 1 or _FRAME_BYTES + count * row_bytes + tables <= max_bytes:
            yield part
            return
        middle = (span.start + span.stop) // 2
        yield from self._parts(slice(span.start, middle), row_bytes, max_bytes)
        yield from self._parts(slice(middle, span.stop), row_bytes, max_bytes)


def published(batches: Sequence[Batch], rows: int = 0) -> Iterator[Batch]:
    """Batches with the rows of one window as one publication: in pieces of at most ``rows`` rows, numbered.

    :param batches: at least one; the first says who publishes, and what the last piece says as a whole.
    """
    rows = rows or batches[0].kind.chunk_rows
    parts = [
        batch.take(slice(begin, begin + rows)) for batch in batches for begin in range(0, len(batch), rows)
    ]
    return _numbered(batches[0], parts or [batches[0].take(slice(0))])


def _numbered(whole: Batch, parts: Sequence[Batch]) -> Iterator[Batch]:
    """Parts as chunks of ``whole``."""
    for chunk, part in enumerate(parts):
        yield replace(part, seq=whole.seq + chunk, chunk=chunk, chunks=len(parts), head=whole.head)


def _used(kind: Kind, columns: Columns, tables: Tables) -> tuple[Columns, Tables]:
    columns, used = dict(columns), dict(tables)
    for name, indexes in kind.indexes.items():
        renumbered, used[name] = kind.tables[name].type.used(
            tables[name], [columns[index] for index in indexes]
        )
        columns.update(zip(indexes, renumbered, strict=True))
    return columns, used
