"""Waiting that ends, and tasks that are ended."""

import asyncio
import contextlib

from model.tasks import end, happens


async def _deaf(times: int) -> None:
    for _ in range(times):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


async def test_a_task_that_swallows_cancellations_is_ended() -> None:
    """Whatever it does with the first ones, and beside tasks that end at once or raise."""

    async def fails() -> None:
        raise ValueError("not ours")

    tasks = [asyncio.create_task(one) for one in (_deaf(0), _deaf(3), fails())]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await end(*tasks)
    assert all(task.done() for task in tasks)


async def test_nothing_to_end() -> None:
    """No task, and one that is over: it keeps its result, and nobody waits."""

    async def answers() -> int:
        return 7

    over = asyncio.create_task(answers())
    await over
    async with asyncio.timeout(10):
        await end()
        await end(over)
    assert over.result() == 7


async def test_an_event_happens_or_not() -> None:
    """True as soon as it is set, False at the end of the time."""
    event = asyncio.Event()
    assert not await happens(event, 0.01)
    asyncio.get_running_loop().call_soon(event.set)
    assert await happens(event, 60)
