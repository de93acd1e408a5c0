"""What the probes send to the node's actors, as bytes: events as they came, and one snapshot a second."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgpack
import numpy as np

from probes.kernel.layout import packed_bytes, structs

VERSION = 1
#: What a stage of a ledger has at least (``model.ledger.Stage.as_dict``).
STAGE_KEYS = ("unit", "received", "delivered", "queued", "dropped", "noted")

#: Stages of what brings events another way than by a ring.
FEEDS = (
    *("conntrack", "http", "http2", "tls", "handshakes", "envoy"),
    *("udp", "quic", "listeners", "dns", "drops"),
)
#: How the stage of a probe's own ring begins; the name of the ring follows.
RING_STAGE = "ring."


@dataclass(frozen=True)
class EventFrame:
    """Events of the shared ring, in order.

    :param events: ``struct socket_event``; shape (n,).
    :param offset_ns: wall clock minus monotonic clock.
    """

    offset_ns: int
    events: np.ndarray

    def encode(self) -> bytes:
        """As bytes for a topic."""
        return _pack("events", offset_ns=self.offset_ns, events=packed_bytes(self.events))


@dataclass(frozen=True)
class RingFrame:
    """Events of a ring of a probe's own, in order.

    :param ring: its name; a recording may have one that this program does not know.
    :param records: structs as the probe lays them out, one after the other.
    """

    ring: str
    offset_ns: int
    records: bytes

    def encode(self) -> bytes:
        """As bytes for a topic."""
        return _pack("ring", ring=self.ring, offset_ns=self.offset_ns, records=self.records)


@dataclass(frozen=True)
class SnapshotFrame:
    """The end of a window: counters of all live sockets, and the ledger of the kernel side.

    :param slots: slots in use, ascending; shape (n,), uint32.
    :param cells: ``struct cell``; shape (n,).
    :param new_slots: slots whose description changed; shape (m,), uint32.
    :param descriptions: ``struct description``; shape (m,).
    :param kernel_stage: counts of the kernel side (``model.ledger.Stage.as_dict``).
    :param feeds: the same of what brings events another way, by the name of its stage; recordings of earlier
        versions have none.
    :param missed: seconds before the window that ended without a snapshot: the cells have their traffic, too.
    """

    offset_ns: int
    window: int
    slots: np.ndarray
    cells: np.ndarray
    new_slots: np.ndarray
    descriptions: np.ndarray
    kernel_stage: dict[str, Any]
    feeds: dict[str, dict[str, Any]] = field(default_factory=dict)
    missed: int = 0

    def encode(self) -> bytes:
        """As bytes for a topic."""
        arrays = {name: packed_bytes(getattr(self, name)) for name in _ARRAYS}
        # `account` is how recordings of all versions call it
        stages = {"account": self.kernel_stage, "feeds": self.feeds}
        return _pack(
            "snapshot", offset_ns=self.offset_ns, window=self.window, missed=self.missed, **stages, **arrays
        )


_ARRAYS = {
    "slots": np.dtype("<u4"),
    "cells": structs("tcp")["cell"],
    "new_slots": np.dtype("<u4"),
    "descriptions": structs("tcp")["description"],
}


def _pack(kind: str, **fields: object) -> bytes:
    packed: bytes = msgpack.packb({"v": VERSION, "kind": kind, **fields})
    return packed


Frame = EventFrame | RingFrame | SnapshotFrame


def decode(data: bytes) -> Frame:
    """The frame in ``data``; arrays are views into it.

    :raises ValueError: if the bytes are no frame of this version.
    """
    try:
        message = msgpack.unpackb(data)
        if message["v"] == VERSION:
            return _DECODERS[message["kind"]](message)
    except (KeyError, TypeError, AttributeError, msgpack.UnpackException) as error:
        raise ValueError(f"no frame: {error!r}") from error
    raise ValueError(f"a frame of version {message['v']}, this program reads {VERSION}")


def _event_frame(message: dict[str, Any]) -> EventFrame:
    return EventFrame(message["offset_ns"], np.frombuffer(message["events"], structs("tcp")["socket_event"]))


def _ring_frame(message: dict[str, Any]) -> RingFrame:
    return RingFrame(message["ring"], message["offset_ns"], message["records"])


def _snapshot_frame(message: dict[str, Any]) -> SnapshotFrame:
    arrays = {name: np.frombuffer(message[name], dtype) for name, dtype in _ARRAYS.items()}
    feeds = message.get("feeds", {})
    return SnapshotFrame(
        message["offset_ns"],
        message["window"],
        arrays["slots"],
        arrays["cells"],
        arrays["new_slots"],
        arrays["descriptions"],
        _stage(message["account"]),
        {
            name: _stage(counts)
            for name, counts in feeds.items()
            if name in FEEDS or name.startswith(RING_STAGE)
        },
        message.get("missed", 0),
    )


def _stage(counts: dict[str, Any]) -> dict[str, Any]:
    return {name: counts[name] for name in STAGE_KEYS}


_DECODERS: dict[str, Callable[[dict[str, Any]], Frame]] = {
    "events": _event_frame,
    "ring": _ring_frame,
    "snapshot": _snapshot_frame,
}
