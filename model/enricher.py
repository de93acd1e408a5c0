"""The enricher contract: what knows who somebody is, for how long, and answers from memory alone."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, Protocol, runtime_checkable

from model.settings import PluginConfig

#: What is known of somebody: attribute → text, under the names of the OpenTelemetry semantic conventions.
Entity = Mapping[str, str]

#: The end of an interval that still holds, nanoseconds.
OPEN: Final = (1 << 63) - 1


class KeyKind(StrEnum):
    """By what somebody is looked up, the surest first."""

    PROCESS = "process"  # "PID": of this node
    CGROUP = "cgroup"  # a path, as in ``cgroup.path``: of this node
    CONTAINER = "container"  # a container's id
    NODE = "node"  # a node's name
    ADDRESS = "address"  # an address as text; of a pod, a service, a configured network


@dataclass(frozen=True, slots=True)
class Identity:
    """Who has a key from ``begin_ns`` up to ``end_ns`` (wall clock)."""

    kind: KeyKind
    value: str
    begin_ns: int
    end_ns: int
    entity: Entity


@dataclass(frozen=True)
class EnricherStatistics:
    """How an enricher does.

    :param entries: identities in memory.
    :param hits: look-ups answered; ``stale`` of them while the source was away.
    :param misses: look-ups that found nobody.
    :param evicted: identities given up at the limit.
    :param age_seconds: since the source was last heard of; infinite if never.
    """

    entries: int
    hits: int
    misses: int
    stale: int
    evicted: int
    age_seconds: float


@runtime_checkable
class Enricher(Protocol):
    """Knows who somebody is. Answers from memory alone, which tasks of its own keep up to date.

    All methods run in the program's event loop: one that blocks delays every row. The constructor takes a ``Config``
    and does no I/O. A source that is away or broken never raises from here: answers go on from memory.

    :ivar name: in metrics; no other enricher has it.
    :ivar kinds: of keys that it answers. Those of processes and cgroups are asked on the node itself, the others
        where rows are joined.
    """

    Config: ClassVar[type[PluginConfig]]
    name: str
    kinds: frozenset[KeyKind]

    @property
    def version(self) -> int:
        """Grows whenever an answer may have changed: what was looked up before may be asked again."""

    @property
    def live(self) -> bool:
        """Whether a source is there that soon tells of what is new: who is not known now may be known then."""

    @abstractmethod
    async def start(self, node: str) -> None:
        """Begin to watch the source. Returns at once, also if the source is away.

        :param node: the name of this node; empty in an engine.
        :raises TailraceError: only for what the user has to fix (configuration).
        """

    @abstractmethod
    async def close(self) -> None:
        """End all tasks. Called once, also if it was never started."""

    @abstractmethod
    def lookup(self, kind: KeyKind, value: str, at_ns: int) -> Entity | None:
        """Who had this key at that time: from memory, in microseconds. Never raises.

        :param at_ns: wall clock. Of overlapping identities the one that began last counts.
        """

    @abstractmethod
    def statistics(self) -> EnricherStatistics:
        """The counts so far."""
