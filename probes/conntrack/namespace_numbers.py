"""The kernel's numbers (nsid) of other network namespaces, as seen from this process's own.

A namespace with a number needs no socket of ours inside of it, which would keep it alive: messages of all numbered
ones come to one socket, each with its number, and rtnetlink tells when one is gone. A number stays until then.
Source: include/uapi/linux/net_namespace.h, ip-netns(8) ("netns set").
"""

import contextlib
import errno
import os
import socket
import struct
from pathlib import Path
from typing import Final

from probes.kernel.netlink import (
    HEADER,
    NETLINK_ADD_MEMBERSHIP,
    NETLINK_ROUTE,
    NLM_F_ACK,
    SOL_NETLINK,
    ask,
    attribute,
    attributes,
    open_netlink,
)

RTM_NEWNSID, RTM_DELNSID, RTM_GETNSID = 88, 89, 90
_RTNLGRP_NSID: Final = 28
_NETNSA_NSID, _NETNSA_FD = 1, 3
_NOT_ASSIGNED: Final = -1
#: struct rtgenmsg, padded.
_FAMILY: Final = bytes(4)


class NamespaceNumbers:
    """Gives numbers to namespaces, and hears of those that come and go.

    :raises OSError: if rtnetlink cannot be had.
    """

    def __init__(self) -> None:
        with contextlib.ExitStack() as stack:
            self._news = stack.enter_context(open_netlink(NETLINK_ROUTE))
            self._news.bind((0, 0))
            self._news.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, _RTNLGRP_NSID)
            self._news.setblocking(False)
            self._stack = stack.pop_all()

    def number(self, namespace: Path, inode: int) -> int | None:
        """The number of a namespace, which gets one if it has none; None for the own one, unless it has one too.

        :raises FileNotFoundError: if it is gone, or another one is there.
        :raises OSError: without CAP_NET_ADMIN for one that has no number.
        """
        fd = os.open(namespace, os.O_RDONLY)
        try:
            found = os.fstat(fd).st_ino
            if found != inode:
                raise FileNotFoundError(f"{namespace} is another namespace by now")
            with open_netlink(NETLINK_ROUTE) as asker:
                number = _look_up(asker, fd)
                if number == _NOT_ASSIGNED and found != _own():
                    _assign(asker, fd)
                    number = _look_up(asker, fd)
        finally:
            os.close(fd)
        return None if number == _NOT_ASSIGNED else number

    def changes(self) -> tuple[set[int], bool]:
        """Numbers whose namespaces are gone since the last call, and whether there are new ones.

        :raises OSError: with ENOBUFS if the kernel had to leave some out.
        """
        gone: set[int] = set()
        new = False
        while True:
            try:
                message = self._news.recv(4096)
            except BlockingIOError:
                return gone, new
            if HEADER.unpack_from(message)[1] == RTM_DELNSID:
                gone.add(_number_in(message))
            else:
                new = True

    def close(self) -> None:
        """Closes the sockets; numbers stay with their namespaces, as those of `ip netns` do."""
        self._stack.close()


def _look_up(asker: socket.socket, fd: int) -> int:
    (answer,) = ask(asker, RTM_GETNSID, 0, _FAMILY + attribute(_NETNSA_FD, struct.pack("=i", fd)))
    return _number_in(answer)


def _assign(asker: socket.socket, fd: int) -> None:
    wanted = attribute(_NETNSA_NSID, struct.pack("=i", _NOT_ASSIGNED))
    body = _FAMILY + wanted + attribute(_NETNSA_FD, struct.pack("=i", fd))
    with contextlib.suppress(FileExistsError):  # somebody else was faster
        for _ in ask(asker, RTM_NEWNSID, NLM_F_ACK, body):
            pass


def overrun(error: OSError) -> bool:
    """Whether the kernel says that it left messages out."""
    return error.errno == errno.ENOBUFS


def _own() -> int:
    return os.stat("/proc/self/ns/net").st_ino  # noqa: PTH116


def _number_in(message: bytes) -> int:
    value = attributes(message[HEADER.size + len(_FAMILY) :]).get(_NETNSA_NSID, b"\xff\xff\xff\xff")
    number: int = struct.unpack("=i", value)[0]
    return number
