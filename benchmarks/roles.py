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
    """Starts it, and ends it in good order; the block is cancelled if it ends by itself.

    :raises TailraceError: if it cannot start, or failed meanwhile.
    """
    ready, block = asyncio.Event(), asyncio.current_task()
    assert block is not None
    running, waiting = asyncio.create_task(role.run(ready)), asyncio.create_task(ready.wait())
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        running.add_done_callback(cancelling := lambda _: block.cancel())
        try:
            yield
        except asyncio.CancelledError:
            if running.done():
                running.result()
            raise
        running.remove_done_callback(cancelling)
    finally:
        waiting.cancel()
        role.stop()
        await running
