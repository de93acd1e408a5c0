"""A source whose seconds end when a figure says so; in each, every counter of every socket grows."""

import asyncio
from dataclasses import replace
from typing import Any, Final

from benchmarks.tick_cost import snapshots
from model.frame_source import Origin, Send
from model.ledger import Stage

#: Of the first second.
FIRST_WINDOW: Final = 1000


class PacedSource:
    """Frames of a kernel with ``sockets`` open sockets, in slots 0 to ``sockets`` - 1 and of generation 1."""

    recorded = False

    def __init__(self, sockets: int) -> None:
        self.origin = Origin("node-1", "boot-1", sockets)
        self.window = FIRST_WINDOW - 1
        self._following = snapshots(sockets)
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def start(self) -> None:
        """Nothing to get ready."""

    def frame(self) -> bytes:
        """The next second."""
        self.window += 1
        return replace(self._following(), window=self.window, kernel_stage=Stage("events").as_dict()).encode()

    def end_second(self, frame: bytes) -> None:
        """Sends it."""
        self._frames.put_nowait(frame)

    async def run(self, send: Send) -> None:
        """Sends frames until stop()."""
        while (frame := await self._frames.get()) is not None:
            await send(frame)

    def stop(self) -> None:
        """Ends run() after what is queued."""
        self._frames.put_nowait(None)

    def close(self) -> None:
        """Nothing to let go of."""

    def state(self) -> dict[str, Any]:
        """For the heartbeat."""
        return {"clock": {"offset_ns": 0, "steps": 0}, "capabilities": {}}
