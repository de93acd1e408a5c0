"""Batches as messages: one msgpack map each, the columns inside as they are in memory; ``docs/schema.md``."""

import contextlib
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from model.arrays import Array, Columns, Tables, zeros
from model.batch import Batch
from model.kind import Kind
from model.kinds import kind_named
from model.kinds.delta import DELTA
from model.kinds.ledger import LEDGER

#: Rows that a reader takes at most.
MOST_ROWS: Final = 1 << 16

Count = Annotated[int, msgspec.Meta(ge=0)]


class BadBatch(ValueError):
    """Bytes that are no batch of a version this program reads."""


class UnknownKind(BadBatch):
    """A batch of a kind that nobody declared here: of a newer program, or of a plug-in that is not installed.

    :ivar kind: its name.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(f"rows of the unknown kind {kind!r}")
        self.kind = kind


class _Head(msgspec.Struct):
    """What every message has; ``kind`` is missing in deltas of older programs."""

    v: int
    node: str
    boot: str
    seq: Count
    window: Count
    chunk: Count
    chunks: Count
    n: Annotated[int, msgspec.Meta(ge=0, le=MOST_ROWS)]
    columns: dict[str, memoryview]
    kind: str = DELTA.name
    via: int = -1


class _Named(msgspec.Struct):
    kind: str = DELTA.name


_KIND: Final = msgspec.msgpack.Decoder(_Named)


@lru_cache(64)
def _decoder(kind: Kind) -> "msgspec.msgpack.Decoder[Any]":
    fields: list[Any] = [(name, table.type.wire | None, None) for name, table in kind.tables.items()]
    fields += [
        (name, type(default), msgspec.field(default_factory=type(default)))
        for name, default in kind.head.items()
    ]
    return msgspec.msgpack.Decoder(msgspec.defstruct(f"{kind.name.title()}Message", fields, bases=(_Head,)))


def decode(data: bytes) -> Batch:
    """The batch in ``data``; its columns are views into it, and those that are missing have their defaults.

    :raises UnknownKind: if nobody declared its kind here.
    :raises BadBatch: if the bytes are no batch, of another version, or do not fit together.
    """
    try:
        kind, message = _message(data)
        _check_version(kind, message.v)
        columns = _columns(kind, message.columns, message.n)
        tables = _tables(kind, message, columns)
    except BadBatch:
        raise
    except (ValueError, RecursionError) as error:  # msgspec's errors and numpy's are ValueErrors
        raise BadBatch(f"no batch: {error}") from error
    return Batch(
        kind,
        *(message.node, message.boot, message.seq, message.window),
        columns,
        tables,
        {name: getattr(message, name) for name in kind.head},
        *(message.chunk, message.chunks, message.via),
        tuple(sorted(message.columns.keys() - kind.types.keys())),
    )


def ledger_within(batch: Batch) -> Batch | None:
    """The ledger of its node that an agent from before the kind ``ledger`` sent in a message of deltas."""
    stages = batch.head.get("ledger")
    if not stages or batch.via >= 0:
        return None
    head = {"stages": stages, "open_sockets": batch.head["open_sockets"]}
    return Batch(LEDGER, batch.node, batch.boot, batch.seq, batch.window, {}, head=head)


def _message(data: bytes) -> tuple[Kind, Any]:
    """Its kind, and what it holds. Nearly all are deltas: only of others the kind is looked up first.

    :raises UnknownKind: if nobody declared its kind here.
    :raises ValueError: if the bytes are no message of that kind.
    """
    with contextlib.suppress(msgspec.ValidationError):
        message = _decoder(DELTA).decode(data)
        if message.kind == DELTA.name:
            return DELTA, message
    name = _KIND.decode(data).kind
    kind = kind_named(name)
    if kind is None:
        raise UnknownKind(name)
    return kind, _decoder(kind).decode(data)


def _check_version(kind: Kind, version: int) -> None:
    if version != kind.version:
        raise BadBatch(f"version {version} of {kind.name}, this program reads {kind.version}")


def _columns(kind: Kind, columns: dict[str, memoryview], rows: int) -> Columns:
    """:raises BadBatch: if one has another length."""
    read: Columns = {}
    for name, dtype, nothing, default in _layout(kind):
        data = columns.get(name)
        if data:
            read[name] = values = np.frombuffer(data, dtype)
            if len(values) != rows:
                raise BadBatch(f"column {name} has {len(values)} rows, not {rows}")
        else:
            read[name] = (default if data is None else nothing)[:rows]
    return read


@lru_cache(64)
def _layout(kind: Kind) -> list[tuple[str, "np.dtype[np.generic]", Array, Array]]:
    """Names and types of the kind's columns; what one is a view of that is empty in a message, and one that lacks."""
    layout = []
    for column in kind.columns:
        nothing = default = zeros(MOST_ROWS, column.dtype)
        if column.default:
            default = column.filled(MOST_ROWS)
            default.flags.writeable = False
        layout.append((column.name, column.dtype, nothing, default))
    return layout


def _tables(kind: Kind, message: Any, columns: Columns) -> Tables:
    """:raises ValueError: if one cannot be read, or columns point beyond it."""
    tables = {}
    for name, table in kind.tables.items():
        raw = getattr(message, name)
        tables[name] = read = table.type.empty() if raw is None else table.type.decode(raw)
        for index in kind.indexes[name]:
            if len(columns[index]) and int(columns[index].max()) >= len(read):
                raise BadBatch(f"{index} points beyond {len(read)} {name}")
    return tables
