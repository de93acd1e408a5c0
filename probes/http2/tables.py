"""HPACK's dynamic tables of all directions, as far as fields that are looked at are in them (RFC 7541, section 2.3).

An entry is known by how many were inserted before it. What a block refers to is so many insertions back: which ones
a table has no room for need not be known, for a peer that refers to them breaks the connection. What was inserted
before a connection was seen, or what was lost, is unknown, and so is all that refers to it.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from probes.http2.blocks import Blocks
from probes.http2.fields import STATIC, Field
from probes.http2.walk import Fields, walk

#: Entries of a direction that are kept: of a table of 8 KB all there can be (each counts as 32 bytes and its text).
KEPT: Final = 256
_MIX: Final = np.random.default_rng().integers(1, 1 << 63, 4, np.uint64) | np.uint64(1)


class Literals(Protocol):
    """Knows the values of fields that stand in blocks."""

    def values(
        self, data: np.ndarray, begins: np.ndarray, sizes: np.ndarray, fields: np.ndarray
    ) -> np.ndarray:
        """Of HPACK strings; shape (n,), uint64."""

    def static(self) -> np.ndarray:
        """The values of the static table; by place, uint64."""


@dataclass(frozen=True)
class Decoded:
    """What header blocks say.

    :param values: of each field (``Field``) of each block, 0: it has none; shape (fields, n), uint64.
    :param unknown: whether it has fields that are not known.
    """

    values: np.ndarray
    unknown: np.ndarray


@dataclass(frozen=True)
class _Found:
    """Fields of blocks, those of equal blocks as often as the blocks are there.

    :param block: of each field; shape (n,).
    :param walked: its place among the fields that were walked, one block of each kind.
    :param literal: whether its value stands in the block, not in a table.
    """

    block: np.ndarray
    walked: np.ndarray
    index: np.ndarray
    field: np.ndarray
    inserts: np.ndarray
    literal: np.ndarray

    @classmethod
    def spread(cls, fields: Fields, kind: np.ndarray, per: np.ndarray) -> "_Found":
        """Of the fields of one block of each kind.

        :param kind: of each block.
        :param per: fields of each kind.
        """
        begins, counts = np.cumsum(per) - per, per[kind]
        place = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        walked = np.repeat(begins[kind], counts) + place
        block = np.repeat(np.arange(len(kind)), counts)
        index, field, inserts, size = (
            column[walked] for column in (fields.index, fields.field, fields.inserts, fields.size)
        )
        return cls(block, walked, index, field, inserts, size > 0)


@dataclass(frozen=True)
class _Places:
    """Where blocks stand, in entries inserted into their direction's table before; shape (n,) each.

    :param start: entries before each block.
    :param begun: entries before the turn, of its direction.
    :param floor: what was inserted before is not known.
    :param number: of this turn's insertions, in all directions, before its direction began.
    """

    direction: np.ndarray
    start: np.ndarray
    begun: np.ndarray
    floor: np.ndarray
    number: np.ndarray

    def different(self, kind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One block, the first, of those that say the same: equal ones before the same table; and which is each's.

        :param kind: of each block, equal for equal ones.
        """
        mixed = kind.astype(np.uint64)
        for place, column in enumerate((self.direction, self.start, self.floor)):
            mixed = (mixed ^ mixed >> np.uint64(31)) * _MIX[place] ^ column.astype(np.uint64)
        _, first, which = np.unique(mixed * _MIX[3], return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        return first[order], rank[which]

    def take(self, blocks: np.ndarray) -> "_Places":
        """Those of these blocks."""
        return _Places(*(column[blocks] for column in vars(self).values()))


class DynamicTables:
    """Decodes blocks.

    :param directions: that there can be.
    """

    def __init__(self, directions: int, literals: Literals) -> None:
        self._literals = literals
        self._inserted = np.zeros(directions, np.int64)
        self._floor = np.zeros(directions, np.int64)  # what was inserted before is not known
        self._damaged = np.zeros(directions, np.bool_)  # the last block was malformed
        self._fields = np.zeros((0, KEPT), np.uint8)
        self._values = np.zeros((0, KEPT), np.uint64)

    def forget(self, directions: np.ndarray) -> None:
        """These are others from now on."""
        self._inserted[directions] = self._floor[directions] = 0
        self._damaged[directions] = False

    def decode(self, blocks: Blocks) -> Decoded:
        """What blocks say; they are in order, by direction."""
        _, once, kind = np.unique(blocks.digests, return_index=True, return_inverse=True)
        fields = walk(blocks.data, blocks.begins[once], blocks.ends[once])
        self._room(int(blocks.direction.max(initial=-1)) + 1)
        inserted = np.bincount(fields.block[fields.inserts], minlength=len(once))
        every = self._places(blocks, inserted[kind], fields.malformed[kind])
        first, which = every.different(kind)
        places = every.take(first)
        per = np.bincount(fields.block, minlength=len(once))
        found = _Found.spread(fields, kind[first], per)
        field, value, source = self._referred(found, places)
        self._read_literals(blocks.data, blocks.begins[once], fields, found, (field, value))
        referring = np.flatnonzero((source >= 0) & ~found.literal)
        value[referring] = value[source[referring]]
        self._insert(found, places, field, value)
        values, unknown = _by_block(len(first), found.block, field, value)
        return Decoded(values[:, which], unknown[which] | fields.malformed[kind])

    def _room(self, directions: int) -> None:
        """Tables are there for directions up to the highest that was seen."""
        have = len(self._fields)
        if directions > have:
            size = min(len(self._inserted), max(64, directions, 2 * have))
            self._fields = np.concatenate((self._fields, np.zeros((size - have, KEPT), np.uint8)))
            self._values = np.concatenate((self._values, np.zeros((size - have, KEPT), np.uint64)))

    def _places(self, blocks: Blocks, inserted: np.ndarray, malformed: np.ndarray) -> _Places:
        """Counts insertions; remembers how many there were, and from where on they are known.

        :param inserted: entries that each block inserts.
        """
        direction = blocks.direction
        opening = np.ones(len(blocks), np.bool_)
        opening[1:] = direction[1:] != direction[:-1]
        group = np.cumsum(opening) - 1
        before = np.cumsum(inserted) - inserted  # in all directions
        number = before[opening][group]
        begun = self._inserted[direction]
        start = begun + before - number
        broken = blocks.after_loss | np.where(opening, self._damaged[direction], np.roll(malformed, 1))
        floor = np.where(broken, start, self._floor[direction])
        floor = np.maximum.accumulate(floor + (group << 40)) - (group << 40)
        closing = np.append(opening[1:], True)[: len(blocks)]
        ended = direction[closing]
        self._inserted[ended] = (start + inserted)[closing]
        self._floor[ended], self._damaged[ended] = floor[closing], malformed[closing]
        return _Places(direction, start, begun, floor, number)

    def _referred(self, found: _Found, places: _Places) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What each field is; its value, where a table has it; and which field of this turn it refers to, or -1.

        Every block that inserts is there, in order: what was inserted before a field is what stands before it.
        """
        field, value = found.field.copy(), np.zeros(len(found.field), np.uint64)
        source = np.full(len(field), -1)
        static = np.flatnonzero((found.index > 0) & (found.index <= STATIC) & ~found.literal)
        value[static] = self._literals.static()[found.index[static]]
        refers = np.flatnonzero(found.index > STATIC)
        if not len(refers):
            return field, value, source
        at = found.block[refers]
        begun, number = places.begun[at], places.number[at]
        position = (np.cumsum(found.inserts) - found.inserts)[refers] - number + begun
        target = position - (found.index[refers] - STATIC)
        known = (target >= places.floor[at]) & (target >= position - KEPT)
        field[refers[~known]] = Field.UNKNOWN
        new = known & (target >= begun)
        source[refers[new]] = np.flatnonzero(found.inserts)[(target - begun + number)[new]]
        old = known & ~new
        row, place = places.direction[at[old]], target[old] % KEPT
        field[refers[old]], value[refers[old]] = self._fields[row, place], self._values[row, place]
        _inherit(field, source)
        return field, value, source

    def _read_literals(
        self,
        data: np.ndarray,
        begins: np.ndarray,
        fields: Fields,
        found: _Found,
        into: tuple[np.ndarray, np.ndarray],
    ) -> None:
        """Fills in the values that stand in the blocks; each is read once, however many blocks are equal.

        :param begins: of the blocks that were walked.
        :param into: what each field is, and its value.
        """
        field, value = into
        literal = np.flatnonzero(found.literal & (field > 0) & (field < Field.UNKNOWN))
        keys, inverse = np.unique(found.walked[literal] * len(Field) + field[literal], return_inverse=True)
        walked = keys // len(Field)
        at = begins[fields.block[walked]] + fields.value[walked]
        value[literal] = self._literals.values(data, at, fields.size[walked], keys % len(Field))[inverse]

    def _insert(self, found: _Found, places: _Places, field: np.ndarray, value: np.ndarray) -> None:
        """Keeps the last entries of each direction."""
        inserts = np.flatnonzero(found.inserts)
        at = found.block[inserts]
        direction = places.direction[at]
        position = np.arange(len(inserts)) - places.number[at] + places.begun[at]
        kept = position >= self._inserted[direction] - KEPT
        row, place = direction[kept], position[kept] % KEPT
        self._fields[row, place], self._values[row, place] = field[inserts[kept]], value[inserts[kept]]


def _inherit(field: np.ndarray, source: np.ndarray) -> None:
    """Fields that refer to fields of this turn are what those are, which may refer to others in turn: by doubling."""
    refers = np.flatnonzero(source >= 0)
    if not len(refers):
        return
    root = np.where(source >= 0, source, np.arange(len(source)))
    while True:
        further = root[root]
        if (further == root).all():
            break
        root = further
    field[refers] = field[root[refers]]


def _by_block(
    blocks: int, block: np.ndarray, field: np.ndarray, value: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Values of each block by field, and whether it has some that are not known."""
    values, unknown = np.zeros((len(Field), blocks), np.uint64), np.zeros(blocks, np.bool_)
    held = np.flatnonzero((field > 0) & (field != Field.UNKNOWN))
    values[field[held], block[held]] = value[held]
    unknown[block[field == Field.UNKNOWN]] = True
    return values, unknown
