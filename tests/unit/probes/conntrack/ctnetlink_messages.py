"""ctnetlink messages as the kernel makes them, byte by byte."""

import socket
import struct

import numpy as np

SRC_NAT = 0x10


def attribute(kind: int, value: bytes, *, nested: bool = False) -> bytes:
    """One attribute, padded."""
    return struct.pack("=HH", 4 + len(value), kind | nested << 15) + value + bytes(-len(value) % 4)


def way(
    source: str, destination: str, ports: tuple[int, ...], protocol: int = 6, zone: int | None = None
) -> bytes:
    """What stands in a tuple; without ports it is one of ICMP, say."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    first = 3 if ":" in source else 1
    addresses = b"".join(
        attribute(first + number, socket.inet_pton(family, address))
        for number, address in enumerate((source, destination))
    )
    values = attribute(1, bytes([protocol])) + b"".join(
        attribute(2 + number, struct.pack(">H", port)) for number, port in enumerate(ports)
    )
    tail = attribute(3, struct.pack(">H", zone)) if zone is not None else b""
    return attribute(1, addresses, nested=True) + attribute(2, values, nested=True) + tail


def entry(
    original: bytes,
    reply: bytes,
    *,
    deleted: bool = False,
    family: int = socket.AF_INET,
    zone: int = 0,
    more: bytes = b"",
) -> bytes:
    """A whole message; ``more``: attributes between the tuples and the rest."""
    zones = attribute(18, struct.pack(">H", zone)) if zone else b""
    body = (
        struct.pack("=BBH", family, 0, 0)
        + attribute(1, original, nested=True)
        + attribute(2, reply, nested=True)
        + zones
        + more
        + attribute(12, struct.pack(">I", 0xABCD0001))
        + attribute(3, struct.pack(">I", SRC_NAT))
    )
    return struct.pack("=IHHII", 16 + len(body), 0x102 if deleted else 0x100, 0, 0, 0) + body


def packed(messages: list[bytes], width: int = 1024) -> tuple[np.ndarray, np.ndarray]:
    """The buffer and the lengths for ``Reader.read``; behind each message stands what was there."""
    buffer = np.full((len(messages), width), 0xEE, np.uint8)
    for row, message in zip(buffer, messages, strict=True):
        row[: len(message)] = np.frombuffer(message, np.uint8)
    return buffer, np.array([len(message) for message in messages], np.intp)
