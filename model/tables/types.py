"""What tables are made of: how they are sent, cut to what rows use, and written."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, Protocol

import msgspec
import numpy as np

from model.arrays import Array, compacted
from model.chains import Chains, Hop
from model.enricher import Entity
from model.histogram import SCALE, Histograms
from model.queries import Queries
from model.requests import Requests

#: Entities of messages that are remembered, and bytes that one of them may have: larger ones are read anew.
ENTITIES: Final = 16_384
LARGEST_ENTITY: Final = 8192

#: A table of entities in which there is nobody.
NOBODY: Final[Sequence[Entity]] = ({},)

#: As rows have it; the hops of a connection come again every second.
hop_row: Final = lru_cache(1 << 14)(Hop.as_dict)


class TableType(Protocol):
    """What a table is made of. Its first value stands for nothing: an index of 0 points to it."""

    #: As msgspec reads it from a message.
    wire: Any

    def empty(self) -> Any:
        """A table with nothing in it but nothing."""

    def encode(self, table: Any) -> Any:
        """As it stands in a message, for msgpack."""

    def decode(self, raw: Any) -> Any:
        """What ``encode`` gave, after msgspec has read it.

        :raises ValueError: if that is none.
        """

    def used(self, table: Any, indexes: list[Array]) -> tuple[list[np.ndarray], Any]:
        """``indexes`` renumbered, and the table of what they point to alone."""

    def joined(self, tables: Sequence[Any]) -> tuple[Any, list[int]]:
        """One table of all, and by how much indices (but 0) into each of them grow."""

    def nbytes(self, table: Any) -> int:
        """Bytes in a message, about, and not less."""

    def arrow(self, table: Any, pa: Any) -> list[Any]:
        """For each field that an index column becomes, an Arrow array of its values, by index.

        :param pa: the module ``pyarrow``.
        """


class ListType:
    """A list of values.

    :param nothing: the first one.
    """

    wire: Any = list[Any]

    def __init__(self, nothing: Any) -> None:
        self._nothing = nothing

    def empty(self) -> Sequence[Any]:
        """Nothing alone."""
        return [self._nothing]

    def encode(self, table: Sequence[Any]) -> Any:
        """As it is."""
        return list(table)

    def decode(self, raw: list[Any]) -> Sequence[Any]:
        """As it is; one of an older program may be empty."""
        return raw or self.empty()

    def used(self, table: Sequence[Any], indexes: list[Array]) -> tuple[list[np.ndarray], Sequence[Any]]:
        """Only what is pointed to, and the first."""
        if len(table) <= 1:
            return [np.zeros(len(index), np.uint32) for index in indexes], table or self.empty()
        renumbered, old = compacted(indexes, len(table))
        return renumbered, [table[number] for number in old.tolist()]

    def joined(self, tables: Sequence[Sequence[Any]]) -> tuple[Sequence[Any], list[int]]:
        """One after the other, with one nothing."""
        whole = list(self.empty())
        shifts = []
        for table in tables:
            shifts.append(len(whole) - 1)
            whole += table[1:]
        return whole, shifts

    def nbytes(self, table: Sequence[Any]) -> int:
        """The sum over the values."""
        return 5 + sum(map(self.value_bytes, table))

    def arrow(self, table: Sequence[Any], pa: Any) -> list[Any]:
        """The values, with the type that Arrow finds in them."""
        return [pa.array(list(table))]

    def value_bytes(self, value: Any) -> int:
        """Bytes of one value in a message."""
        return len(msgspec.msgpack.encode(value))


class TextType(ListType):
    """Texts; the first is empty."""

    wire: Any = list[str]

    def __init__(self) -> None:
        super().__init__("")

    def value_bytes(self, value: str) -> int:
        """With what msgpack puts before it."""
        return len(value.encode(errors="replace")) + 5

    def arrow(self, table: Sequence[str], pa: Any) -> list[Any]:
        """Strings; what is no UTF-8 in them becomes ``?``."""
        return [pa.array([text.encode(errors="replace").decode() for text in table], pa.string())]


class EntityType(ListType):
    """Maps of attributes: each message names the same few, and names them alike, so they are read once."""

    wire: Any = list[msgspec.Raw]

    def __init__(self) -> None:
        super().__init__({})
        self._read = msgspec.msgpack.Decoder(dict[str, str]).decode
        self._known: dict[bytes, Entity] = {}
        self._sizes: dict[
            int, tuple[int, Entity]
        ] = {}  # by ``id`` of those, which no other can have meanwhile

    def empty(self) -> Sequence[Entity]:
        """Nobody."""
        return NOBODY

    def encode(self, table: Sequence[Entity]) -> Any:
        """As maps."""
        return [dict(entity) for entity in table]

    def decode(self, raw: list[msgspec.Raw]) -> Sequence[Entity]:
        """One object for each that is the same, which nobody changes."""
        data = list(map(bytes, raw))
        try:
            return list(map(self._known.__getitem__, data)) or NOBODY
        except KeyError:
            return list(map(self._remembered, data))

    def _remembered(self, data: bytes) -> Entity:
        """What ``data`` says; read once, unless it is large."""
        known = self._known.get(data)
        if known is None:
            known = self._read(data)
            if len(data) <= LARGEST_ENTITY:
                if len(self._known) >= ENTITIES:
                    self._known.clear()
                self._known[data] = known
        return known

    def value_bytes(self, value: Entity) -> int:
        """With what msgpack puts before each text. Asked of the same few for each message, and counted once."""
        known = self._sizes.get(id(value))
        if known:
            return known[0]
        size = 3 + sum(len(name.encode()) + len(text.encode()) + 6 for name, text in value.items())
        if size <= LARGEST_ENTITY:
            if len(self._sizes) >= ENTITIES:
                self._sizes.clear()
            self._sizes[id(value)] = size, value
        return size

    def arrow(self, table: Sequence[Entity], pa: Any) -> list[Any]:
        """Maps of strings."""
        text = pa.field("value", pa.string(), nullable=False)
        return [pa.array([list(entity.items()) for entity in table], pa.map_(pa.string(), text))]


class RecordType(ListType):
    """Named tuples of texts, as lists in a message.

    :param nothing: the first one.
    """

    wire: Any = list[list[str]]

    def decode(self, raw: list[list[str]]) -> Sequence[Any]:
        """As named tuples; parts of later versions are left aside, missing ones are empty."""
        record = type(self._nothing)
        size = len(self._nothing)
        return [record(*(value + [""] * size)[:size]) for value in raw] or self.empty()

    def arrow(self, table: Sequence[Any], pa: Any) -> list[Any]:
        """Strings, for each part."""
        return [pa.array([str(value) for value in part], pa.string()) for part in zip(*table, strict=True)]


class ChainType:
    """Chains of rewrites."""

    wire: Any = dict[str, memoryview]

    def empty(self) -> Chains:
        """None but the empty one."""
        return Chains()

    def encode(self, table: Chains) -> Any:
        """Lengths and hops."""
        return table.encode()

    def decode(self, raw: dict[str, memoryview]) -> Chains:
        """:raises ValueError: if lengths and hops disagree."""
        return Chains.decode(raw)

    def used(self, table: Chains, indexes: list[Array]) -> tuple[list[np.ndarray], Chains]:
        """Only what is pointed to."""
        (index,) = indexes
        renumbered, chains = table.used(index)
        return [renumbered], chains

    def joined(self, tables: Sequence[Chains]) -> tuple[Chains, list[int]]:
        """One after the other."""
        return Chains.joined(tables)

    def nbytes(self, table: Chains) -> int:
        """Of lengths and hops."""
        return table.nbytes + 32

    def arrow(self, table: Chains, pa: Any) -> list[Any]:
        """Lists of hops, addresses as strings."""
        ends = [
            (f"{end}.address", pa.string(), f"{end}.port", pa.uint16()) for end in ("source", "destination")
        ]
        parts = [part for end in ends for part in (end[:2], end[2:])]
        hop = pa.struct([pa.field(name, type_, nullable=False) for name, type_ in parts])
        hops = pa.list_(pa.field("element", hop, nullable=False))
        return [pa.array([list(map(hop_row, chain)) for chain in table], hops)]


class HistogramType:
    """Histograms."""

    wire: Any = dict[str, memoryview]

    def empty(self) -> Histograms:
        """None but the empty one."""
        return Histograms()

    def encode(self, table: Histograms) -> Any:
        """Three arrays."""
        return table.encode()

    def decode(self, raw: dict[str, memoryview]) -> Histograms:
        """:raises ValueError: if they disagree."""
        return Histograms.decode(raw)

    def used(self, table: Histograms, indexes: list[Array]) -> tuple[list[np.ndarray], Histograms]:
        """Only what is pointed to."""
        renumbered, old = compacted(indexes, len(table))
        return renumbered, table.take(old)

    def joined(self, tables: Sequence[Histograms]) -> tuple[Histograms, list[int]]:
        """One after the other."""
        return Histograms.joined(tables)

    def nbytes(self, table: Histograms) -> int:
        """Of the arrays."""
        return table.nbytes + 64

    def arrow(self, table: Histograms, pa: Any) -> list[Any]:
        """Structs of the scale, and of what each bucket holds."""
        numbers = pa.list_(pa.int64())
        type_ = pa.struct([("scale", pa.int8()), ("buckets", numbers), ("counts", numbers)])
        ends = pa.array(table.begins, pa.int32())
        parts = [pa.ListArray.from_arrays(ends, pa.array(part)) for part in (table.buckets, table.counts)]
        scale = pa.array([SCALE] * len(table), pa.int8())
        return [pa.StructArray.from_arrays([scale, *parts], fields=list(type_))]


class GroupsType:
    """Groups of things that rows point to.

    :param table: of what they are: ``Requests``, ``Queries``.
    """

    wire: Any = dict[str, Any]

    def __init__(self, table: type[Requests] | type[Queries]) -> None:
        self._table: Any = table

    def empty(self) -> Any:
        """None but the empty one."""
        return self._table()

    def encode(self, table: Any) -> Any:
        """Columns, and the tables that these point into."""
        return table.encode()

    def decode(self, raw: dict[str, Any]) -> Any:
        """:raises ValueError: if they disagree."""
        try:
            return self._table.decode(raw)
        except (TypeError, AttributeError) as error:
            raise ValueError(f"no groups: {error}") from error

    def used(self, table: Any, indexes: list[Array]) -> tuple[list[np.ndarray], Any]:
        """Only what is pointed to."""
        if len(table) == 1:
            return [np.zeros(len(index), np.uint32) for index in indexes], table
        renumbered, old = compacted(indexes, len(table))
        return renumbered, table.take(old)

    def joined(self, tables: Sequence[Any]) -> tuple[Any, list[int]]:
        """One after the other."""
        joined: tuple[Any, list[int]] = self._table.joined(tables)
        return joined

    def nbytes(self, table: Any) -> int:
        """Of columns, texts and histograms."""
        size: int = table.nbytes
        return size

    def arrow(self, _table: Any, _pa: Any) -> list[Any]:
        """Nothing: rows of a kind of their own say it."""
        return []


TEXTS: Final = TextType()
ENTITY: Final = EntityType()
CHAIN: Final = ChainType()
HISTOGRAM: Final = HistogramType()
REQUESTS: Final = GroupsType(Requests)
QUERIES: Final = GroupsType(Queries)
