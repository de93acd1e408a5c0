"""The enricher contract: what knows who somebody is, for how long, and answers from memory alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, runtime_checkable

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
    """Keeps its memory up to date in tasks of its own; a source that is away or broken never raises from here.

    ``name`` names it in the ledger and in metrics; ``kinds`` are those of keys that it answers.
    """

    name: str
    kinds: frozenset[KeyKind]

    @property
    def version(self) -> int:
        """Grows whenever an answer may have changed: what was looked up before may be asked again."""

    @property
    def live(self) -> bool:
        """Whether a source is there that tells of newcomers in a moment: who is not known now may be known then."""

    async def start(self) -> None:
        """Begin to watch the source; returns at once, also if the source is away.

        :raises TailraceError: only for what the user has to mend (configuration).
        """

    async def close(self) -> None:
        """End all tasks; called once."""

    def lookup(self, kind: KeyKind, value: str, at_ns: int) -> Entity | None:
        """Who had this key at that time: from memory, in microseconds, never raises.

        :param at_ns: wall clock. Of overlapping identities the one that began last counts.
        """

    def statistics(self) -> EnricherStatistics:
        """The counts so far."""
