"""Replaying frames: the pace, the end, and a reader that takes its time."""

import asyncio
import time
from pathlib import Path

import pytest

from engine.recording.file import Recording
from engine.recording.format import Frame
from engine.recording.layout import RecordingError
from engine.recording.replay import MAX, ReplaySource
from tests.declared import EVENT_TYPES
from tests.unit.engine.recording.recorded_frames import ORIGIN, event_frame, some_frames, write_whole

HOUR_NS = 3600 * 10**9


class Attachment:
    """Keeps what is sent; takes it only while ``gate`` is set."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()

    async def send(self, frame: bytes) -> None:
        """Waits for the gate."""
        self.asked.set()
        await self.gate.wait()
        self.frames.append(frame)


async def test_all_frames_come_at_any_speed(tmp_path: Path) -> None:
    """In order; the source says whose they are and how far it came."""
    path = write_whole(tmp_path / "r", some_frames())
    for speed in (MAX, 1000):
        taken, source = Attachment(), ReplaySource(Recording(path, EVENT_TYPES), speed)
        await source.run(taken.send)
        source.close()
        assert taken.frames == [frame.data for frame in some_frames()]
        assert (source.origin, source.frames, source.at_ns) == (ORIGIN, 4, 300_000_000)


async def test_the_pace_is_the_recorded_one_divided_by_the_speed(tmp_path: Path) -> None:
    """Frames of an hour, at 36,000 times the speed, take a tenth of a second."""
    frames = [Frame(0, event_frame(1).encode()), Frame(HOUR_NS, event_frame(1).encode())]
    source = ReplaySource(Recording(write_whole(tmp_path / "r", frames), EVENT_TYPES), 36_000)
    start = time.monotonic()
    async with asyncio.timeout(60):
        await source.run(Attachment().send)
    assert time.monotonic() - start >= 0.1


async def test_stop_does_not_wait_for_a_frame_that_is_due_later(tmp_path: Path) -> None:
    """What was sent before is sent."""
    frames = [Frame(0, event_frame(1).encode()), Frame(HOUR_NS, event_frame(1).encode())]
    taken, source = Attachment(), ReplaySource(Recording(write_whole(tmp_path / "r", frames), EVENT_TYPES))
    running = asyncio.create_task(source.run(taken.send))
    await taken.asked.wait()
    source.stop()
    async with asyncio.timeout(60):
        await running
    assert len(taken.frames) == source.frames == 1


async def test_stop_does_not_wait_for_a_reader_that_is_stuck(tmp_path: Path) -> None:
    """The frame that it did not take is not counted."""
    taken, source = (
        Attachment(),
        ReplaySource(Recording(write_whole(tmp_path / "r", some_frames()), EVENT_TYPES), MAX),
    )
    taken.gate.clear()
    running = asyncio.create_task(source.run(taken.send))
    await taken.asked.wait()
    source.stop()
    async with asyncio.timeout(60):
        await running
    assert (taken.frames, source.frames) == ([], 0)


async def test_damage_is_an_error_after_what_is_whole(tmp_path: Path) -> None:
    """All frames before it were sent."""
    path = write_whole(tmp_path / "r", some_frames())
    data = bytearray(path.read_bytes())
    data[-3] ^= 0xFF  # in the end mark
    path.write_bytes(data)
    taken = Attachment()
    with pytest.raises(RecordingError, match="damaged"):
        await ReplaySource(Recording(path, EVENT_TYPES), MAX).run(taken.send)
    assert taken.frames == [frame.data for frame in some_frames()]
