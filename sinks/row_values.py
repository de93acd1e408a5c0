"""Columns of deltas and flows as the values that rows are written with; the name of a column says how.

- addresses and ``process.comm`` are text (bytes that are no UTF-8 become U+FFFD);
- network type, role, state, close reason and evidence are lower-case words (a code that this version does not
  know stays a number); the flags opened, closed, failed, adopted and reported are true;
- an index into a table of the batch becomes what it points to; ``error.errno`` gets its name beside it.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import repeat
from typing import Any, Final

import msgspec
import numpy as np

from engine.addresses import address_text
from engine.batch import DeltaBatch
from engine.flow_batch import FlowBatch
from engine.schema import NO_SLOT, Column, Columns, Evidence
from sinks import words

#: One value for each row.
Values = Iterable[Any]

UNSET: Final = msgspec.UNSET

#: Addresses come again and again: those of a flow's service and server in the same row, others in the next second.
_address_text: Final = lru_cache(1 << 14)(address_text)

_FLAGS: Final = ("opened", "closed", "failed", "adopted", "reported")
_UNSPECIFIED: Final = bytes(16)

#: The end of a column's name -> its words.
_CODES: Final[dict[str, Mapping[int, str]]] = {
    "network.type": words.NETWORK_TYPES,
    "network.transport": words.TRANSPORTS,
    "owner.evidence": words.EVIDENCE,
    "connection.role": words.ROLES,
    "connection.state": words.STATES,
    "connection.close_reason": words.CLOSE_REASONS,
}


def plain_values(name: str, kind: str) -> Callable[[Column], Values]:
    """How the values of the column ``name`` of the numpy type ``kind`` are written, if the column alone says it."""
    if name.rpartition(".")[2] in _FLAGS:
        return flags
    if kind.startswith("V"):
        return addresses
    if kind.startswith("S"):
        return texts
    for end, codes in _CODES.items():
        if name.endswith(end):
            return coded(codes)
    return numbers


def numbers(column: Column) -> Values:
    """As they are."""
    return column.tolist() if column.any() else repeat(0, len(column))


def each(text: Callable[[Any], Any], nothing: Any = None) -> Callable[[Column], Values]:
    """By way of ``text``, called once for each different value; all zeros are ``nothing``, if that is given."""

    def values(column: Column) -> Values:
        if nothing is not None and not column.any():
            return repeat(nothing, len(column))
        items = column.tolist()
        known = {item: text(item) for item in set(items)}
        return [known[item] for item in items]

    return values


def coded(codes: Mapping[int, str]) -> Callable[[Column], Values]:
    """Words in place of codes."""
    return each(lambda code: codes.get(code, code) if code else 0, 0)


flags: Final = each(lambda value: True if value else 0, 0)
texts: Final = each(lambda text: text.decode(errors="replace"))
#: Left out if it is optional and not known: all zeros, which is no end of any connection.
addresses: Final = each(lambda raw: "" if raw == _UNSPECIFIED else _address_text(raw))
#: Any address, also ``::``.
any_addresses: Final = each(_address_text)
error_types: Final = each(lambda number: words.error_name(number) if number else "", "")


def hexadecimals(column: Column) -> Values:
    """16 digits each: 64 bits are more than the numbers of many a reader of JSON hold."""
    digits = column.astype(">u8").tobytes().hex()
    return [digits[begin : begin + 16] for begin in range(0, len(digits), 16)]


def slots(column: Column) -> Values:
    """Without the number that stands for no slot."""
    return [UNSET if slot == NO_SLOT else slot for slot in column.tolist()]


def users(columns: Columns, prefix: str) -> Values:
    """0 is root where somebody owns the socket, and nobody where no one does."""
    column = columns[f"{prefix}user.id"]
    nobody = (columns[f"{prefix}owner.evidence"] == Evidence.NONE) & (column == 0)
    return only(column.tolist(), ~nobody)


def only(values: Values, where: np.ndarray) -> Values:
    """``values`` in the rows that ``where`` marks."""
    if where.all():
        return values
    return [value if here else UNSET for value, here in zip(values, where.tolist(), strict=True)]


def paths(column: Column, batch: DeltaBatch | FlowBatch) -> Values:
    """Of cgroups; what is no UTF-8 in them becomes ``?``."""
    table = batch.cgroups
    known = {
        index: table[index].encode(errors="replace").decode() if index < len(table) else ""
        for index in np.unique(column).tolist()
    }
    return [known[index] for index in column.tolist()]


def chains(column: Column, batch: DeltaBatch | FlowBatch) -> Values:
    """Lists of hops; nothing where nothing was rewritten."""
    if not column.any():
        return repeat(UNSET, len(column))
    known = {
        index: [hop.as_dict() for hop in batch.chains[index]] or UNSET for index in np.unique(column).tolist()
    }
    return [known[index] for index in column.tolist()]
