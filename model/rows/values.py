"""Columns as the values that rows are written with."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import repeat
from typing import Any, Final

import numpy as np

from model.addresses import address_text
from model.arrays import Array
from model.rows.fields import UNSET, Values
from model.rows.port_names import port_name
from model.rows.words import error_name

_UNSPECIFIED: Final = bytes(16)


def numbers(column: Array) -> Values:
    """As they are."""
    return column.tolist() if column.any() else repeat(0, len(column))


def each(text: Callable[[Any], Any]) -> Callable[[Array], Values]:
    """By way of ``text``, which is asked again only for what was not seen for long."""
    known = lru_cache(1 << 14)(text)
    return lambda column: list(map(known, column.tolist()))


def small(text: Callable[[int], Any]) -> Callable[[Array], Values]:
    """As ``each``, for columns of one byte; 0 stays 0."""
    known = [text(number) if number else 0 for number in range(256)]

    def values(column: Array) -> Values:
        items = column.tobytes()
        return list(map(known.__getitem__, items)) if any(items) else repeat(0, len(items))

    return values


def coded(codes: Mapping[int, str]) -> Callable[[Array], Values]:
    """Words in place of codes; a code that this version does not know stays a number."""
    return small(lambda code: codes.get(code, code))


flags: Final = small(lambda _: True)
#: Bytes that are no UTF-8 become U+FFFD.
texts: Final = each(lambda text: text.decode(errors="replace"))
#: Any address, also ``::``.
any_addresses: Final = each(address_text)
#: Left out if it is optional and not known: all zeros, which is no end of any connection.
addresses: Final = each(lambda raw: address_text(raw) if raw != _UNSPECIFIED else "")


#: What usually listens there; nothing for most.
port_names: Final = each(port_name)


def error_types(column: Array) -> Values:
    """The names of errors, nothing for none."""
    if not column.any():
        return repeat("", len(column))
    return [error_name(number) if number else "" for number in column.tolist()]


def hexadecimals(column: Array) -> Values:
    """All digits of each: 64 bits are more than the numbers of many a reader of JSON hold."""
    digits = column.astype(column.dtype.newbyteorder(">")).tobytes().hex()
    width = 2 * column.itemsize
    return [digits[begin : begin + width] for begin in range(0, len(digits), width)]


def known_hexadecimals(column: Array) -> Values:
    """The same, and nothing for 0."""
    if not column.any():
        return repeat(UNSET, len(column))
    return only(hexadecimals(column), column != 0)


def only(values: Values, where: np.ndarray) -> Values:
    """``values`` in the rows that ``where`` marks."""
    if where.all():
        return values
    return [value if here else UNSET for value, here in zip(values, where.tolist(), strict=True)]
