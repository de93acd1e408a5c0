"""What ctnetlink gives: a socket for the events of all numbered namespaces, and dumps of the namespace one is in.

Source: include/uapi/linux/netfilter/nfnetlink{,_conntrack}.h, nf_conntrack_common.h, linux/filter.h.
"""

import contextlib
import ctypes
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from probes.kernel.netlink import (
    HEADER,
    NETLINK_ADD_MEMBERSHIP,
    NETLINK_LISTEN_ALL_NSID,
    NETLINK_NETFILTER,
    NLM_F_DUMP,
    SO_RCVBUFFORCE,
    SOL_NETLINK,
    ask,
    attribute,
    attributes,
    open_netlink,
)

#: Absent if the kernel has no conntrack, or has not loaded it: then it rewrites nothing.
COUNT: Final = Path("/proc/sys/net/netfilter/nf_conntrack_count")
#: Which entries of this namespace make events.
EVENTS: Final = Path("/proc/sys/net/netfilter/nf_conntrack_events")
NEVER, ALWAYS, HEARD = 0, 1, 2  # none; all; those made while somebody listens

_NFNLGRP_CONNTRACK_NEW, _NFNLGRP_CONNTRACK_DESTROY = 1, 3
_IPCTNL_MSG_CT_GET, _IPCTNL_MSG_CT_GET_STATS = 0x101, 0x105
_CTA_TUPLE_ORIG, _CTA_STATUS, _CTA_STATUS_MASK = 1, 3, 26
_CTA_STATS_GLOBAL_ENTRIES: Final = 1
_IPS_SRC_NAT, _IPS_DST_NAT = 0x10, 0x20
#: struct nfgenmsg: any family.
_ANY: Final = bytes(4)
#: What a dump asks for, status and mask: entries with a rewritten destination, then those with the source only. A
#: kernel that knows no mask (before 5.15) gives all entries each time.
_PASSES: Final = ((_IPS_DST_NAT, _IPS_DST_NAT), (_IPS_SRC_NAT, _IPS_SRC_NAT | _IPS_DST_NAT))

_SO_ATTACH_FILTER: Final = 26
_SO_ATTACH_BPF: Final = 50
_ACCEPT, _DROP = 0xFFFFFFFF, 0
_NLATTR, _NLATTR_NEST = 0xFFFFF000 + 12, 0xFFFFF000 + 16  # SKF_AD_OFF + SKF_AD_NLATTR…


@dataclass(frozen=True)
class Dump:
    """The entries of one namespace.

    :param messages: of ctnetlink, one after the other.
    :param mode: which entries make events: NEVER, ALWAYS or HEARD.
    """

    messages: bytes
    mode: int


