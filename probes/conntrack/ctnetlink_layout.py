"""Where the values of a ctnetlink message stand: one message is walked, attribute by attribute.

Source of the format: include/uapi/linux/netfilter/nfnetlink_conntrack.h, include/uapi/linux/netlink.h.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

#: struct nlmsghdr, then struct nfgenmsg.
_FIRST_ATTRIBUTE: Final = 20
_FAMILY_AT: Final = 16
_FAMILIES: Final = {2: 4, 10: 6}  # AF_INET, AF_INET6
#: nla_type without NLA_F_NESTED and NLA_F_NET_BYTEORDER.
_TYPE_MASK: Final = 0x3FFF
_ATTRIBUTE_BYTES: Final = 4

CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_ID, CTA_ZONE = 1, 2, 12, 18
CTA_TUPLE_IP, CTA_TUPLE_PROTO, CTA_TUPLE_ZONE = 1, 2, 3
CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT = 1, 2, 3
#: CTA_IP_V4_SRC, CTA_IP_V4_DST; CTA_IP_V6_SRC, CTA_IP_V6_DST.
_ADDRESSES: Final = {4: (1, 2), 6: (3, 4)}
_ADDRESS_BYTES: Final = {4: 4, 6: 16}


@dataclass(frozen=True)
class Direction:
    """Offsets of one tuple's values; ports are 0 where the protocol has none."""

    source: int
    destination: int
    protocol: int
    source_port: int
    destination_port: int
    zone: int


@dataclass(frozen=True)
class MessageLayout:
    """Offsets in bytes from the message's beginning; 0 for what it does not have.

    :param family: 4 or 6.
    :param places: of the words that make the layout: attribute headers, and the family; shape (k,).
    :param marks: those words; shape (k,), uint32.
    """

    family: int
    original: Direction
    reply: Direction
    zone: int
    id: int
    places: np.ndarray
    marks: np.ndarray

    @property
    def has_ports(self) -> bool:
        """Whether the entry can be one of TCP or UDP."""
        ways = (self.original, self.reply)
        return all(way.source_port and way.destination_port for way in ways)

    def fits(self, words: np.ndarray, index: np.ndarray) -> np.ndarray:
        """Which of the messages at ``index`` are laid out like this one; ``words``: shape (n, width), uint32."""
        # All rows, as mostly, are picked in a third of the time.
        picked = words[:, self.places] if len(index) == len(words) else words[index[:, None], self.places]
        same: np.ndarray = (picked == self.marks).all(axis=1)
        return same


def read_layout(message: bytes) -> MessageLayout:
    """The layout of one whole message.

    :raises ValueError: if it is no conntrack entry of IPv4 or IPv6, or an attribute is cut, missing or too long.
    """
    if len(message) < _FIRST_ATTRIBUTE or (family := _FAMILIES.get(message[_FAMILY_AT], 0)) == 0:
        raise ValueError("not a message of IPv4 or IPv6")
    walk = _Walk(message)
    top = walk.attributes(_FIRST_ATTRIBUTE, len(message))
    original = walk.direction(walk.need(top, CTA_TUPLE_ORIG), family)
    reply = walk.direction(walk.need(top, CTA_TUPLE_REPLY), family)
    zone = walk.value(top, CTA_ZONE, 2) or original.zone or reply.zone
    number = walk.value(top, CTA_ID, 4)
    places = np.array([_FAMILY_AT, *walk.headers], np.intp) // 4
    marks = np.frombuffer(message[: len(message) // 4 * 4], "<u4")[places]
    return MessageLayout(family, original, reply, zone, number, places, marks)


Span = tuple[int, int]


class _Walk:
    """Goes through the attributes of one message and notes where their headers stand."""

    def __init__(self, message: bytes) -> None:
        self._message = message
        self.headers: list[int] = []

    def attributes(self, begin: int, end: int) -> dict[int, Span]:
        """Where the payload of each attribute begins and ends; the first of each type counts."""
        found: dict[int, Span] = {}
        for kind, span in self._each(begin, end):
            found.setdefault(kind, span)
        return found

    def _each(self, begin: int, end: int) -> Iterator[tuple[int, Span]]:
        while end - begin >= _ATTRIBUTE_BYTES:
            length = int.from_bytes(self._message[begin : begin + 2], "little")
            kind = int.from_bytes(self._message[begin + 2 : begin + 4], "little") & _TYPE_MASK
            if not _ATTRIBUTE_BYTES <= length <= end - begin:
                raise ValueError(f"attribute {kind} of {length} bytes in {end - begin}")
            self.headers.append(begin)
            yield kind, (begin + _ATTRIBUTE_BYTES, begin + length)
            begin += (length + 3) // 4 * 4

    def need(self, found: dict[int, Span], kind: int) -> Span:
        """The payload of an attribute that must be there."""
        if kind not in found:
            raise ValueError(f"no attribute {kind}")
        return found[kind]

    def value(self, found: dict[int, Span], kind: int, size: int) -> int:
        """Where a value of so many bytes stands; 0 if it is not there."""
        begin, end = found.get(kind, (0, size))
        if end - begin != size:
            raise ValueError(f"attribute {kind} of {end - begin} bytes instead of {size}")
        return begin

    def direction(self, span: Span, family: int) -> Direction:
        """The offsets in one tuple."""
        inner = self.attributes(*span)
        addresses = self.attributes(*self.need(inner, CTA_TUPLE_IP))
        ports = self.attributes(*self.need(inner, CTA_TUPLE_PROTO))
        for kind in _ADDRESSES[family]:
            self.need(addresses, kind)
        self.need(ports, CTA_PROTO_NUM)
        source, destination = (
            self.value(addresses, kind, _ADDRESS_BYTES[family]) for kind in _ADDRESSES[family]
        )
        return Direction(
            source,
            destination,
            self.value(ports, CTA_PROTO_NUM, 1),
            self.value(ports, CTA_PROTO_SRC_PORT, 2),
            self.value(ports, CTA_PROTO_DST_PORT, 2),
            self.value(inner, CTA_TUPLE_ZONE, 2),
        )
