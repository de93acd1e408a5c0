"""A source of frames that a test writes: second by second, with known rows."""

import asyncio
from typing import Any

from model.frame_source import Origin, Send
from tests.kernel_model import ModelKernel


class ScriptedSource:
    """Frames of a model kernel; ``second`` ends one, in which ``rows`` sockets moved one byte each."""

    recorded = False

    def __init__(self, node: str = "node-1", boot: str = "boot-1", slots: int = 4096) -> None:
        self.origin = Origin(node, boot, slots)
        self.kernel = ModelKernel(slots)
        self.sent = 0
        self._orders: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._window = 1_000

    async def start(self) -> None:
        """Nothing to get ready."""

    def second(self, rows: int) -> None:
        """Queues one snapshot; each of its rows carries one byte sent."""
        while len(self.kernel.open) < rows:
            self.kernel.connect()
        for index in range(rows):
            self.kernel.move(index, 1)
        self.sent += rows
        self._window += 1
        self._orders.put_nowait(self.kernel.snapshot(window=self._window).encode())

    def frame(self, data: bytes) -> None:
        """Queues any frame."""
        self._orders.put_nowait(data)

    async def run(self, send: Send) -> None:
        """Sends what was queued, until stop()."""
        while (frame := await self._orders.get()) is not None:
            await send(frame)

    def stop(self) -> None:
        """Ends run() after what is queued."""
        self._orders.put_nowait(None)

    def close(self) -> None:
        """Nothing to let go of."""

    def state(self) -> dict[str, Any]:
        """For the heartbeat."""
        return {"clock": {"offset_ns": 0, "steps": 0}, "capabilities": {"counters": "script"}}
