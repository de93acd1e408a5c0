"""The TLS hello in frames of Initial packets: RFC 9000, 19; RFC 8446, 4.1.2; RFC 6066, 3; RFC 7301, 3.1. Pure."""

from dataclasses import dataclass, field
from typing import Final

from probes.quic.packets import read_number

_PADDING, _PING, _ACK, _ACK_ECN, _CRYPTO = 0x00, 0x01, 0x02, 0x03, 0x06
_CLIENT_HELLO, _SERVER_NAME, _PROTOCOLS = 1, 0, 16
#: Of a hello, and pieces of it, that are kept while it comes.
_MOST_BYTES: Final = 16384
_MOST_PIECES: Final = 64
_MOST_FRAMES: Final = 4096


@dataclass(frozen=True)
class ClientHello:
    """What is kept of it.

    :param server_name: as the client called the server; empty if it did not.
    :param protocols: that it offered, each behind its length.
    """

    server_name: bytes = b""
    protocols: bytes = b""


class NoHelloError(Exception):
    """What is there is no hello of a client."""


@dataclass
class HelloPieces:
    """A hello while its pieces come, in any order.

    :ivar pieces: by their place.
    """

    pieces: dict[int, bytes] = field(default_factory=dict)

    def take(self, frames: bytes) -> None:
        """Takes CRYPTO frames out of a packet's payload.

        :raises NoHelloError: if there are frames that no Initial packet has, or too much.
        """
        at = 0
        try:
            for _ in range(_MOST_FRAMES):
                while at < len(frames) and frames[at] == _PADDING:
                    at = _behind_padding(frames, at)
                if at >= len(frames):
                    return
                at = self._take_frame(frames, at)
        except IndexError:
            raise NoHelloError("a frame is cut") from None
        raise NoHelloError("too many frames")

    def _take_frame(self, frames: bytes, at: int) -> int:
        kind, at = frames[at], at + 1
        if kind in (_ACK, _ACK_ECN):
            return _behind_ack(frames, at, counts=3 if kind == _ACK_ECN else 0)
        if kind == _CRYPTO:
            offset, at = read_number(frames, at)
            length, at = read_number(frames, at)
            if at + length > len(frames):
                raise IndexError(at)
            self._keep(offset, frames[at : at + length])
            return at + length
        if kind != _PING:
            raise NoHelloError("a frame that no Initial packet of a client has before its hello")
        return at

    def _keep(self, offset: int, piece: bytes) -> None:
        if offset + len(piece) > _MOST_BYTES or len(self.pieces) >= _MOST_PIECES:
            raise NoHelloError("too long")
        if len(piece) > len(self.pieces.get(offset, b"")):
            self.pieces[offset] = piece

    def hello(self) -> ClientHello | None:
        """It, once all is there that it says of server and protocols; None before.

        :raises NoHelloError: if it is none.
        """
        return parsed(self._beginning())

    def _beginning(self) -> bytes:
        """What is there without a gap."""
        text = b""
        for offset, piece in sorted(self.pieces.items()):
            if offset > len(text):
                break
            text += piece[len(text) - offset :]
        return text


def _behind_padding(frames: bytes, at: int) -> int:
    rest = frames[at:]
    return at + len(rest) - len(rest.lstrip(b"\0"))


def _behind_ack(frames: bytes, at: int, *, counts: int) -> int:
    """Where an ACK frame ends."""
    _, at = read_number(frames, at)
    _, at = read_number(frames, at)
    ranges, at = read_number(frames, at)
    for _ in range(min(1 + 2 * ranges + counts, _MOST_FRAMES)):
        _, at = read_number(frames, at)
    return at


def parsed(text: bytes) -> ClientHello | None:
    """What a hello says, of which ``text`` is the beginning; None if more of it has to come.

    :raises NoHelloError: if it is none.
    """
    if text[:1] not in (b"", bytes([_CLIENT_HELLO])):
        raise NoHelloError("another message")
    if len(text) < 4:
        return None
    end = 4 + int.from_bytes(text[1:4], "big")
    try:
        found, whole = _extensions(text[:end])
    except IndexError:
        found, whole = {}, False
    if whole or len(found) == 2 or len(text) >= end:
        return ClientHello(_name_in(found.get(_SERVER_NAME, b"")), found.get(_PROTOCOLS, b"")[2:])
    return None


def _extensions(text: bytes) -> tuple[dict[int, bytes], bool]:
    """Those that are wanted, by their number, and whether all were there.

    :raises IndexError: if the text ends before they begin.
    """
    at = 4 + 2 + 32
    at += 1 + text[at]
    at += 2 + _short(text, at)
    at += 1 + text[at]
    end = at + 2 + _short(text, at)
    at += 2
    found: dict[int, bytes] = {}
    while at + 4 <= end and at + 4 <= len(text):
        kind, length = _short(text, at), _short(text, at + 2)
        at += 4 + length
        if at > len(text):
            return found, False
        if kind in (_SERVER_NAME, _PROTOCOLS):
            found[kind] = text[at - length : at]
    return found, at >= end


def _short(text: bytes, at: int) -> int:
    return text[at] << 8 | text[at + 1]


def _name_in(names: bytes) -> bytes:
    """The host name of a list of names."""
    if len(names) < 5 or names[2] != 0:
        return b""
    return names[5 : 5 + _short(names, 3)]
