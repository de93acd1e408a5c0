"""Initial packets of clients, made as RFC 9000 and RFC 9001 say."""

from typing import Final

from probes.quic.libcrypto import Aes128
from probes.quic.packets import client_keys

#: Appendix A of RFC 9001 and of RFC 9369: the connection id, and the CRYPTO frame with the hello.
CONNECTION_ID: Final = bytes.fromhex("8394c8f03e515708")
HELLO: Final = bytes.fromhex(
    "010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000"
    "c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c70"
    "6e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994"
    "ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c000240010039003204"
    "08ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff"
)
SECOND: Final = 0x6B3343CF


def number(value: int) -> bytes:
    """A number of variable length, as short as it can be."""
    if value < 1 << 6:
        return bytes([value])
    return (value | 0x4000).to_bytes(2, "big") if value < 1 << 14 else (value | 1 << 31).to_bytes(4, "big")


def crypto(offset: int, piece: bytes) -> bytes:
    """A frame with a piece of the hello."""
    return b"\x06" + number(offset) + number(len(piece)) + piece


def sealed(
    frames: bytes,
    packet: int = 2,
    version: int = 1,
    connection_id: bytes = CONNECTION_ID,
    payload_bytes: int = 1162,
) -> bytes:
    """A datagram with one Initial packet, filled up with PADDING."""
    aes, keys = Aes128(), client_keys(version, connection_id)
    payload = frames.ljust(payload_bytes, b"\0")
    first = 0xD3 if version == SECOND else 0xC3
    ids = bytes([len(connection_id)]) + connection_id + b"\0"
    head = bytes([first]) + version.to_bytes(4, "big") + ids + b"\0" + number(len(payload) + 20)
    whole = head + packet.to_bytes(4, "big")
    nonce = (int.from_bytes(keys.vector, "big") ^ packet).to_bytes(12, "big")
    text = aes.sealed(keys.key, nonce, whole, payload)
    mask = aes.block(keys.header, text[:16])
    aes.close()
    hidden = bytes(a ^ b for a, b in zip(packet.to_bytes(4, "big"), mask[1:], strict=False))
    return bytes([first ^ mask[0] & 0x0F]) + head[1:] + hidden + text
