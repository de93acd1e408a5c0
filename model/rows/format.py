"""Rows of batches as structs that msgspec writes, as JSON lines or msgpack: one format for each kind of batch."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import repeat
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from model.kinds.delta_batch import DeltaBatch
from model.kinds.flow_batch import FlowBatch
from model.kinds.workload_batch import WorkloadBatch

#: Rows made in one go: the interpreter is held for a few milliseconds.
SLICE_ROWS: Final = 1000

#: Default of a field that is written also if it is 0 or empty; only a value that is ``UNSET`` itself is left out.
ALWAYS: Final = msgspec.UNSET

AnyBatch = TypeVar("AnyBatch", DeltaBatch, FlowBatch, WorkloadBatch)


class Field(NamedTuple, Generic[AnyBatch]):
    """One key of a row.

    :param name: the key, dotted.
    :param values: a batch's values, one a row.
    :param default: the key is left out where the value is this very object (true of 0 and ""); or ``ALWAYS``.
    """

    name: str
    values: Callable[[AnyBatch], Iterable[Any]]
    default: Any = 0


class RowFormat(Generic[AnyBatch]):
    """How the rows of one kind of batch are written.

    :param kind: "delta", "flow" or "workload".
    :param fields: in the order in which they are written.
    """

    def __init__(self, kind: str, fields: Sequence[Field[AnyBatch]]) -> None:
        self._fields: Sequence[Field[AnyBatch]] = fields
        head: list[Any] = [("node", str), ("boot", str), ("seq", int), ("window", int)]
        body: list[Any] = [(_attribute(field.name), object, field.default) for field in fields]
        names = {_attribute(field.name): field.name for field in fields}
        options: dict[str, Any] = {"rename": names, "omit_defaults": True, "gc": False}
        self._row: Any = msgspec.defstruct(f"{kind.title()}Row", body, **options)
        self._line: Any = msgspec.defstruct(
            f"{kind.title()}Line", [*head, *body], tag_field="kind", tag=kind, **options
        )

    def lines(self, batch: AnyBatch) -> Iterator[tuple[int, bytes]]:
        """The rows as JSON lines, each naming its batch: how many, and their text. ``SLICE_ROWS`` at a time, nothing
        for an empty batch."""
        head = [repeat(value) for value in (batch.node, batch.boot, batch.seq, batch.window)]
        for part in _slices(batch):
            yield len(part), _json.encode_lines(list(map(self._line, *head, *self._columns(part))))

    def packed(self, batch: AnyBatch) -> Iterator[bytes]:
        """The rows as maps of msgpack, without what is the same for all rows of a batch."""
        for row in self._rows(batch):
            yield _msgpack.encode(row)

    def objects(self, batch: AnyBatch) -> list[dict[str, Any]]:
        """The rows as a reader of a line has them, without what is the same for all rows of a batch."""
        return [msgspec.to_builtins(row) for row in self._rows(batch)]

    def _rows(self, batch: AnyBatch) -> Iterator[msgspec.Struct]:
        for part in _slices(batch):
            yield from map(self._row, *self._columns(part))

    def _columns(self, batch: AnyBatch) -> list[Iterable[Any]]:
        return [field.values(batch) for field in self._fields]


_json: Final = msgspec.json.Encoder()
_msgpack: Final = msgspec.msgpack.Encoder()


def _slices(batch: AnyBatch) -> Iterator[AnyBatch]:
    for begin in range(0, len(batch), SLICE_ROWS):
        part = slice(begin, begin + SLICE_ROWS)
        yield replace(batch, columns={name: column[part] for name, column in batch.columns.items()})


def _attribute(name: str) -> str:
    return name.replace(".", "_")
