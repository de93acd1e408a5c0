"""Records of a partitioned log: what the agent's connection to NATS and the drivers of Faust have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from model.errors import TailraceError

#: Offset of the first record of a partition. Faust takes an offset of 0 for "none" in places.
FIRST_OFFSET: Final = 1

#: A callback that may be called from the event loop at any time, as often as wanted, and returns at once.
Wake = Callable[[], None]

#: Message headers, in order; a name may occur twice.
Headers = tuple[tuple[str, bytes], ...]


class RecordTooLarge(TailraceError):
    """A record is larger than its partition may ever hold."""


@dataclass(frozen=True, slots=True)
class Record:
    """One message. ``timestamp`` is in seconds of the Unix epoch."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: float

    @property
    def size(self) -> int:
        """Bytes of key, value and headers."""
        size = len(self.key or b"") + len(self.value or b"")
        for name, value in self.headers:
            size += len(name) + len(value)
        return size
