"""netlink sockets: requests and their answers. Source of the formats: include/uapi/linux/netlink.h."""

import os
import socket
import struct
from collections.abc import Iterator
from typing import Final

import numpy as np

NETLINK_ROUTE: Final = 0
NETLINK_NETFILTER: Final = 12
SOL_NETLINK: Final = 270
NETLINK_ADD_MEMBERSHIP: Final = 1
NETLINK_LISTEN_ALL_NSID: Final = 8
SO_RCVBUFFORCE: Final = 33

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3

HEADER: Final = struct.Struct("=IHHII")
_ATTRIBUTE: Final = struct.Struct("=HH")
#: The kernel fills at most this much of one answer to a dump (netlink_dump in net/netlink/af_netlink.c).
_ANSWER_BYTES: Final = 1 << 15
_DEADLINE_SECONDS: Final = 10.0


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded."""
    padding = -len(value) % 4
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(padding)


def attributes(body: bytes) -> dict[int, bytes]:
    """The attributes of an answer by type."""
    found, at = {}, 0
    while len(body) - at >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if not _ATTRIBUTE.size <= length <= len(body) - at:
            break
        found[kind] = body[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) // 4 * 4
    return found


def open_netlink(protocol: int) -> socket.socket:
    """A blocking socket in the network namespace of the calling thread; a kernel that does not answer is an error.

    :raises OSError: if the kernel has no such protocol.
    """
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    opened.settimeout(_DEADLINE_SECONDS)
    return opened


def ask(asker: socket.socket, kind: int, flags: int, body: bytes) -> Iterator[bytes]:
    """Sends one request and gives what the kernel answers, in pieces of whole messages, their headers included.

    :raises OSError: if the kernel refuses, or does not answer.
    """
    asker.send(HEADER.pack(HEADER.size + len(body), kind, NLM_F_REQUEST | flags, 1, 0) + body)
    many = flags & NLM_F_DUMP
    while True:
        piece = asker.recv(_ANSWER_BYTES)
        _, answer, *_ = HEADER.unpack_from(piece)
        if answer == NLMSG_ERROR:
            code = -struct.unpack_from("=i", piece, HEADER.size)[0]
            if code:
                raise OSError(code, os.strerror(code))
            return
        if answer == NLMSG_DONE:
            return
        yield piece
        if not many:
            return


def split(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """One message a row, as wide as the longest, shape (n, width), uint8; and the bytes of each, shape (n,).

    A dump ends with a message of its own, which is left out wherever it stands; so is what follows a damaged one.
    """
    starts, lengths, at = [], [], 0
    while len(data) - at >= HEADER.size:
        length, kind, *_ = HEADER.unpack_from(data, at)
        if not HEADER.size <= length <= len(data) - at:
            break
        if kind != NLMSG_DONE:
            starts.append(at)
            lengths.append(length)
        at += (length + 3) // 4 * 4
    width = (max(lengths, default=HEADER.size) + 3) // 4 * 4
    flat = np.frombuffer(data + bytes(width), np.uint8)
    rows = flat[np.array(starts, np.intp)[:, None] + np.arange(width)]
    return rows, np.array(lengths, np.intp)
