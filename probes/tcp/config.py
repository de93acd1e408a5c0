"""Configuration of the TCP probe."""

from typing import Annotated, Literal

import msgspec


class TcpConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The TCP probe.

    :param slots: sockets open at once that are reported each second; more are reported at their end.
    :param ring_bytes: memory for events that wait, 256 bytes each; a power of two.
    :param counters: ``sweep`` reads open sockets once a second, ``segment`` at every segment received.
    """

    slots: Annotated[int, msgspec.Meta(ge=1, le=1 << 22)] = 65536
    ring_bytes: Annotated[int, msgspec.Meta(ge=1 << 16, le=1 << 30)] = 8 << 20
    counters: Literal["auto", "sweep", "segment"] = "auto"

    def __post_init__(self) -> None:
        if self.ring_bytes & (self.ring_bytes - 1):
            raise ValueError("ring_bytes must be a power of two, such as 8388608")
