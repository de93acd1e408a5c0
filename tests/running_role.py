"""A role that runs while a test's block does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine.role import Role

DEADLINE_SECONDS = 60.0


@asynccontextmanager
async def running(role: Role) -> AsyncIterator[None]:
    """From when it is ready until it has ended in good order; raises what ended it before."""
    ready = asyncio.Event()
    task = asyncio.create_task(role.run(ready))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=DEADLINE_SECONDS)
    try:
        assert task.done() or ready.is_set(), "the role is not ready in time"
        if task.done():
            task.result()
        yield
    finally:
        waiting.cancel()
        role.stop()
        await asyncio.wait_for(task, DEADLINE_SECONDS)
