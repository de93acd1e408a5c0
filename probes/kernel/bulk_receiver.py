"""Many messages of a netlink socket by one call, in one strided buffer.

Source of struct mmsghdr: recvmmsg(2), on 64-bit machines; of the control message:
NETLINK_LISTEN_ALL_NSID in netlink(7).
"""

import ctypes
import errno
import os
import socket
from dataclasses import dataclass
from typing import Final

import numpy as np

from probes.kernel.netlink import NETLINK_LISTEN_ALL_NSID

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Received:
    """Messages of one call; the arrays are valid until the next.

    :param messages: one a row; shape (n, width), uint8.
    :param lengths: bytes of each; shape (n,).
    :param namespaces: the number (nsid) of the network namespace each came from, -1 for the socket's own; shape (n,).
    :param cut: how many more were longer than a row, and are left out.
    """

    messages: np.ndarray
    lengths: np.ndarray
    namespaces: np.ndarray
    cut: int


_MESSAGE: Final = np.dtype(
    [
        ("name", "u8"),
        ("name_bytes", "u8"),
        ("vector", "u8"),
        ("vectors", "u8"),
        ("control", "u8"),
        ("control_bytes", "u8"),
        ("flags", "u4"),
        ("padding", "u4"),
        ("length", "u4"),
        ("more_padding", "u4"),
    ]
)
_VECTOR: Final = np.dtype([("base", "u8"), ("length", "u8")])
#: struct cmsghdr and one int.
_CONTROL: Final = np.dtype(
    [("length", "u8"), ("level", "i4"), ("kind", "i4"), ("nsid", "i4"), ("padding", "i4")]
)
_MSG_TRUNC: Final = 0x20


class BulkReceiver:
    """Reads up to ``count`` messages of at most ``width`` bytes, a multiple of 4, with one system call."""

    def __init__(self, count: int = 512, width: int = 1024) -> None:
        self._messages = np.zeros((count, width), np.uint8)
        self._controls = np.zeros(count, _CONTROL)
        self._vectors = np.zeros(count, _VECTOR)
        self._vectors["base"] = self._messages.ctypes.data + np.arange(count) * width
        self._vectors["length"] = width
        self._headers = np.zeros(count, _MESSAGE)
        self._headers["vector"] = self._vectors.ctypes.data + np.arange(count) * _VECTOR.itemsize
        self._headers["vectors"] = 1
        self._headers["control"] = self._controls.ctypes.data + np.arange(count) * _CONTROL.itemsize
        self._used = count

    def receive(self, fd: int) -> Received | None:
        """What waits, or None if nothing does. Does not block.

        :raises OSError: with ENOBUFS after the kernel had to leave messages out.
        """
        self._headers["control_bytes"][: self._used] = _CONTROL.itemsize
        self._controls["length"][: self._used] = 0
        count = _libc.recvmmsg(
            fd, ctypes.c_void_p(self._headers.ctypes.data), len(self._headers), socket.MSG_DONTWAIT, None
        )
        if count < 0:
            self._used = 0
            _check(ctypes.get_errno())
            return None
        self._used = count
        headers, controls = self._headers[:count], self._controls[:count]
        placed = (controls["length"] != 0) & (controls["kind"] == NETLINK_LISTEN_ALL_NSID)
        namespaces = np.where(placed, controls["nsid"], -1)
        lengths = headers["length"].astype(np.intp)
        whole = (headers["flags"] & _MSG_TRUNC) == 0
        messages = self._messages[:count]
        if whole.all():
            return Received(messages, lengths, namespaces, 0)
        cut = count - int(np.count_nonzero(whole))
        return Received(messages[whole], lengths[whole], namespaces[whole], cut)


def _check(code: int) -> None:
    if code not in (errno.EAGAIN, errno.EINTR):
        raise OSError(code, os.strerror(code))
