"""A thread and an event loop for each sink: one that blocks delays nobody else."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")
#: Makes what is awaited in the thread.
Work = Callable[[], Coroutine[Any, Any, Result]]


class SinkThread:
    """A daemon thread: the interpreter does not wait at its end for a sink that is stuck."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Future[None] | None = None

    def start(self) -> None:
        """Start the thread; its end is reported to the running loop."""
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.get_running_loop().create_future()
        threading.Thread(
            target=_run, args=(self._loop, self._ended), name=f"sink.{self._name}", daemon=True
        ).start()

    async def call(self, work: Work[Result]) -> Result:
        """Run ``work`` in the thread. If the caller is cancelled, ``work`` is too, once it waits for something."""
        assert self._loop is not None
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_contained(work), self._loop))

    async def stop(self, timeout: float) -> bool:  # noqa: ASYNC109 - the answer says whether it was in time
        """End the thread and the tasks that the sink left in it.

        :returns: whether it ended within ``timeout`` seconds; one that is stuck ends when its call returns.
        """
        if self._loop is None or self._ended is None:
            return True
        with contextlib.suppress(RuntimeError):  # it ended before
            self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.wait({self._ended}, timeout=timeout)
        return self._ended.done()


async def _contained(work: Work[Result]) -> Result:
    """``sys.exit()`` in a sink would end its loop without an answer to whoever waits."""
    try:
        return await work()
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"the sink raised {type(error).__name__}") from error


def _run(loop: asyncio.AbstractEventLoop, ended: "asyncio.Future[None]") -> None:
    """The thread: run ``loop`` until it is stopped, then cancel what the sink left."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
        with contextlib.suppress(RuntimeError):  # the other loop ended before
            ended.get_loop().call_soon_threadsafe(_settle, ended)


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
