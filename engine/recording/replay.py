"""Frames of a recording, at the pace at which they came, or another."""

import asyncio
import math
from typing import Final

from engine.recording.file import Recording
from engine.recording.format import Frame
from model.daemon_thread import DaemonThread
from model.frame_source import Origin, Send

#: A speed: as fast as frames are taken.
MAX: Final = math.inf


class ReplaySource:
    """Sends the frames of ``recording``; a ``send`` that waits delays those after it, and none is left out.

    :param speed: seconds of the recording in one second, or MAX.
    """

    recorded = True

    def __init__(self, recording: Recording, speed: float = 1.0) -> None:
        self._recording = recording
        self._speed = speed
        self._stopping = asyncio.Event()
        self._reader = DaemonThread("recording")  # a pipe may give nothing for ever
        self.frames = 0
        self.at_ns = 0

    @property
    def origin(self) -> Origin:
        """The node that was recorded."""
        return self._recording.header.origin

    async def start(self) -> None:
        """Nothing to get ready."""

    async def run(self, send: Send) -> None:
        """Sends all frames, or those until stop().

        :raises RecordingError: if the file is damaged; what is whole before was sent.
        """
        sending = asyncio.create_task(self._send_all(send), name="replay")
        stopping = asyncio.create_task(self._stopping.wait(), name="stop of the replay")
        try:
            await asyncio.wait({sending, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                await sending
        finally:
            sending.cancel()
            stopping.cancel()
            await self._reader.close()

    def stop(self) -> None:
        """Makes run() return, also while it waits."""
        self._stopping.set()

    def close(self) -> None:
        """Lets go of the file."""
        self._recording.close()

    async def _send_all(self, send: Send) -> None:
        start = asyncio.get_running_loop().time()
        frames = self._recording.frames()
        while frame := await self._reader.submit(lambda: next(frames, None)):
            await self._wait(start, frame)
            await send(frame.data)
            self.frames += 1
            self.at_ns = frame.at_ns

    async def _wait(self, start: float, frame: Frame) -> None:
        """Until its turn; a frame that is late is not waited for."""
        early = start + frame.at_ns / 1e9 / self._speed - asyncio.get_running_loop().time()
        if early > 0:
            await asyncio.sleep(early)
