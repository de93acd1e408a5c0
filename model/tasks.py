"""Waiting that ends, and ending tasks that wait.

``asyncio.wait_for`` of Python 3.11 swallows a cancellation that comes together with the result.
"""

import asyncio
from typing import Any, Final

#: Seconds that a cancelled task has to put its things in order before it is cancelled again.
_AGAIN: Final = 0.2


async def happens(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event is set within so many seconds; returns as soon as it is."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel the tasks, again while one takes no notice, and wait until they are over, whatever they raise."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN)
