"""One thread for blocking calls: a slow disk, pipe or terminal does not stop the event loop."""

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

#: Jobs that may wait; whoever has one gives one at a time, and one more when it closes.
_JOBS: Final = 4

Result = TypeVar("Result")
_Job = tuple[Callable[[], Any], "asyncio.Future[Any]"]

log = logging.getLogger(__name__)


class DaemonThread:
    """Runs jobs one after another in a daemon thread.

    Not an executor, because the interpreter waits for those at exit: a write to a pipe that nobody reads,
    or a read from one that nobody writes to, would keep the program from ending.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.Queue[_Job | None] = queue.Queue(_JOBS)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def submit(self, job: Callable[[], Result]) -> "asyncio.Future[Result]":
        """Queue ``job``; the future has its result or its exception.

        :raises queue.Full: if jobs pile up because nobody waited for them.
        """
        if not self._thread.is_alive():
            self._thread.start()
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_retrieve)
        self._jobs.put_nowait((job, future))
        return future

    async def close(self, timeout: float = 1.0) -> None:  # noqa: ASYNC109 - gives up quietly
        """End behind what is queued; a thread that is stuck is left behind after a while.

        :param timeout: seconds to wait for it.
        """
        if not self._thread.is_alive():
            return
        try:
            done = self.submit(lambda: None)
            self._jobs.put_nowait(None)
        except queue.Full:
            log.warning("%s is stuck; left behind", self._thread.name)
            return
        await asyncio.wait({done}, timeout=timeout)
        if done.done():
            done.result()
        else:
            log.warning("%s did not finish within %s s; left behind", self._thread.name, timeout)

    def _run(self) -> None:
        while job := self._jobs.get():
            call, future = job
            try:
                result = call()
            except Exception as error:  # noqa: BLE001 - whoever waits for the job gets it
                _settle(future, future.set_exception, error)
            else:
                _settle(future, future.set_result, result)


def _settle(future: "asyncio.Future[Any]", setter: Callable[[Any], None], value: object) -> None:
    """Call ``setter(value)`` in the future's loop, unless the future was cancelled or the loop has closed."""

    def settle() -> None:
        if not future.done():
            setter(value)

    with contextlib.suppress(RuntimeError):
        future.get_loop().call_soon_threadsafe(settle)


def _retrieve(future: "asyncio.Future[Any]") -> None:
    """Look at the exception, so that one nobody waits for any more is not reported as forgotten."""
    if not future.cancelled():
        future.exception()
