"""Frames and recordings made for tests."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from engine.recording.file import RecordingWriter
from engine.recording.format import End, Frame, Header, Record, new_header
from model.frame_source import Origin
from model.ledger import Stage
from probes.kernel.event_types import EventTypes
from probes.kernel.frames import EventFrame, SnapshotFrame
from tests.declared import EVENT_TYPES, STRUCTS

SLOTS = 64
ORIGIN = Origin("node-a", "boot-1", SLOTS)


def header() -> Header:
    """Of a small node."""
    return new_header(ORIGIN, 8 << 20, 1_700_000_000_000_000_000, EVENT_TYPES)


def random_rows(struct: str, rows: int, seed: int) -> np.ndarray:
    """Rows of any content."""
    size = STRUCTS[struct].itemsize
    return np.random.default_rng(seed).integers(0, 256, rows * size, np.uint8).view(STRUCTS[struct])


def event_frame(rows: int, seed: int = 0) -> EventFrame:
    """Events of any content, but for their slots and kinds."""
    events = random_rows("socket_event", rows, seed)
    events["header"]["slot"] = np.arange(rows) % SLOTS
    events["header"]["kind"] = 1 + np.arange(rows) % 3
    return EventFrame(seed, events)


def snapshot_frame(live: int, described: int, seed: int = 0, window: int = 0) -> SnapshotFrame:
    """A snapshot of any content; the first ``live`` slots are in use."""
    return SnapshotFrame(
        seed,
        window,
        np.arange(live, dtype=np.uint32),
        random_rows("cell", live, seed),
        np.arange(described, dtype=np.uint32),
        random_rows("description", described, seed),
        Stage("events", received=seed).as_dict(),
    )


def some_frames() -> list[Frame]:
    """Four frames, a tenth of a second apart."""
    events, more = event_frame(3).encode(), event_frame(1, 1).encode()
    snapshots = [snapshot_frame(5, 2).encode(), snapshot_frame(4, 0, 2, 1).encode()]
    made = [events, snapshots[0], more, snapshots[1]]
    return [Frame(number * 100_000_000, data) for number, data in enumerate(made)]


def write(
    path: Path, records: Iterable[Record], head: Header | None = None, event_types: EventTypes = EVENT_TYPES
) -> Path:
    """A recording of ``records``."""
    writer = RecordingWriter(path, event_types, force=True)
    writer.open(head or header())
    for record in records:
        writer.append(record)
    writer.close()
    return path


def write_whole(path: Path, frames: Iterable[Frame]) -> Path:
    """A recording that ended in good order."""
    return write(path, [*frames, End(1_000_000_000)])
