"""Agents and engines inside a figure: up while a block runs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Protocol


class Role(Protocol):
    """What runs until it is told to stop."""

    async def run(self, ready: asyncio.Event) -> None: ...

    def stop(self) -> None: ...


@contextlib.asynccontextmanager
async def up(role: Role) -> AsyncIterator[None]:
    """Starts it, and ends it in good order.

    :raises TailraceError: if it cannot start, or failed meanwhile.
    """
    ready = asyncio.Event()
    running, waiting = asyncio.create_task(role.run(ready)), asyncio.create_task(ready.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if not running.done():
            yield
    finally:
        waiting.cancel()
        role.stop()
        await running
