"""Where frames come from, as the topology sees it: a kernel, a recording, or what records a kernel."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

#: Takes one encoded frame; may wait.
Send = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True)
class Origin:
    """Whose frames they are.

    :param boot: names this boot of the node.
    :param slots: the size of the kernel side's tables: slots of TCP sockets, then those of flows of UDP.
    :param udp_slots: how many of them are the latter.
    """

    node: str
    boot: str
    slots: int
    udp_slots: int = 0


class FrameSource(Protocol):
    """``start``, then ``run`` until ``stop`` or its own end, then ``close``, which is called whatever happened."""

    @property
    def origin(self) -> Origin:
        """Known before ``start``."""

    @property
    def recorded(self) -> bool:
        """Whether frames can wait as long as they must: then sinks are waited for, and what is published depends on
        the frames alone."""

    async def start(self) -> None:
        """Get ready.

        :raises TailraceError: if it cannot be had, with what to do.
        """

    async def run(self, send: Send) -> None:
        """Send frames in order."""

    def stop(self) -> None:
        """Make run() send what is left and return."""

    def close(self) -> None:
        """Let go of everything."""
