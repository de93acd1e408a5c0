"""NATS: whether it is there, keeps what it is given, and lets this user do what the role does."""

from collections.abc import Iterator
from typing import Final

from engine.nats.inspection import Inspection, StreamState
from engine.nats.rights import NatsRole
from model.errors import TailraceError
from model.subjects import DEAD_STREAM, DELTAS
from model.text.units import bytes_text
from probes.checks.check import Check

#: A stream is nearly full from this share of its bound on.
NEARLY_FULL: Final = 0.8


def check_unreachable(error: TailraceError) -> list[Check]:
    """The server is not there, or does not want this user."""
    cost = "agents keep rows as long as they have room, engines get none"
    return [Check("NATS", "missing", error.what, cost, error.remedy, required=True)]


def check_bus(where: str, seen: Inspection, role: NatsRole) -> list[Check]:
    """What was seen of the server."""
    there = Check("NATS", "ok", f"version {seen.server}: {where}")
    if not seen.jetstream:
        remedy = "start nats-server with -js"
        return [there, Check("JetStream", "missing", "off", "nothing is kept", remedy, required=True)]
    return [
        there,
        Check("JetStream", "ok", "on"),
        *_check_streams(seen.streams),
        *_check_rights(seen, role),
    ]


def _check_streams(streams: list[StreamState]) -> Iterator[Check]:
    kept = sum(stream.bytes for stream in streams)
    names = ", ".join(stream.name for stream in streams if f"_{DELTAS}_" not in stream.name)
    deltas = sum(f"_{DELTAS}_" in stream.name for stream in streams)
    found = f"{deltas} partitions of deltas{f', {names}' if names else ''}; {bytes_text(kept)} kept"
    yield Check("streams", "ok", found if streams else "none yet: agents and engines make them")
    for stream in streams:
        if stream.name == DEAD_STREAM and stream.messages:
            yield Check(
                stream.name,
                "degraded",
                f"{stream.messages:,} messages that nobody could read",
                "their rows are lost",
                "docs/subjects.md: Dead letters says how to read why",
            )
        elif (
            f"_{DELTAS}_" in stream.name
            and stream.max_bytes
            and stream.bytes > NEARLY_FULL * stream.max_bytes
        ):
            yield _check_full(stream)


def _check_full(stream: StreamState) -> Check:
    found = f"{bytes_text(stream.bytes)} of {bytes_text(stream.max_bytes)} wait for an engine"
    cost = "once it is full agents wait, and drop their oldest rows when they have no room"
    return Check(stream.name, "degraded", found, cost, "start another engine, or see what holds up its sinks")


def _check_rights(seen: Inspection, role: NatsRole) -> Iterator[Check]:
    if not seen.refused:
        yield Check("permissions", "ok", f"all that an {role} uses")
    for right in seen.refused:
        remedy = f"allow this user to {right.verb} {right.subject} (docs/nats.md: Rights)"
        name, found = f"right to {right.verb}", f"the server refuses {right.subject}"
        yield Check(name, "missing", found, right.cost, remedy, required=right.vital)
