"""What actors hand to each other; the length of each is its number of rows, or of events."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from model.batch import Batch
from probes.kernel.frames import SnapshotFrame

#: Stages of a ledger as plain types (``model.ledger.Stage.as_dict``), by name.
PlainStages = dict[str, dict[str, object]]


def nothing() -> None:
    """Acknowledges a message that nobody waits for."""


@dataclass(frozen=True)
class Message:
    """Bytes that come from outside, or go there.

    :param partition: of the topic.
    :param rows: in it, as far as known.
    :param acknowledge: says to where it came from that it is done with.
    :param at: when it came; seconds of the monotonic clock.
    """

    data: bytes
    partition: int = 0
    rows: int = 0
    acknowledge: Callable[[], object] = nothing
    at: float = 0.0

    def __len__(self) -> int:
        return self.rows


@dataclass(frozen=True)
class Events:
    """Events of the kernel for one receiver (``model.probe.EventType``).

    :param rows: the receiver's struct; shape (n,).
    :param offset_ns: wall clock minus monotonic clock.
    """

    receiver: str
    rows: np.ndarray
    offset_ns: int

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Snapshot:
    """The end of a window: counters of all live sockets, and the ledger of all that came before."""

    frame: SnapshotFrame
    stages: PlainStages

    def __len__(self) -> int:
        return len(self.frame.slots)


@dataclass(frozen=True)
class WindowClock:
    """By which clock times of the window's rows, which come next, were told.

    :param offset_ns: wall clock minus monotonic clock.
    """

    offset_ns: int

    def __len__(self) -> int:
        return 0


@dataclass(frozen=True)
class Announcement:
    """NAT entries that other nodes need (``actors.nat.table.ANNOUNCED``), said with a window."""

    window: int
    entries: np.ndarray

    def __len__(self) -> int:
        return len(self.entries)


@dataclass(frozen=True)
class WindowEnd:
    """All messages of a window have been handed on.

    :param open_sockets: at its end.
    """

    window: int
    open_sockets: int

    def __len__(self) -> int:
        return 0


class Receipt:
    """Acknowledges a message when all that was made of it is safe.

    :param acknowledge: says so to where it came from.
    :param closed: is called first.
    """

    def __init__(self, acknowledge: Callable[[], object], closed: Callable[[], None] = nothing) -> None:
        self._acknowledges = [acknowledge]
        self._closed = closed

    def also(self, acknowledge: Callable[[], object]) -> None:
        """The same message came again, and is acknowledged with the first."""
        self._acknowledges.append(acknowledge)

    def acknowledge(self) -> None:
        """All is safe."""
        self._closed()
        for acknowledge in self._acknowledges:
            acknowledge()


@dataclass(frozen=True)
class Chunk:
    """One message of a node, read.

    :param partition: it goes to, or came by.
    :param receipts: what is to be acknowledged when its rows are safe.
    :param at: when it came; seconds of the monotonic clock.
    """

    batch: Batch
    partition: int = 0
    receipts: tuple[Receipt, ...] = ()
    at: float = 0.0

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def batches(self) -> tuple[Batch, ...]:
        """What sinks get."""
        return (self.batch,)


@dataclass(frozen=True)
class Window:
    """A second that waits for no more.

    :param batches: its rows: deltas first, then the flows and workloads made of them.
    :param receipts: what is to be acknowledged when its rows are safe.
    """

    number: int
    batches: tuple[Batch, ...]
    receipts: tuple[Receipt, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, self.batches))


@dataclass(frozen=True)
class Tick:
    """Time went on. ``now`` is in seconds of the monotonic clock."""

    now: float

    def __len__(self) -> int:
        return 0


@dataclass(frozen=True)
class Unreadable:
    """A message that nobody can read, and why."""

    message: Message
    reason: str

    def __len__(self) -> int:
        return 0
