"""Recording: frames go into a file, in a thread; a disk that is too slow costs frames, which are counted."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from engine.recording.file import RecordingWriter
from engine.recording.format import FRAME_BYTES, End, Frame, Lost, Record, new_header
from engine.recording.layout import RecordingError
from engine.recording.privacy import Privacy
from model.frame_source import FrameSource, Origin, Send
from model.ledger import Ledger
from probes.kernel.event_types import EventTypes

#: Bytes of frames that wait for the disk at most: some 25 s at 5,000 connections a second.
QUEUE_BYTES: Final = 64 << 20


class Recorder:
    """A bounded queue in front of a file; the ledger stage ``recording`` counts frames.

    :param monotonic: nanoseconds.
    """

    def __init__(
        self,
        file: RecordingWriter,
        ledger: Ledger,
        event_types: EventTypes,
        queue_bytes: int = QUEUE_BYTES,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._file = file
        self._event_types = event_types
        self._privacy = Privacy(event_types)
        self._queue_bytes = queue_bytes
        self._monotonic = monotonic
        self._started = 0
        self._stage = ledger.stage("recording", "frames")
        self._waiting: deque[tuple[int, Frame]] = deque()  # frames lost before it, and the frame
        self._waiting_bytes = 0
        self._lost = 0
        self._changed = asyncio.Event()
        self._finishing = False
        #: Why the file could not be written, if so.
        self.error: RecordingError | None = None
        #: What the file spans, when run() has returned.
        self.seconds = 0.0

    async def start(self, origin: Origin, ring_bytes: int) -> None:
        """Begin the file.

        :raises RecordingError: if it cannot be written.
        """
        await asyncio.to_thread(
            self._file.open, new_header(origin, ring_bytes, time.time_ns(), self._event_types)
        )
        self._started = self._monotonic()

    def offer(self, data: bytes) -> None:
        """Queue a frame that came now; never waits. What does not fit is lost, and the file says so.

        What the probes declare to be private is left out.
        """
        data = self._privacy.without(data)
        self._stage.received += 1
        if reason := self._refusal(len(data)):
            self._stage.drop(reason)
            self._lost += 1
            return
        self._waiting.append((self._lost, Frame(self._since_start(), data)))
        self._lost = 0
        self._stage.queued += 1
        self._waiting_bytes += len(data)
        self._changed.set()

    def finish(self) -> None:
        """Take no more; run() ends when what is queued is written."""
        self._finishing = True
        self._changed.set()

    async def run(self) -> None:
        """Write until finish(), then the end mark; ends early if the file cannot be written (``error``)."""
        try:
            while self._waiting or not self._finishing:
                if self._waiting:
                    await self._write_first()
                else:
                    self._changed.clear()
                    await self._changed.wait()
            await self._append_loss(self._lost)
            await self._append(End(self._since_start()))
        except RecordingError as error:
            self.error = error
            self._stage.drop("write_failed", len(self._waiting))
            self._stage.queued = 0
            self._waiting.clear()
        self.seconds = self._since_start() / 1e9

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _refusal(self, size: int) -> str:
        if self.error:
            return "write_failed"
        if size > FRAME_BYTES:
            return "too_large"
        return "queue_full" if self._waiting and self._waiting_bytes + size > self._queue_bytes else ""

    async def _write_first(self) -> None:
        """The first frame stays in the queue, and in the ledger, until it is written."""
        lost_before, frame = self._waiting[0]
        await self._append_loss(lost_before)
        await self._append(frame)
        self._waiting.popleft()
        self._waiting_bytes -= len(frame.data)
        self._stage.queued -= 1
        self._stage.delivered += 1

    async def _append_loss(self, frames: int) -> None:
        if frames:
            await self._append(Lost(frames))

    def _since_start(self) -> int:
        return self._monotonic() - self._started

    async def _append(self, record: Record) -> None:
        await asyncio.to_thread(self._file.append, record)


class RecordedSource:
    """Another source, whose frames are recorded on their way.

    :param forward: whether they are passed on also; there may be nobody who wants them.
    """

    recorded = False

    def __init__(self, source: FrameSource, recorder: Recorder, ring_bytes: int, *, forward: bool) -> None:
        self._source = source
        self._recorder = recorder
        self._ring_bytes = ring_bytes
        self._forward = forward

    @property
    def origin(self) -> Origin:
        """The source's."""
        return self._source.origin

    async def start(self) -> None:
        """Starts the source, then the file: what cannot start overwrites nothing.

        :raises TailraceError: if either cannot be had.
        """
        await self._source.start()
        await self._recorder.start(self.origin, self._ring_bytes)

    async def run(self, send: Send) -> None:
        """Runs until stop(), or until the file cannot be written; returns when everything is in the file."""

        async def both(frame: bytes) -> None:
            self._recorder.offer(frame)
            if self._forward:
                await send(frame)

        writing = asyncio.create_task(self._recorder.run(), name="recorder")
        writing.add_done_callback(lambda _: self._source.stop())
        try:
            await self._source.run(both)
        finally:
            self._recorder.finish()
            await writing

    def stop(self) -> None:
        """Makes run() end."""
        self._source.stop()

    def close(self) -> None:
        """Lets go of the source and the file."""
        self._source.close()
        self._recorder.close()
