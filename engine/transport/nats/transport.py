"""``nats://``: the transport over JetStream, for workers on several machines.

``nats://user:password@host:4222/log?lease_seconds=5&max_bytes=268435456``; the path names the log, and logs of
different names share nothing. Several servers of a cluster are separated by ``;``. The keys of the query are the
fields of ``LogSettings`` and of ``NatsConnection``.
"""

from dataclasses import dataclass
from typing import ClassVar

from yarl import URL

from engine.nats.connection import DEFAULT_PORT
from engine.nats.settings import settings_of
from engine.transport.driver import Transport
from engine.transport.nats.backend import NatsBackend


@dataclass(frozen=True, slots=True)
class NatsStatistics:
    """How the log does and did, as seen from this worker.

    ``in_flight`` are messages sent and not yet acknowledged, ``resends`` those sent again for want of an
    acknowledgement. ``waits`` counts sends that found their partition full, ``waiting`` those that wait now.
    ``fenced`` counts commits refused, ``lapses`` leases lost. ``expired`` counts records that max_age
    removed before this worker read them; none but these was ever dropped. ``rewound`` counts streams that
    lost, with the power of their server, what had been read of them.
    """

    connected: bool
    reconnects: int
    in_flight: int
    resends: int
    waits: int
    waiting: int
    fenced: int
    lapses: int
    expired: int
    unreadable: int
    rewound: int
    buffered_bytes: int
    last_error: str


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
        return self.backend.settings.partitions or super().default_partitions

    def statistics(self) -> NatsStatistics:
        """How the log does."""
        log = self.backend
        return NatsStatistics(
            connected=log.link.up.is_set(),
            reconnects=log.link.reconnects,
            in_flight=log.sends.in_flight,
            resends=log.sends.resends,
            waits=log.sends.waits,
            waiting=log.sends.waiting,
            fenced=sum(offsets.fenced for offsets in log.offsets),
            lapses=sum(member.lapses for member in log.members),
            expired=log.reads.expired,
            unreadable=log.reads.unreadable,
            rewound=log.reads.rewound,
            buffered_bytes=log.reads.buffered_bytes,
            last_error=log.link.last_error,
        )