def open_listener(buffer_bytes: int, program: int | None = None, *, udp: bool = True) -> socket.socket:
    """A non-blocking socket for new and ended entries that rewrite TCP or UDP, of this namespace and all numbered
    ones.

    :param buffer_bytes: memory for messages that wait; the kernel charges about 1,300 bytes each, and gives twice
        what is asked for.
    :param udp: whether those of UDP are wanted.
    :param program: a loaded BPF program that filters in the place of ``rewrites_only``.
    :raises OSError: without CAP_NET_ADMIN, or if the kernel has no ctnetlink.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(open_netlink(NETLINK_NETFILTER))
        listener.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, buffer_bytes)
        if program is None:
            _attach_filter(listener, udp=udp)
        else:
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_BPF, program)
        hear_all(listener)
        join(listener)
        listener.setblocking(False)
        stack.pop_all()
    return listener


def hear_all(listener: socket.socket) -> bool:
    """Lets a socket hear of all numbered namespaces; False without CAP_NET_BROADCAST: of this one only."""
    try:
        listener.setsockopt(SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, 1)
    except PermissionError:
        return False
    return True


def join(listener: socket.socket) -> None:
    """From now on entries of the socket's namespace get what they need for events (nf_conntrack_events = 2).

    That holds while anybody listens, so that the socket itself need not stay (nfnetlink_unbind in the kernel's
    net/netfilter/nfnetlink.c asks for listeners of all namespaces).
    """
    listener.bind((0, 0))
    for group in (_NFNLGRP_CONNTRACK_NEW, _NFNLGRP_CONNTRACK_DESTROY):
        listener.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)


def dump() -> Dump:
    """All rewriting entries of the calling thread's namespace, and perhaps others. Takes a look at the whole table
    (some 10 ms per 262,144 buckets), unless the namespace has no entry.

    :raises OSError: without CAP_NET_ADMIN, or if the kernel has no ctnetlink.
    """
    with open_netlink(NETLINK_NETFILTER) as first, open_netlink(NETLINK_NETFILTER) as asker:
        join(first)
        if _count(asker) == 0:
            return Dump(b"", events_mode())
        pieces = [
            piece
            for status, mask in _PASSES
            for piece in ask(asker, _IPCTNL_MSG_CT_GET, NLM_F_DUMP, _ANY + _filter(status, mask))
        ]
        return Dump(b"".join(pieces), events_mode())


def events_mode() -> int:
    """NEVER, ALWAYS or HEARD, for the calling thread's namespace."""
    return int(EVENTS.read_text()) if EVENTS.exists() else NEVER


def _filter(status: int, mask: int) -> bytes:
    wanted = ((_CTA_STATUS, status), (_CTA_STATUS_MASK, mask))
    return b"".join(attribute(kind, struct.pack(">I", value)) for kind, value in wanted)


def _count(asker: socket.socket) -> int:
    """Entries of the namespace, rewriting or not."""
    (answer,) = ask(asker, _IPCTNL_MSG_CT_GET_STATS, 0, _ANY)
    value = attributes(answer[HEADER.size + len(_ANY) :]).get(_CTA_STATS_GLOBAL_ENTRIES, b"\xff")
    return int.from_bytes(value, "big")


#: One instruction of classic BPF: code, jumps if true and if not, operand.
Instruction = tuple[int, int, int, int]


def rewrites_only(*, udp: bool = True) -> list[Instruction]:
    """The socket filter: messages whose status says NAT and whose protocol is TCP or, if wanted, UDP; and those that
    have neither attribute, for others to judge."""
    other = socket.IPPROTO_UDP if udp else socket.IPPROTO_TCP
    first = HEADER.size + len(_ANY)
    return [
        (0x00, 0, 0, first),  # A = first attribute
        (0x01, 0, 0, _CTA_STATUS),  # X = type
        (0x20, 0, 0, _NLATTR),  # A = where it stands, or 0
        (0x15, 17, 0, 0),
        (0x07, 0, 0, 0),  # X = A
        (0x40, 0, 0, 4),  # A = the word behind its header
        (0x45, 0, 15, _IPS_SRC_NAT | _IPS_DST_NAT),
        (0x00, 0, 0, first),
        (0x01, 0, 0, _CTA_TUPLE_ORIG),
        (0x20, 0, 0, _NLATTR),
        (0x15, 10, 0, 0),
        (0x01, 0, 0, 2),  # CTA_TUPLE_PROTO
        (0x20, 0, 0, _NLATTR_NEST),
        (0x15, 7, 0, 0),
        (0x01, 0, 0, 1),  # CTA_PROTO_NUM
        (0x20, 0, 0, _NLATTR_NEST),
        (0x15, 4, 0, 0),
        (0x07, 0, 0, 0),
        (0x50, 0, 0, 4),
        (0x15, 1, 0, socket.IPPROTO_TCP),
        (0x15, 0, 1, other),
        (0x06, 0, 0, _ACCEPT),
        (0x06, 0, 0, _DROP),
    ]


def _attach_filter(listener: socket.socket, *, udp: bool) -> None:
    program: Sequence[Instruction] = rewrites_only(udp=udp)
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in program))
    listener.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(code))
    )
