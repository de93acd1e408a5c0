"""Waiting in one event loop for what happens in another thread: a sink runs in its own."""

import asyncio
import contextlib
import threading
from collections.abc import Callable


class ThreadSignal:
    """Wakes whoever waits, in whatever loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[asyncio.Future[None]] = []

    def notify(self) -> None:
        """Have those who wait look again; from any thread."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for future in waiting:
            with contextlib.suppress(RuntimeError):  # its loop has ended
                future.get_loop().call_soon_threadsafe(_wake, future)

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Return when ``condition`` holds."""
        while True:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            with self._lock:
                self._waiting.append(future)
            if condition():  # after it waits, so that no change is missed
                return
            await future


class ThreadEvent:
    """Like ``asyncio.Event``, for all threads and loops."""

    def __init__(self) -> None:
        self._set = False
        self._signal = ThreadSignal()

    def set(self) -> None:
        """Let pass who waits, from now on."""
        self._set = True
        self._signal.notify()

    def clear(self) -> None:
        """Hold up who waits from now on."""
        self._set = False

    async def wait(self) -> None:
        """Return when it is set."""
        await self._signal.wait_for(lambda: self._set)


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
