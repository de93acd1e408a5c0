"""Thrift's compact protocol, as much of it as Parquet's metadata takes; pure.

See "Thrift compact protocol encoding" of Apache Thrift.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

I32: Final = 5
I64: Final = 6
BINARY: Final = 8
LIST: Final = 9
STRUCT: Final = 12

#: Lengths of lists that stand beside the type.
_SHORT_LIST: Final = 15


class Field(NamedTuple):
    """A field of a struct.

    :param number: in the struct's definition; ascending.
    :param type: one of the constants above.
    :param value: encoded.
    """

    number: int
    type: int
    value: bytes


@lru_cache(1 << 16)
def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first.

    :param number: at least 0.
    """
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def integer(number: int) -> bytes:
    """Of 32 or 64 bits, in zigzag."""
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


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
