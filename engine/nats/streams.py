"""Every stream and bucket on NATS: what is kept where, how much of it, and for how long.

``make`` makes them, at the start and again when they are gone: the server was replaced, it restarted and lost what
was in memory, or somebody removed one. ``docs/subjects.md`` says the same for users.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from engine.nats.api import OTHER_CONFIGURATION, OVERLAPPING, Refused, Request, Unanswered
from engine.nats.settings import LogSettings
from model import subjects
from model.errors import UsageError
from model.subjects import LogNames, Public, TopicPartition

#: Seconds that the server knows message ids for, so that what is sent again is stored once.
DUPLICATE_SECONDS: Final = 120.0

#: Seconds for which an agent has its node name without a sign of life.
AGENT_LEASE_SECONDS: Final = 5.0

#: How the time begins that the server gives where it knows none.
_NO_TIME: Final = "0001-01-01"

Storage = Literal["file", "memory"]


class OtherLimits(UsageError):
    """The stream exists with other limits than those wanted."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as it is declared.

    :param max_age_seconds: after which a message is removed; 0 for never.
    :param per_subject: messages kept of each subject; None for all.
    :param discard: what makes room when it is full: the ``old`` messages, or the ``new`` ones are refused.
    :param bucket: whether it is a key-value bucket.
    :param change: whether one that exists with other limits gets these.
    """

    name: str
    subjects: tuple[str, ...]
    storage: Storage = "file"
    max_bytes: int | None = None
    max_messages: int | None = None
    max_age_seconds: float = 0.0
    per_subject: int | None = None
    discard: Literal["old", "new"] = "old"
    replicas: int = 1
    bucket: bool = False
    change: bool = False

    def configuration(self) -> dict[str, Any]:
        """As the API of JetStream wants it; durations in nanoseconds."""
        duplicates = min(self.max_age_seconds or DUPLICATE_SECONDS, DUPLICATE_SECONDS)
        stream = {
            "name": self.name,
            "subjects": list(self.subjects),
            "retention": "limits",
            "storage": self.storage,
            "num_replicas": self.replicas,
            "max_bytes": _or_unlimited(self.max_bytes),
            "max_msgs": _or_unlimited(self.max_messages),
            "max_msgs_per_subject": _or_unlimited(self.per_subject),
            "max_age": round(self.max_age_seconds * 1e9),
            "duplicate_window": round(duplicates * 1e9),
            "discard": self.discard,
        }
        return stream | _BUCKET if self.bucket else stream


#: What makes a stream a key-value bucket.
_BUCKET: Final = {"allow_rollup_hdrs": True, "deny_delete": True, "allow_direct": True}


def _or_unlimited(limit: int | None) -> int:
    return -1 if limit is None else limit


#: The last heartbeat of each node.
NODES: Final = Stream(
    subjects.NODE_STREAM, (f"{subjects.NODES}.>",), "memory", max_age_seconds=86400, per_subject=1
)

#: NAT entries, for two rounds of their repetition: an engine that starts reads all that hold.
NAT: Final = Stream(
    subjects.NAT_STREAM, (f"{subjects.NAT}.>",), "memory", max_bytes=256 << 20, max_age_seconds=120
)

#: Messages that nobody could read.
DEAD: Final = Stream(
    subjects.DEAD_STREAM, (f"{subjects.DEAD}.>",), max_bytes=64 << 20, max_age_seconds=7 * 86400
)


def public_rows(public: Public, max_age_seconds: float, max_bytes: int) -> Stream:
    """Flows or workloads, for whoever reads; the sink's settings are the limits."""
    return Stream(
        public.stream,
        (f"{public.subject}.>",),
        max_bytes=max_bytes,
        max_age_seconds=max_age_seconds,
        change=True,
    )


def partition(names: LogNames, tp: TopicPartition, settings: LogSettings) -> Stream:
    """A partition of a log: until all groups have read it; when it is full, senders wait."""
    return Stream(
        names.stream(tp),
        (names.subject(tp), f"{names.subject(tp)}.>"),
        settings.storage,
        settings.max_bytes,
        settings.max_messages,
        settings.max_age_seconds,
        discard="new",
        replicas=settings.replicas,
    )


def meta(names: LogNames, settings: LogSettings) -> Stream:
    """How many partitions a topic has, and who reads which."""
    return _bucket(names.meta, settings)


def offsets(names: LogNames, settings: LogSettings) -> Stream:
    """What the groups committed."""
    return _bucket(names.offsets, settings)


def group_leases(names: LogNames, group: str, settings: LogSettings) -> Stream:
    """Which engines live."""
    return _bucket(names.leases(group), settings, settings.lease_seconds)


def agent_leases(names: LogNames, settings: LogSettings) -> Stream:
    """Which agent has which node name; in memory, as it is written each second."""
    return _bucket(names.agents, settings, AGENT_LEASE_SECONDS, "memory")


def incident_leases(names: LogNames, settings: LogSettings) -> Stream:
    """Which engine keeps incidents."""
    return _bucket(names.incident_leases, settings, settings.lease_seconds)


def incident_rows(names: LogNames, settings: LogSettings) -> Stream:
    """Incidents, silences and what is still to be told: the next engine that keeps them goes on with these."""
    return _bucket(names.incidents, settings)


def detector_state(names: LogNames, settings: LogSettings) -> Stream:
    """What is usual for edges, in parts: the next engine that keeps incidents goes on with it."""
    return _bucket(names.detector, settings)


def _bucket(
    name: str, settings: LogSettings, max_age_seconds: float = 0.0, storage: Storage | None = None
) -> Stream:
    return Stream(
        f"KV_{name}",
        (f"$KV.{name}.>",),
        storage or settings.storage,
        max_age_seconds=max_age_seconds,
        per_subject=1,
        discard="new",
        replicas=settings.replicas,
        bucket=True,
    )


async def make(request: Request, stream: Stream) -> str:
    """Make the stream unless it exists.

    :returns: when it was made, as the server says it: another time than before is another stream, empty at first.
    :raises OtherLimits: if it exists with other limits, unless these are changed.
    :raises Unanswered: if the server does not answer, or another program is making it.
    :raises Refused: if it will not.
    """
    try:
        reply = await _created(request, stream)
    except Refused as error:
        if error.code != OTHER_CONFIGURATION:
            raise
        if not stream.change:
            raise OtherLimits(
                f"the stream {stream.name} exists with other limits",
                "give every program the same lease_seconds, limits, storage and replicas, or remove the stream",
            ) from None
        reply = await request(f"STREAM.UPDATE.{stream.name}", stream.configuration())
    return str(reply["created"])


async def _created(request: Request, stream: Stream) -> dict[str, Any]:
    """What the server says of a stream that is there now.

    Of programs that make it at the same time the server refuses some: the stream overlaps with itself, which was not
    there when it looked for the name. When asked again it finds it. Others get it before it knows when it was made.
    """
    subject, configuration = f"STREAM.CREATE.{stream.name}", stream.configuration()
    try:
        reply = await request(subject, configuration)
    except Refused as error:
        if error.code != OVERLAPPING:
            raise
        reply = await request(subject, configuration)
    if str(reply["created"]).startswith(_NO_TIME):
        raise Unanswered(f"{subject}: another program is making it")
    return reply
