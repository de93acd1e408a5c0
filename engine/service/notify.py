"""What the service manager is told: datagrams of ``NAME=value`` lines, as sd_notify(3) says."""

import contextlib
import os
import socket
import time
from collections.abc import Mapping
from typing import Final

_USEC: Final = 1_000_000


class ServiceManager:
    """Who started this process as a unit of ``Type=notify``; nobody hears what is told to one that is not there.

    :param environment: ``NOTIFY_SOCKET`` is where it listens: a path, or an abstract name after ``@``.
        ``WATCHDOG_USEC`` and ``WATCHDOG_PID``, for whom they are, say how often it wants to hear of us.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        #: Seconds after which it kills a unit that says nothing; 0: never.
        self.watchdog_seconds = int(environment.get("WATCHDOG_USEC", "0")) / _USEC if ours else 0.0

    @property
    def listens(self) -> bool:
        """Whether there is one."""
        return bool(self._address)

    def ready(self, status: str) -> None:
        """The unit has started, or has read its configuration again."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is being read; ``ready`` ends that."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The end has begun."""
        self._tell("STOPPING=1", "STATUS=flushing the last rows")

    def alive(self) -> None:
        """The watchdog begins to count anew."""
        self._tell("WATCHDOG=1")

    def status(self, text: str) -> None:
        """The line that ``systemctl status`` shows."""
        self._tell(f"STATUS={text}")

    def _tell(self, *lines: str) -> None:
        """One datagram, without waiting: the event loop must not stand still for it."""
        if not self._address:
            return
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, kind) as channel:
            channel.sendto("\n".join(lines).encode(errors="replace"), self._address)
