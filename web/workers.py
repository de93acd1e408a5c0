"""Threads that ask the store: a bounded number, a bounded queue, a bounded time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from web.refusal import RefusedError

#: Questions that wait for each that is worked on at most.
_WAITING: Final = 16

Result = TypeVar("Result")


class Workers:
    """Works on questions.

    :param count: at once.
    :param seconds: that a question may take, waiting included.
    """

    def __init__(self, count: int, seconds: float) -> None:
        self._threads = ThreadPoolExecutor(count, "web")
        self._most = count * (1 + _WAITING)
        self._seconds = seconds
        self._held = 0

    async def run(self, job: Callable[[], Result]) -> Result:
        """What a job returns.

        :raises RefusedError: if too many wait, or it takes too long; its thread then ends it in its own time.
        """
        if self._held >= self._most:
            raise RefusedError(503, "busy", "too many questions at once", "ask again in a second", 1)
        self._held += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, job)
        future.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.shield(future), self._seconds)
        except TimeoutError:
            what = f"the question took longer than {self._seconds:g} s"
            raise RefusedError(
                503, "too_slow", what, "ask for a shorter window, or raise web.query_seconds"
            ) from None

    def close(self) -> None:
        """Take no more; what is worked on is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _done(self, future: "asyncio.Future[Any]") -> None:
        self._held -= 1
        if not future.cancelled():
            future.exception()  # nobody may wait for it any more
