"""A batch of delta rows: one node's second, or a chunk of it; columns inside, msgpack on the wire."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Annotated, Any, ClassVar

import msgpack
import msgspec
import numpy as np

from model.addresses import address_text
from model.chains import Chains
from model.enricher import Entity
from model.kinds.delta import DELTA_COLUMNS, VERSION, Column, Columns
from model.row_stage import RowStage

#: Rows of one message: about 300 bytes each, so that a message stays well below 1 MB.
CHUNK_ROWS = 3000
#: Bytes of one message at most: below what a NATS server takes by default (1 MiB), with room for headers.
MESSAGE_BYTES = 950_000
#: Bytes of a message without rows and paths: names of columns, ledger.
_FRAME_BYTES = 8192
#: Rows that a reader takes at most.
MOST_ROWS = 1 << 16
#: Columns of zeros are views of it, and empty in a message.
_ZEROS = bytes(16 * MOST_ROWS)
_KINDS = {name: np.dtype(kind) for name, kind in DELTA_COLUMNS.items()}
_ADDRESSES = tuple(name for name in DELTA_COLUMNS if name.endswith(".address"))


#: Entities of messages that are remembered, and bytes that one of them may have: larger ones are read anew.
ENTITIES = 16_384
LARGEST_ENTITY = 8192
#: A table of entities in which there is nobody.
NOBODY: Sequence[Entity] = ({},)

_HEAD = (
    "node",
    "boot",
    "seq",
    "window",
    "cgroups",
    "chunk",
    "chunks",
    "open_sockets",
    "ledger",
    "via",
)


Count = Annotated[int, msgspec.Meta(ge=0)]


class BadBatch(ValueError):
    """Bytes that are no batch of a version this program reads."""


class _Message(msgspec.Struct):
    """A message as it stands on the wire; fields of later versions are left aside."""

    v: int
    node: str
    boot: str
    seq: Count
    window: Count
    chunk: Count
    chunks: Count
    n: Annotated[int, msgspec.Meta(ge=0, le=MOST_ROWS)]
    columns: dict[str, memoryview]
    cgroups: list[str]
    open_sockets: Count
    ledger: dict[str, Any]
    chains: dict[str, memoryview] = {}
    entities: list[msgspec.Raw] = msgspec.field(default_factory=lambda: [msgspec.Raw(b"\x80")])
    via: int = -1

    def complaint(self, columns: Columns) -> str:
        """What does not fit together, or nothing."""
        if self.v != VERSION:
            return f"version {self.v}, this program reads {VERSION}"
        for name, column in columns.items():
            if len(column) != self.n:
                return f"column {name} has {len(column)} rows, not {self.n}"
        if self.n and int(columns["cgroup.index"].max()) >= max(1, len(self.cgroups)):
            return f"cgroup.index points beyond {len(self.cgroups)} paths"
        if self.n and int(columns["entity.index"].max()) >= len(self.entities):
            return f"entity.index points beyond {len(self.entities)} entities"
        return ""

    def tables(self, columns: Columns) -> Chains:
        """The table of chains, once all fits together.

        :raises ValueError: if it does not.
        """
        if complaint := self.complaint(columns):
            raise BadBatch(complaint)
        chains = Chains.decode(self.chains)
        if self.n and int(columns["nat.index"].max()) >= len(chains):
            raise ValueError(f"nat.index points beyond {len(chains)} chains")
        return chains


_DECODER = msgspec.msgpack.Decoder(_Message)
_ENTITY_DECODER = msgspec.msgpack.Decoder(dict[str, str])


def _written(column: Column) -> bytes:
    return column.tobytes() if _holds(column) else b""


def _holds(column: Column) -> bool:
    """Whether anything in it is not 0."""
    return bool(np.ascontiguousarray(column).view(np.uint8).any())


def _read(columns: dict[str, memoryview], rows: int) -> Columns:
    """:raises KeyError: if one is missing."""
    zeros = {kind: np.frombuffer(_ZEROS, kind, rows) for kind in _KINDS.values()}
    return {
        name: np.frombuffer(data, kind) if len(data := columns[name]) else zeros[kind]
        for name, kind in _KINDS.items()
    }


@lru_cache(ENTITIES)
def _entity(data: bytes) -> Entity:
    """Each message names the same few, and names them alike: one object for each, which nobody changes."""
    return _ENTITY_DECODER.decode(data)


@dataclass(frozen=True)
class DeltaBatch:
    """Rows of one window of one node.

    :param window: the second since the epoch in which the rows happened, whole.
    :param chunk: this message's place among the ``chunks`` of one publication of the window.
    :param cgroups: paths that the column ``cgroup.index`` points into.
    :param entities: what the column ``entity.index`` points into; the first is nobody.
    :param chains: what the column ``nat.index`` points into; the first is empty.
    :param open_sockets: connections open at the end of the window, also those that have no row.
    :param via: the partition whose worker found that the rows belong to another; -1 from the node itself.
    :param ledger: the node's loss ledger at the end of the window, in the last chunk of it (else empty).
    """

    stage: ClassVar[RowStage] = "deltas"

    node: str
    boot: str
    seq: int
    window: int
    columns: Columns
    cgroups: list[str] = field(default_factory=list)
    chains: Chains = field(default_factory=Chains)
    entities: Sequence[Entity] = NOBODY
    chunk: int = 0
    chunks: int = 1
    open_sockets: int = 0
    ledger: dict[str, Any] = field(default_factory=dict)
    via: int = -1

    def __len__(self) -> int:
        return len(self.columns["socket.slot"])

    @property
    def last(self) -> bool:
        """Whether the publication of the window is complete with this message."""
        return self.chunk == self.chunks - 1

    def encode(self) -> bytes:
        """The message as `docs/schema.md` describes it."""
        columns = {name: _written(self.columns[name]) for name in DELTA_COLUMNS}
        head = {"v": VERSION, "node": self.node, "boot": self.boot, "seq": self.seq, "window": self.window}
        part = {"chunk": self.chunk, "chunks": self.chunks, "n": len(self), "columns": columns}
        entities = [dict(entity) for entity in self.entities]
        tables = {"cgroups": self.cgroups, "chains": self.chains.encode(), "entities": entities}
        whole = tables | {"open_sockets": self.open_sockets, "ledger": self.ledger, "via": self.via}
        packed: bytes = msgpack.packb(head | part | whole)
        return packed

    @classmethod
    def decode(cls, data: bytes) -> "DeltaBatch":
        """The batch in ``data``; its columns are views into it. Unknown columns are left aside.

        :raises BadBatch: if the bytes are no batch, of another version, or columns and row count disagree.
        """
        try:
            message = _DECODER.decode(data)
            columns = _read(message.columns, message.n)
            chains = message.tables(columns)
            raw = list(map(bytes, message.entities))
            large = max(map(len, raw), default=0) > LARGEST_ENTITY
            entities = list(map(_entity.__wrapped__ if large else _entity, raw))
        except KeyError as error:
            raise BadBatch(f"column {error} is missing") from error
        except BadBatch:
            raise
        except (ValueError, RecursionError) as error:  # msgspec's errors and numpy's are ValueErrors
            raise BadBatch(f"no delta batch: {error}") from error
        head = {name: getattr(message, name) for name in _HEAD}
        return cls(**head, columns=columns, chains=chains, entities=entities)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Rows as plain types, for those who want them: addresses and names as text, flags as numbers."""
        lists = {name: column.tolist() for name, column in self.columns.items()}
        for values in zip(*lists.values(), strict=True):
            row = dict(zip(lists, values, strict=True))
            for name in _ADDRESSES:
                row[name] = address_text(row[name])
            row["nat"] = [hop.as_dict() for hop in self.chains[row.pop("nat.index")]]
            row["process.comm"] = row["process.comm"].decode(errors="replace")
            index = row.pop("cgroup.index")
            row["cgroup.path"] = self.cgroups[index] if index < len(self.cgroups) else ""
            row["entity"] = dict(self.entities[row.pop("entity.index")])
            yield row


