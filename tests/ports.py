"""Ports of this machine for servers of tests."""

import errno
import itertools
import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

_FIRST: Final = 15_000
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A port on loopback, for TCP and UDP, that nobody listens on and no call of any test process gave before.

    It is none of those that the kernel gives to clients (``ip_local_port_range`` in ip-sysctl): such a one may be
    taken before the server listens or while it restarts, by its own client too, which then talks to itself.

    :raises RuntimeError: if there is none left.
    """
    for port in _candidates():
        if _is_free(port) and _marked(port):
            return port
    raise RuntimeError("no port is free")


def _candidates() -> Iterator[int]:
    first, last = map(int, _RANGE.read_text().split())
    ports = [*range(_FIRST, first), *range(max(last + 1, _FIRST), 1 << 16)] or list(range(_FIRST, 1 << 16))
    begin = random.SystemRandom().randrange(len(ports))
    return itertools.chain(ports[begin:], ports[:begin])


def _is_free(port: int) -> bool:
    with ExitStack() as stack:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            probe = stack.enter_context(socket.socket(type=kind))
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                return False
    return True


def _marked(port: int) -> bool:
    """Whether it is this process's now, which says so to others by a name until it ends."""
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0tailrace-test-port-{port}")
    except OSError:
        mark.close()
        return False
    mark.detach()
    return True
