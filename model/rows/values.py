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

from model.addresses import address_text
from model.chains import Hop
from model.kinds.delta import NO_SLOT, Column, Columns, Evidence
from model.kinds.delta_batch import DeltaBatch
from model.kinds.flow_batch import FlowBatch
from model.rows import words
from model.rows.port_names import port_name

#: One value for each row.
Values = Iterable[Any]

UNSET: Final = msgspec.UNSET

#: The hops of a connection come again every second.
_hop: Final = lru_cache(1 << 14)(Hop.as_dict)

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


def each(text: Callable[[Any], Any]) -> Callable[[Column], Values]:
    """By way of ``text``, which is asked again only for what was not seen for long."""
    known = lru_cache(1 << 14)(text)
    return lambda column: list(map(known, column.tolist()))


def small(text: Callable[[int], Any]) -> Callable[[Column], Values]:
    """As ``each``, for columns of one byte; 0 stays 0."""
    known = [text(number) if number else 0 for number in range(256)]

    def values(column: Column) -> Values:
        items = column.tobytes()
        return list(map(known.__getitem__, items)) if any(items) else repeat(0, len(items))

    return values


def coded(codes: Mapping[int, str]) -> Callable[[Column], Values]:
    """Words in place of codes."""
    return small(lambda code: codes.get(code, code))


flags: Final = small(lambda _: True)
texts: Final = each(lambda text: text.decode(errors="replace"))
#: Any address, also ``::``.
any_addresses: Final = each(address_text)
#: Left out if it is optional and not known: all zeros, which is no end of any connection.
addresses: Final = each(lambda raw: address_text(raw) if raw != _UNSPECIFIED else "")


#: What usually listens there; nothing for most.
port_names: Final = each(port_name)


def error_types(column: Column) -> Values:
    """The names of errors, nothing for none."""
    if not column.any():
        return repeat("", len(column))
    return [words.error_name(number) if number else "" for number in column.tolist()]


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
    table, items = batch.cgroups, column.tolist()
    known = {
        index: table[index].encode(errors="replace").decode() if index < len(table) else ""
        for index in set(items)
    }
    return [known[index] for index in items]


def entities(column: Column, batch: DeltaBatch | FlowBatch) -> Values:
    """Attributes of who that is; nothing where nobody knows."""
    if not column.any():
        return repeat(UNSET, len(column))
    known = {index: dict(batch.entities[index]) or UNSET for index in np.unique(column).tolist()}
    return [known[index] for index in column.tolist()]


def chains(column: Column, batch: DeltaBatch | FlowBatch) -> Values:
    """Lists of hops; nothing where nothing was rewritten."""
    if not column.any():
        return repeat(UNSET, len(column))
    items = column.tolist()
    known = {index: [_hop(hop) for hop in batch.chains[index]] or UNSET for index in set(items)}
    return [known[index] for index in items]
