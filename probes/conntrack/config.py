"""Configuration of how NAT rewrites are seen."""

from typing import Annotated, Literal

import msgspec


class NatConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How NAT rewrites are seen.

    :param source: ``kprobes`` on conntrack, its ``netlink`` events, the best that this kernel offers, or ``off``.
    :param buffer_bytes: memory of the kernel for netlink events that wait to be read.
    :param entries: rewrites that are kept at once.
    :param udp_entries: the same of UDP, beside them; the oldest make room for new ones.
    """

    source: Literal["auto", "kprobes", "netlink", "off"] = "auto"
    buffer_bytes: Annotated[int, msgspec.Meta(ge=1 << 12, le=1 << 30)] = 8 << 20
    entries: Annotated[int, msgspec.Meta(ge=1, le=1 << 24)] = 262144
    udp_entries: Annotated[int, msgspec.Meta(ge=1, le=1 << 24)] = 262144
