"""``memory://``: the transport within one process, with nothing else needed.

``memory://`` is private to its app; ``memory://name`` is one log for all apps of the process that use the
name, and outlives them. Limits of each partition: ``memory://?max_messages=4096&max_bytes=67108864``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar

from yarl import URL

from engine.transport.driver import Transport
from engine.transport.memory.log import Limits, MemoryLog, PartitionStatistics
from model.errors import UsageError
from model.subjects import TopicPartition


@dataclass(frozen=True, slots=True)
class MemoryStatistics:
    """What the log holds and held. The limits are those of one partition.

    ``highest_fill`` is the highest share of a limit (of messages or bytes) that a partition ever reached.
    ``waits`` counts appends that had to wait for room, ``waiting`` those that do now; none was ever dropped.
    """

    messages: int
    bytes: int
    max_messages: int
    max_bytes: int
    highest_fill: float
    waits: int
    waiting: int
    partitions: Mapping[TopicPartition, PartitionStatistics]


def limits_of(url: URL) -> Limits:
    """The limits in the query of a broker URL.

    :raises UsageError: if it has another key, or a value that is no positive integer.
    """
    known = {field.name for field in fields(Limits)}
    for name, value in url.query.items():
        if name not in known:
            raise UsageError(f"broker URL {url}: unknown key {name}", f"use {' or '.join(sorted(known))}")
        if not value.isdecimal() or int(value) == 0:
            raise UsageError(f"broker URL {url}: {name} is {value!r}", "give a positive integer")
    return Limits(**{name: int(value) for name, value in url.query.items()})


class MemoryTransport(Transport):
    """Carries the messages of an app, or of several apps of a process, in memory."""

    default_port: ClassVar[int] = 0
    backend: MemoryLog
    _named: ClassVar[dict[str, MemoryLog]] = {}

    def open_backend(self, url: URL) -> MemoryLog:
        """The log of that name, or a new one if the URL has none.

        :raises UsageError: if the limits are wrong, or not those that the log has.
        """
        limits = limits_of(url)
        if not url.host:
            return MemoryLog(limits)
        log = self._named.setdefault(url.host, MemoryLog(limits))
        if url.query and log.limits != limits:
            raise UsageError(f"broker URL {url}: the log has {log.limits}", "give every app the same limits")
        return log

    @classmethod
    def forget(cls, name: str) -> None:
        """Let go of a named log and what it holds; apps that use it now keep it to themselves."""
        cls._named.pop(name.lower(), None)

    def statistics(self) -> MemoryStatistics:
        """How full the log is and was."""
        limits, partitions = self.backend.limits, self.backend.statistics()
        every = partitions.values()
        return MemoryStatistics(
            messages=sum(one.messages for one in every),
            bytes=sum(one.bytes for one in every),
            max_messages=limits.max_messages,
            max_bytes=limits.max_bytes,
            highest_fill=max(
                (
                    max(one.highest_messages / limits.max_messages, one.highest_bytes / limits.max_bytes)
                    for one in every
                ),
                default=0.0,
            ),
            waits=sum(one.waits for one in every),
            waiting=sum(one.waiting for one in every),
            partitions=partitions,
        )
