"""HPACK's fields of many header blocks at once, one field of each a round (RFC 7541, section 6). Pure.

What a field refers to needs the dynamic table, and is not looked up here: all is a function of the bytes alone.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from probes.http2.fields import FIELDS, NAMES, STATIC
from probes.http2.huffman import encode

#: Fields that are looked at in one block.
MOST: Final = 256


@dataclass(frozen=True)
class Fields:
    """Fields of blocks, by block, in their order; those are left out that say nothing and change no table.

    :param block: of each; shape (n,).
    :param index: what it refers to in the tables; 0: its name is a literal.
    :param field: what it is, as far as that needs no dynamic table (``Field``).
    :param value: where its value begins, behind its block's beginning: an HPACK string.
    :param size: of that string, with its head, in bytes; 0: it has its value of the table.
    :param inserts: whether it is a new entry of the dynamic table.
    :param malformed: blocks that do not end where they should, or have more than ``MOST`` fields.
    """

    block: np.ndarray
    index: np.ndarray
    field: np.ndarray
    value: np.ndarray
    size: np.ndarray
    inserts: np.ndarray
    malformed: np.ndarray


def integers(data: np.ndarray, at: np.ndarray, prefix: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
    """HPACK's integers (section 5.1), and the places behind them; what is longer than five bytes is cut there.

    :param prefix: the largest number that fits into the first byte, whose upper bits mean something else.
    """
    numbers = (data[at] & prefix).astype(np.int64)
    behind = at + 1
    more = np.flatnonzero(numbers == prefix)
    for shift in range(0, 28, 7):
        if not len(more):
            break
        byte = data[behind[more]].astype(np.int64)
        numbers[more] += (byte & 127) << shift
        behind[more] += 1
        more = more[byte > 127]
    return numbers, behind


def walk(data: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> Fields:
    """The fields of blocks.

    :param data: their bytes, and some more; uint8.
    :param begins: of each; shape (n,).
    :param ends: likewise.
    """
    at, active = begins.copy(), np.arange(len(begins))
    malformed = np.zeros(len(begins), np.bool_)
    rounds: list[tuple[np.ndarray, ...]] = []
    for _ in range(MOST):
        active = active[at[active] < ends[active]]
        if not len(active):
            break
        fields, behind = _step(data, at[active], ends[active])
        over = behind > ends[active]
        malformed[active[over]] = True
        at[active] = np.where(over, ends[active], behind)
        index, field, value, size, inserts = fields
        telling = ((field > 0) | (index > STATIC) | inserts) & ~over
        rounds.append(
            (
                active[telling],
                index[telling],
                field[telling],
                (value - begins[active])[telling],
                size[telling],
                inserts[telling],
            )
        )
    malformed[at < ends] = True
    if not rounds:
        nothing = np.zeros(0, np.int64)
        return Fields(nothing, nothing, nothing, nothing, nothing, nothing > 0, malformed)
    columns = [np.concatenate(parts) for parts in zip(*rounds, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    block, index, field, value, size, inserts = (column[order] for column in columns)
    return Fields(block, index, field, value, size, inserts, malformed)


def _step(data: np.ndarray, at: np.ndarray, ends: np.ndarray) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """One field of each block, and the place behind it, which may be beyond the end of the block."""
    head = data[at]
    indexed, inserts, resizes = head >= 0x80, (head & 0xC0) == 0x40, (head & 0xE0) == 0x20
    prefix = np.where(indexed, 127, np.where(inserts, 63, np.where(resizes, 31, 15))).astype(np.uint8)
    index, behind = integers(data, at, prefix)
    index[resizes] = 0
    field, value, size = np.zeros(len(at), np.uint8), np.zeros(len(at), np.int64), np.zeros(len(at), np.int64)
    literal = np.flatnonzero(~(indexed | resizes))
    named = literal[index[literal] == 0]
    if len(named):
        field[named], behind[named] = _names(data, np.minimum(behind[named], ends[named]))
    if len(literal):
        value[literal] = np.minimum(behind[literal], ends[literal])
        length, text = integers(data, value[literal], 127)
        behind[literal] = text + length
        size[literal] = behind[literal] - value[literal]
    static = (index > 0) & (index <= STATIC)
    field[static] = FIELDS[index[static]]
    return (index, field, value, size, inserts), behind


#: Names as literals have them, with the byte of their length: plain, and in Huffman's code.
_LITERALS: Final = tuple(
    (field, np.frombuffer(bytes([flag | len(text)]) + text, np.uint8))
    for field, name in NAMES.items()
    for flag, text in ((0, name), (0x80, encode(name)))
)


def _names(data: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which fields literal names are, and the places behind them."""
    field = np.zeros(len(at), np.uint8)
    head = data[at]
    for known, literal in _LITERALS:
        maybe = np.flatnonzero(head == literal[0])
        if len(maybe):
            same = (data[at[maybe][:, None] + np.arange(len(literal))] == literal).all(axis=1)
            field[maybe[same]] = known
    length, text = integers(data, at, 127)
    return field, text + length
