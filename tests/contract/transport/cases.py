"""The transports that the contract suite holds to the contract; a new one joins with a line in ``CASES``."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from engine.transport.memory.transport import MemoryTransport
from tests.nats_server import REASON_TO_SKIP, shared_server


@dataclass(frozen=True)
class TransportCase:
    """A transport under its URL scheme.

    :param broker: the URL of a log of that name, shared by all who use the name, which outlives the apps;
        each partition holds at most that many messages and bytes.
    :param forget: lets go of the log of that name.
    :param reason_to_skip: why the transport cannot be tested here; empty if it can.
    """

    scheme: str
    broker: Callable[[str, int, int], str]
    forget: Callable[[str], None]
    reason_to_skip: str = ""


def _memory(name: str, max_messages: int, max_bytes: int) -> str:
    return f"memory://{name}?max_messages={max_messages}&max_bytes={max_bytes}"


#: How often a name was forgotten: what is left on the shared server ends with it.
_forgotten: Counter[str] = Counter()


def _nats(name: str, max_messages: int, max_bytes: int) -> str:
    log = f"{name}-{_forgotten[name]}"
    return shared_server().url(log, f"max_messages={max_messages}&max_bytes={max_bytes}")


def _forget_nats(name: str) -> None:
    _forgotten[name] += 1


CASES: Final = (
    TransportCase("memory", _memory, MemoryTransport.forget),
    TransportCase("nats", _nats, _forget_nats, REASON_TO_SKIP),
)
