"""Thrift's compact protocol, as much of it as Parquet's metadata takes; pure.

See "Thrift compact protocol encoding" of Apache Thrift.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from model.varint import varint, zigzag

I32: Final = 5
I64: Final = 6
BINARY: Final = 8
LIST: Final = 9
STRUCT: Final = 12

#: Lengths of lists that stand beside the type.
_SHORT_LIST: Final = 15

#: Of 32 or 64 bits; footers have the same ones again and again.
integer: Final = lru_cache(1 << 16)(zigzag)


class Field(NamedTuple):
    """A field of a struct.

    :param number: in the struct's definition; ascending.
    :param type: one of the constants above.
    :param value: encoded.
    """

    number: int
    type: int
    value: bytes


def binary(data: bytes) -> bytes:
    """Bytes or text with their length."""
    return varint(len(data)) + data


def listed(type_: int, values: Sequence[bytes]) -> bytes:
    """A list of encoded values."""
    count = len(values)
    head = bytes([count << 4 | type_]) if count < _SHORT_LIST else bytes([0xF0 | type_]) + varint(count)
    return head + b"".join(values)


def struct(*fields: Field) -> bytes:
    """A struct; its fields' numbers differ by less than 16."""
    parts, last = [], 0
    for number, type_, value in fields:
        parts.append(bytes([number - last << 4 | type_]) + value)
        last = number
    return b"".join(parts) + b"\0"
