"""``nats://``: the transport over JetStream, for workers on several machines.

``nats://user:password@host:4222/log?lease_seconds=5&max_bytes=268435456``; the path names the log, and logs of
different names share nothing. Several servers of a cluster are separated by ``;``. The keys of the query are the
fields of ``LogSettings`` and of ``NatsConnection``.
"""

from collections.abc import Callable
from typing import ClassVar

from yarl import URL

from engine.nats.connection import DEFAULT_PORT
from engine.nats.counts import Count, log_counts
from engine.nats.outage import LONGEST_PAUSE
from engine.nats.settings import settings_of
from engine.transport.driver import Transport
from engine.transport.nats.backend import NatsBackend


class NatsTransport(Transport):
    """Carries the messages of an app over NATS."""

    default_port: ClassVar[int] = DEFAULT_PORT
    backend: NatsBackend

    def open_backend(self, url: URL) -> NatsBackend:
        """The log of the URL.

        :raises UsageError: if the query has an unknown key or a wrong value.
        """
        settings, connection = settings_of(self.url)
        return NatsBackend(settings, connection)

    @property
    def default_partitions(self) -> int:
        """Partitions of topics that do not say how many they want."""
        return self.backend.settings.partitions

    def on_missed(self, missed: Callable[[str, int], None]) -> None:
        """Of streams that were gone, or lost what had been read of them."""
        self.backend.reads.on_missed = missed

    def all_back_at(self) -> float:
        """Others may find the server so much later than this worker as there is between two attempts."""
        return self.backend.link.returned_at + LONGEST_PAUSE

    def bury(self, topic: str, data: bytes, reason: str, done: Callable[[], object]) -> None:
        """Where somebody can look at it; ``done`` is called when it is stored there."""
        self.backend.bury(topic, data, reason, done)

    def counts(self) -> dict[str, Count]:
        """How the log does and did, as seen from this worker, by name."""
        log, reads = self.backend, self.backend.reads
        fenced = sum(offsets.fenced for offsets in log.offsets)
        lapses = sum(member.lapses for member in log.members)
        return log_counts(log) | {
            "nats.buffered_bytes": Count(
                reads.buffered_bytes, "bytes received and not yet read", total=False
            ),
            "nats.fenced": Count(fenced, "commits refused, as others have the partitions now"),
            "nats.lapses": Count(lapses, "leases lost"),
            "nats.expired": Count(reads.expired, "messages that max_age removed before they were read"),
            "nats.unreadable": Count(reads.unreadable, "messages with broken headers, read without them"),
            "nats.rewound": Count(
                reads.rewound, "streams that were gone, or lost what had been read of them"
            ),
            "nats.lost": Count(reads.lost, "messages that were in these, and were not read"),
        }