def chunked(batch: DeltaBatch, rows: int = CHUNK_ROWS) -> Iterator[DeltaBatch]:
    """``batch`` as messages of at most ``rows`` rows, at least one, numbered; the ledger in the last."""
    chunks = max(1, -(-len(batch) // rows))
    for chunk in range(chunks):
        part = slice(chunk * rows, (chunk + 1) * rows)
        columns = {name: column[part] for name, column in batch.columns.items()}
        ledger = batch.ledger if chunk == chunks - 1 else {}
        yield replace(
            batch, seq=batch.seq + chunk, columns=columns, chunk=chunk, chunks=chunks, ledger=ledger
        )


def fitting(batch: DeltaBatch, max_bytes: int = MESSAGE_BYTES) -> Iterator[DeltaBatch]:
    """``batch`` as ``chunked``, each message with the paths of its own rows only, and of at most ``max_bytes``.

    A single row is never divided, however long its path.
    """
    row_bytes = sum(column.dtype.itemsize for column in batch.columns.values() if _holds(column))
    spans = [
        span
        for begin in range(0, max(1, len(batch)), CHUNK_ROWS)
        for span in _spans(batch, begin, min(begin + CHUNK_ROWS, len(batch)), row_bytes, max_bytes)
    ]
    for chunk, (begin, end) in enumerate(spans):
        columns = {name: column[begin:end] for name, column in batch.columns.items()}
        used = _used(batch, begin, end)
        columns["cgroup.index"] = np.searchsorted(used, columns["cgroup.index"]).astype(np.uint32)
        columns["nat.index"], chains = batch.chains.used(columns["nat.index"])
        columns["entity.index"], entities = used_entities(batch.entities, columns["entity.index"])
        yield replace(
            batch,
            seq=batch.seq + chunk,
            columns=columns,
            entities=entities,
            chains=chains,
            cgroups=[batch.cgroups[number] for number in used.tolist()],
            chunk=chunk,
            chunks=len(spans),
            ledger=batch.ledger if chunk == len(spans) - 1 else {},
        )


def _spans(
    batch: DeltaBatch, begin: int, end: int, row_bytes: int, max_bytes: int
) -> Iterator[tuple[int, int]]:
    """Rows ``begin`` to ``end`` in pieces that fit, by halving."""
    paths = sum(len(batch.cgroups[number].encode()) + 5 for number in _used(batch, begin, end).tolist())
    _, chains = batch.chains.used(batch.columns["nat.index"][begin:end])
    _, entities = used_entities(batch.entities, batch.columns["entity.index"][begin:end])
    tables = paths + chains.nbytes + sum(map(_entity_bytes, entities))
    if end - begin <= 1 or _FRAME_BYTES + (end - begin) * row_bytes + tables <= max_bytes:
        yield begin, end
        return
    middle = (begin + end) // 2
    yield from _spans(batch, begin, middle, row_bytes, max_bytes)
    yield from _spans(batch, middle, end, row_bytes, max_bytes)


def used_entities(entities: Sequence[Entity], index: Column) -> tuple[np.ndarray, Sequence[Entity]]:
    """``index`` renumbered, and those entities that it points to; the first stays nobody."""
    if len(entities) == 1:
        return np.zeros(len(index), np.uint32), entities
    marked = np.zeros(len(entities), np.bool_)
    marked[index] = marked[0] = True
    numbers = (np.cumsum(marked) - 1).astype(np.uint32)
    return numbers[index], [entities[number] for number in np.flatnonzero(marked).tolist()]


def _entity_bytes(entity: Entity) -> int:
    return 3 + sum(len(name.encode()) + len(text.encode()) + 6 for name, text in entity.items())


def _used(batch: DeltaBatch, begin: int, end: int) -> np.ndarray:
    """Numbers of the paths that these rows point to, ascending."""
    used = np.zeros(len(batch.cgroups), np.bool_)
    if batch.cgroups:
        used[batch.columns["cgroup.index"][begin:end]] = True
    return np.flatnonzero(used)
