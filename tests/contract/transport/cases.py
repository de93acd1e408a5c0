"""The transports that the contract suite holds to the contract; a new one joins with a line in ``CASES``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from engine.transport.memory import MemoryTransport


@dataclass(frozen=True)
class TransportCase:
    """A transport under its URL scheme.

    :param broker: the URL of a log of that name, shared by all who use the name, which outlives the apps;
        each partition holds at most that many messages and bytes.
    :param forget: lets go of the log of that name.
    """

    scheme: str
    broker: Callable[[str, int, int], str]
    forget: Callable[[str], None]


def _memory(name: str, max_messages: int, max_bytes: int) -> str:
    return f"memory://{name}?max_messages={max_messages}&max_bytes={max_bytes}"


CASES: Final = (TransportCase("memory", _memory, MemoryTransport.forget),)
