"""Configuration of the DNS probe."""

from typing import Annotated, Literal

import msgspec

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
#: A domain whose names are all told as one: ``*.internal.example.com``.
Fold = Annotated[str, msgspec.Meta(pattern=r"^\*\.[^*\s]+$", max_length=253)]


class QueriesConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Queries of DNS.

    :param enabled: whether they are counted; ``auto``: where the kernel offers what is needed.
    :param ports: of servers, over UDP and TCP; 5353 (mDNS) and 5355 (LLMNR) are left out unless they are named.
    :param fold: domains whose names are not told apart, such as ``*.internal.example.com``.
    :param timeout_s: after which nobody waits for an answer any more.
    :param names: that are kept apart; what is beyond is counted as ``other``.
    :param cells: kinds of queries (socket, name, type, response code) of one second; what is beyond is dropped.
    :param pending: questions that wait for their answers at once; of more the oldest are given up.
    :param rate: exchanges told one by one in a second by each processor; more are counted in cells in the kernel.
        Likewise packets whose bytes are looked at in user space: new names, TCP.
    :param ring_bytes: kernel memory for exchanges that wait to be read, and as much for packets; a power of two.
    """

    enabled: Literal["auto", "on", "off"] = "auto"
    ports: Annotated[list[Port], msgspec.Meta(max_length=64)] = msgspec.field(default_factory=lambda: [53])
    fold: Annotated[list[Fold], msgspec.Meta(max_length=256)] = []
    timeout_s: Annotated[float, msgspec.Meta(ge=0.1, le=60)] = 5.0
    names: Annotated[int, msgspec.Meta(ge=16, le=1 << 20)] = 16384
    cells: Annotated[int, msgspec.Meta(ge=64, le=1 << 22)] = 65536
    pending: Annotated[int, msgspec.Meta(ge=64, le=1 << 22)] = 65536
    rate: Annotated[int, msgspec.Meta(ge=10, le=1 << 24)] = 40_000
    ring_bytes: Annotated[int, msgspec.Meta(ge=1 << 16, le=1 << 30)] = 2 << 20

    def __post_init__(self) -> None:
        if self.ring_bytes & (self.ring_bytes - 1):
            raise ValueError("dns.ring_bytes must be a power of two, such as 2097152")
