"""What the two hellos of a TLS connection say."""

from enum import IntEnum
from typing import Final, NamedTuple


class Handshake(NamedTuple):
    """Texts, empty where nothing is known.

    :param version: of TLS, that the server chose: ``1.3``.
    :param cipher: likewise; as IANA names it.
    :param server_name: as the client called the server (SNI); behind ``…`` nothing of a longer one.
    :param next_protocol: that the server chose (ALPN), where it says so in the clear: up to TLS 1.2.
    :param offered: protocols that the client offered, with commas between them.
    """

    version: str = ""
    cipher: str = ""
    server_name: str = ""
    next_protocol: str = ""
    offered: str = ""


NO_HANDSHAKE: Final = Handshake()


class TlsVisibility(IntEnum):
    """What is seen of a TLS connection's content, at one end."""

    NONE = 0  # it is no TLS, as far as is known
    ENCRYPTED = 1  # nothing
    DECRYPTED = 2  # requests, in the plain text of its application
