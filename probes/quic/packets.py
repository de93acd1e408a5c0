"""Initial packets of QUIC, opened: RFC 9000, 17.2.2; RFC 9001, 5; of version 2 RFC 9369, 3. Pure."""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from probes.quic.libcrypto import Aes128

_LONG, _FIXED = 0x80, 0x40
_MOST_ID_BYTES, _SAMPLE_BYTES, _TAG_BYTES = 20, 16, 16
#: Packets of one datagram that are looked at.
_MOST_PACKETS: Final = 4


@dataclass(frozen=True)
class _Version:
    """What versions differ in.

    :param salt: of the secret that Initial packets have in common.
    :param prefix: of labels.
    :param initial: the type of an Initial packet, as the first byte has it.
    """

    salt: bytes
    prefix: str
    initial: int


_VERSIONS: Final = {
    1: _Version(bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a"), "quic", 0x00),
    0x6B3343CF: _Version(bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9"), "quicv2", 0x10),
    0xFF00001D: _Version(bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899"), "quic", 0x00),  # draft 29
}


@dataclass(frozen=True)
class Keys:
    """What a client protects its Initial packets with; each but the vector of 16 bytes."""

    key: bytes
    vector: bytes
    header: bytes


class NotOpenedError(Exception):
    """It is no Initial packet of a client, or is not whole.

    :ivar reason: for the ledger.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def client_keys(version: int, connection_id: bytes) -> Keys:
    """Of the first destination connection id that the client chose.

    :raises NotOpenedError: if the version is not known.
    """
    known = _VERSIONS.get(version)
    if not known:
        raise NotOpenedError("unknown_version")
    initial = hmac.digest(known.salt, connection_id, "sha256")
    secret = _expand(initial, "client in", 32)
    return Keys(
        _expand(secret, f"{known.prefix} key", 16),
        _expand(secret, f"{known.prefix} iv", 12),
        _expand(secret, f"{known.prefix} hp", 16),
    )


def _expand(secret: bytes, label: str, length: int) -> bytes:
    """HKDF-Expand-Label of TLS 1.3 (RFC 8446, 7.1), of at most 32 bytes."""
    name = b"tls13 " + label.encode()
    info = length.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0\1"
    return hmac.digest(secret, info, "sha256")[:length]


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """A number of variable length (RFC 9000, 16), and where it ends.

    :raises IndexError: if it is cut.
    """
    length = 1 << (data[at] >> 6)
    if at + length > len(data):
        raise IndexError(at)
    value = int.from_bytes(data[at : at + length], "big")
    return value & ((1 << (8 * length - 2)) - 1), at + length


def opened(datagram: bytes, aes: Aes128) -> Iterator[bytes]:
    """What the Initial packets at the beginning of a client's datagram say: their frames.

    :raises NotOpenedError: if the first one cannot be opened.
    """
    at = 0
    for number in range(_MOST_PACKETS):
        try:
            frames, at = _open_packet(datagram, at, aes)
        except (NotOpenedError, IndexError) as error:
            if number == 0:
                raise NotOpenedError(getattr(error, "reason", "cut")) from None
            return
        yield frames
        if at >= len(datagram):
            return


def _open_packet(datagram: bytes, begin: int, aes: Aes128) -> tuple[bytes, int]:
    """Frames of the packet that begins there, and where it ends.

    :raises NotOpenedError: if it is another packet, or was sealed with other keys.
    :raises IndexError: if it is cut.
    """
    first = datagram[begin]
    version = int.from_bytes(datagram[begin + 1 : begin + 5], "big")
    known = _VERSIONS.get(version)
    if not known:
        raise NotOpenedError("unknown_version")
    if first & 0xF0 != _LONG | _FIXED | known.initial:
        raise NotOpenedError("no_initial")
    at, ids = begin + 5, []
    for _ in range(2):
        length = datagram[at]
        if length > _MOST_ID_BYTES:
            raise NotOpenedError("no_initial")
        ids.append(datagram[at + 1 : at + 1 + length])
        at += 1 + length
    token, at = read_number(datagram, at)
    length, at = read_number(datagram, at + token)
    end = at + length
    if end > len(datagram) or length < 4 + _SAMPLE_BYTES:
        raise NotOpenedError("cut")
    keys = client_keys(version, ids[0])
    frames = _unprotected(datagram, begin, at, end, keys, aes)
    if frames is None:
        raise NotOpenedError("other_keys")
    return frames, end


def _unprotected(datagram: bytes, begin: int, at: int, end: int, keys: Keys, aes: Aes128) -> bytes | None:
    """The payload of a packet.

    :param at: of the packet's number.
    """
    mask = aes.block(keys.header, datagram[at + 4 : at + 4 + _SAMPLE_BYTES])
    first = datagram[begin] ^ (mask[0] & 0x0F)
    size = (first & 3) + 1
    number = bytes(each ^ by for each, by in zip(datagram[at : at + size], mask[1:], strict=False))
    head = bytes([first]) + datagram[begin + 1 : at] + number
    nonce = int.from_bytes(keys.vector, "big") ^ int.from_bytes(number, "big")
    return aes.opened(keys.key, nonce.to_bytes(12, "big"), head, datagram[at + size : end])
