"""A thread and an event loop for each sink: one that blocks delays nobody else."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")
#: Makes what is awaited in the thread.
Work = Callable[[], Coroutine[Any, Any, Result]]


class SinkThread:
    """A daemon thread: the interpreter does not wait at its end for a sink that is stuck."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Future[None] | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread; its end is reported to the running loop."""
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.get_running_loop().create_future()
        self._thread = threading.Thread(
            target=_run, args=(self._loop, self._ended), name=f"sink.{self._name}", daemon=True
        )
        self._thread.start()

    async def call(self, work: Work[Result]) -> Result:
        """Run ``work`` in the thread. If the caller is cancelled, ``work`` is too, once it waits for something."""
        assert self._loop is not None
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        call = _Call(work, result)
        self._loop.call_soon_threadsafe(call.begin, self._loop)
        try:
            return await result
        except asyncio.CancelledError:
            with contextlib.suppress(RuntimeError):  # the thread has ended
                self._loop.call_soon_threadsafe(call.cancel)
            raise

    async def stop(self, timeout: float) -> bool:  # noqa: ASYNC109 - the answer says whether it was in time
        """End the thread and the tasks that the sink left in it.

        :returns: whether it ended within ``timeout`` seconds; one that is stuck ends when its call returns.
        """
        if self._loop is None or self._ended is None or self._thread is None:
            return True
        with contextlib.suppress(RuntimeError):  # it ended before
            self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.wait({self._ended}, timeout=timeout)
        if self._ended.done():
            self._thread.join()  # it has nothing more to do
        return self._ended.done()


class _Call(Generic[Result]):
    """One call, between two loops: half the cost of ``asyncio.run_coroutine_threadsafe``.

    :param result: a future of the caller's loop.
    """

    def __init__(self, work: Work[Result], result: "asyncio.Future[Result]") -> None:
        self.result = result
        self._work = work
        self._task: asyncio.Task[Result] | None = None
        self._cancelled = False

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the thread: start the work, unless nobody waits for it any more."""
        if not self._cancelled:
            self._task = loop.create_task(_contained(self._work))
            self._task.add_done_callback(self._done)

    def cancel(self) -> None:
        """In the thread: cancel the work."""
        self._cancelled = True
        if self._task:
            self._task.cancel()

    def _done(self, task: "asyncio.Task[Result]") -> None:
        with contextlib.suppress(RuntimeError):  # the caller's loop has ended
            self.result.get_loop().call_soon_threadsafe(self._settle, task)

    def _settle(self, task: "asyncio.Task[Result]") -> None:
        """In the caller's loop."""
        error = None if task.cancelled() else task.exception()
        if self.result.done():
            return
        if task.cancelled():
            self.result.cancel()
        elif error:
            self.result.set_exception(error)
        else:
            self.result.set_result(task.result())


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
