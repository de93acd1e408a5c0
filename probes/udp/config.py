"""Configuration of the UDP probe."""

from typing import Annotated, Literal

import msgspec

Seconds = Annotated[int, msgspec.Meta(ge=1, le=86400)]


class UdpIdle(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Seconds without a datagram after which a flow has ended.

    :param answered: of one that was a single exchange: at most two datagrams each way.
    :param unanswered: of one whose datagrams all went one way.
    :param both: of any other.
    """

    answered: Seconds = 3
    unanswered: Seconds = 30
    both: Seconds = 120


class UdpConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The UDP probe.

    :param enabled: whether datagrams are counted; ``auto``: where the kernel offers what is needed.
    :param slots: flows at once; datagrams beyond them are counted in the ledger alone.
    :param peers: of one socket that have flows of their own; beyond them all ports of an address are one flow, and
        beyond twice as many flows all peers are.
    :param quic: whether the first packets of QUIC are opened for the server's name.
    """

    enabled: Literal["auto", "on", "off"] = "auto"
    slots: Annotated[int, msgspec.Meta(ge=64, le=1 << 22)] = 32768
    peers: Annotated[int, msgspec.Meta(ge=2, le=1 << 20)] = 4096
    idle: UdpIdle = UdpIdle()
    quic: Literal["auto", "on", "off"] = "auto"

    @property
    def quic_bytes(self) -> int:
        """Kernel memory for first packets of QUIC that wait to be opened: 128 of them."""
        return 1 << 18

    @property
    def only_dns(self) -> bool:
        """Whether the programs are there for what the DNS probe wants alone."""
        return self.enabled == "off"
