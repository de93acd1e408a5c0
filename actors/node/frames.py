"""Frames of a source, taken apart: events for who learns from them, snapshots for the socket state."""

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np

from actors.items import Events, Message, PlainStages, Snapshot
from model.actor import Actor
from model.ledger import Ledger
from probes.kernel.event_types import EventTypes
from probes.kernel.frames import EventFrame, Frame, RingFrame, SnapshotFrame, decode

#: The receiver of events that no probe declares: they are counted there.
UNKNOWN = "unknown"

log = logging.getLogger(__name__)


class Frames(Actor):
    """Decodes frames.

    :param event_types: what the probes declare of their events.
    """

    def __init__(self, ledger: Ledger, event_types: EventTypes) -> None:
        self._ledger = ledger
        self._stage = ledger.stage("frames", "frames")
        self._event_types = event_types

    def handle(self, item: Message) -> Iterator[Events | Snapshot]:
        """What is in a frame; it is acknowledged when that has been handed on. Never raises."""
        self._stage.received += 1
        try:
            frame = decode(item.data)
        except ValueError as error:
            self._stage.drop("unreadable")
            log.warning("a frame was left out: %s", error)
        else:
            self._stage.delivered += 1
            yield from self._parts(frame)
        item.acknowledge()

    def _parts(self, frame: Frame) -> Iterator[Events | Snapshot]:
        match frame:
            case SnapshotFrame():
                yield Snapshot(frame, self._stages(frame))
            case RingFrame():
                yield from self._of_ring(frame)
            case EventFrame():
                yield from self._events(frame)

    def _of_ring(self, frame: RingFrame) -> Iterator[Events]:
        """Events of a probe's own ring; those of a probe that this program does not have are left aside."""
        receiver = self._event_types.receiver_of(frame.ring)
        if receiver is None:
            self._stage.note("unknown_ring")
            return
        events = np.frombuffer(frame.records, self._event_types.struct_of(frame.ring))
        yield Events(receiver, events, frame.offset_ns)

    def _events(self, frame: EventFrame) -> Iterator[Events]:
        unknown = len(frame.events)
        for receiver, events in self._event_types.divided(frame.events):
            yield Events(receiver, events, frame.offset_ns)
            unknown -= len(events)
        if unknown:
            yield Events(UNKNOWN, self._event_types.unknown(frame.events), frame.offset_ns)

    def _stages(self, frame: SnapshotFrame) -> PlainStages:
        """Those of the kernel side, which came with the frame, and our own."""
        stages: dict[str, dict[str, Any]] = {"kernel": frame.kernel_stage, **frame.feeds}
        for name, counts in stages.items():
            self._ledger.take(name, counts)
        return {name: self._ledger.stages[name].as_dict() for name in (*stages, "frames")}
