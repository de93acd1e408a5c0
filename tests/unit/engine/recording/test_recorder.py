"""The recorder: what cannot be written is counted, and the file stays whole."""

import asyncio
import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.recording.file import CUT, Recording, RecordingWriter
from engine.recording.format import Frame
from engine.recording.layout import RecordingError
from engine.recording.recorder import RecordedSource, Recorder
from model.frame_source import Send
from model.ledger import Ledger, Stage
from tests.declared import EVENT_TYPES
from tests.unit.engine.recording.recorded_frames import ORIGIN, event_frame

FRAMES = [event_frame(20, seed).encode() for seed in range(12)]


class ListSource:
    """Sends frames, then waits for stop()."""

    origin = ORIGIN
    recorded = False

    def __init__(self, frames: list[bytes]) -> None:
        self._frames = frames
        self._stopped = asyncio.Event()
        self.events: list[str] = []

    async def start(self) -> None:
        """Says so."""
        self.events.append("start")

    async def run(self, send: Send) -> None:
        """All frames."""
        for frame in self._frames:
            await send(frame)
        await self._stopped.wait()

    def stop(self) -> None:
        """Ends run()."""
        self._stopped.set()

    def close(self) -> None:
        """Says so."""
        self.events.append("close")


def recorder_to(path: Path, queue_bytes: int = 1 << 20) -> tuple[Recorder, Stage]:
    """A recorder with a clock that ticks a millisecond a look."""
    ledger, clock = Ledger(), iter(range(0, 10**12, 10**6))
    recorder = Recorder(
        RecordingWriter(path, EVENT_TYPES), ledger, EVENT_TYPES, queue_bytes, lambda: next(clock)
    )
    return recorder, ledger.stage("recording", "frames")


def read(path: Path) -> tuple[list[bytes], int, str]:
    """Frames, how many are missing, and the complaint."""
    recording = Recording(path, EVENT_TYPES)
    frames = [frame.data for frame in recording.frames()]
    return frames, recording.lost, recording.complaint


async def test_all_frames_are_written_with_their_times(tmp_path: Path) -> None:
    """In order, each later than the one before, and the ledger balances."""
    recorder, stage = recorder_to(tmp_path / "r")
    await recorder.start(ORIGIN, 8 << 20)
    for frame in FRAMES:
        recorder.offer(frame)
    recorder.finish()
    await recorder.run()
    recorder.close()
    recorded = list(Recording(tmp_path / "r", EVENT_TYPES).frames())
    assert recorded == [Frame((place + 1) * 10**6, frame) for place, frame in enumerate(FRAMES)]
    assert (stage.received, stage.delivered, stage.queued, stage.balanced) == (12, 12, 0, True)
    assert recorder.seconds == pytest.approx(0.014)


async def test_a_full_queue_loses_the_newest_and_says_so_in_the_file(tmp_path: Path) -> None:
    """The ledger and the file count the same."""
    recorder, stage = recorder_to(tmp_path / "r", queue_bytes=2 * len(FRAMES[0]))
    await recorder.start(ORIGIN, 8 << 20)
    for frame in FRAMES[:5]:
        recorder.offer(frame)
        assert stage.balanced
    running = asyncio.create_task(recorder.run())
    while stage.queued:  # noqa: ASYNC110 - a ledger has no event
        await asyncio.sleep(0)
    recorder.offer(FRAMES[5])
    recorder.finish()
    await running
    recorder.close()
    assert read(tmp_path / "r") == ([FRAMES[0], FRAMES[1], FRAMES[5]], 3, "")
    assert (stage.dropped, stage.delivered, stage.balanced) == ({"queue_full": 3}, 3, True)


@contextlib.contextmanager
def little_room() -> Iterator[None]:
    """No file of this process grows beyond 8 kB, as on a disk that is full; nor does pytest's own output."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_ends_it_and_leaves_whole_frames(tmp_path: Path) -> None:
    """The source is stopped, frames that found no room are counted, and the rest is readable."""
    recorder, stage = recorder_to(tmp_path / "r")
    source = ListSource(FRAMES)
    recorded = RecordedSource(source, recorder, 8 << 20, forward=False)
    await recorded.start()
    with little_room():
        async with asyncio.timeout(10):
            await recorded.run(_nobody)
        recorded.close()
    frames, _, complaint = read(tmp_path / "r")
    assert frames == FRAMES[: len(frames)]
    assert 0 < len(frames) == stage.delivered < len(FRAMES)
    assert complaint == CUT
    assert stage.dropped == {"write_failed": len(FRAMES) - len(frames)}
    assert stage.balanced
    assert "File too large" in str(recorder.error)


@pytest.mark.parametrize("forward", [True, False])
async def test_frames_are_passed_on_if_somebody_wants_them(tmp_path: Path, forward: bool) -> None:
    """What is recorded is what was sent."""
    passed: list[bytes] = []

    async def send(frame: bytes) -> None:
        passed.append(frame)

    source = ListSource(FRAMES)
    recorded = RecordedSource(source, recorder_to(tmp_path / "r")[0], 8 << 20, forward=forward)
    await recorded.start()
    running = asyncio.create_task(recorded.run(send))
    recorded.stop()
    await running
    recorded.close()
    assert passed == (FRAMES if forward else [])
    assert read(tmp_path / "r") == (FRAMES, 0, "")
    assert source.events == ["start", "close"]


async def test_a_file_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    """Without its folder, and where one was made meanwhile."""
    (tmp_path / "there").touch()
    for name, complaint in (("none/r", "No such file or directory"), ("there", "File exists")):
        recorder, _ = recorder_to(tmp_path / name)
        with pytest.raises(RecordingError, match=complaint):
            await recorder.start(ORIGIN, 8 << 20)
        recorder.close()


async def _nobody(frame: bytes) -> None:
    raise AssertionError(frame)
