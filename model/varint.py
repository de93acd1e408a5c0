"""Numbers in groups of seven bits, as protobuf, Thrift and ClickHouse's native format write them."""

from typing import Final

_SMALL: Final = [bytes([number]) for number in range(128)]


def varint(number: int) -> bytes:
    """A number in groups of seven bits, the lowest first; negative ones as 64 bits."""
    if 0 <= number < 128:
        return _SMALL[number]
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def zigzag(number: int) -> bytes:
    """A signed number."""
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)
