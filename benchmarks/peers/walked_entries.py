"""The plainest reader of ctnetlink messages: one message at a time, attribute by attribute, into a dict."""

import struct
from typing import Any

_ATTRIBUTE = struct.Struct("=HH")
_NESTED = 0x3FFF


def attributes(data: bytes) -> dict[int, bytes]:
    """Payloads by type."""
    found, at = {}, 0
    while len(data) - at >= 4:
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        found[kind & _NESTED] = data[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def direction(data: bytes) -> tuple[bytes, bytes, int, int, int]:
    """Addresses, ports and protocol of one tuple."""
    parts = attributes(data)
    addresses, ports = attributes(parts[1]), attributes(parts[2])
    source, destination = addresses.get(1) or addresses[3], addresses.get(2) or addresses[4]
    return (
        source,
        destination,
        int.from_bytes(ports[2], "big"),
        int.from_bytes(ports[3], "big"),
        ports[1][0],
    )


def entry(message: bytes) -> dict[str, Any] | None:
    """One entry, or None if it rewrites nothing."""
    (kind,) = struct.unpack_from("=H", message, 4)
    found = attributes(message[20:])
    original, reply = direction(found[1]), direction(found[2])
    if (original[0], original[1], original[2], original[3]) == (reply[1], reply[0], reply[3], reply[2]):
        return None
    return {"deleted": kind == 0x102, "original": original, "reply": reply, "id": found.get(12)}
