"""Standard output of commands that show until they are told to stop, and then end without a word."""

import asyncio
import contextlib
import os
import signal
import stat
import sys
from collections.abc import Coroutine
from types import FrameType
from typing import Any

from model.errors import TailraceError
from model.tasks import end
from sinks.descriptor import write_all


class UnbufferedOutput:
    """Writes at once and unbuffered, so that nothing is left to write when the program ends."""

    def __init__(self) -> None:
        self._descriptor = sys.stdout.fileno()
        self._writing = False
        self._ending = False

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run until ``work`` ends, SIGINT, SIGTERM or SIGHUP comes, or the reader of the output leaves."""
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._run(work))

    def print(self, text: str) -> None:
        """Write ``text``; waits for a slow reader.

        :raises BrokenPipeError: if the reader has left.
        :raises TailraceError: if the output cannot be written to.
        """
        self._writing = True
        _, error = write_all(self._descriptor, text.encode(errors="replace"))
        self._writing = False
        if isinstance(error, BrokenPipeError):
            raise error
        if error:
            what = f"cannot write to standard output ({error.strerror})"
            raise TailraceError(what, "make room, or write elsewhere")

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        loop, ending = asyncio.get_running_loop(), asyncio.Event()

        def ask(_: int, __: FrameType | None) -> None:
            """In the middle of a write, or asked twice, there is no good order to wait for."""
            if self._writing or self._ending:
                os._exit(0)
            self._ending = True
            loop.call_soon_threadsafe(ending.set)

        def left() -> None:
            loop.remove_reader(self._descriptor)
            ending.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, ask)  # not the loop's: it would wait for a write that is stuck
        if stat.S_ISFIFO(os.fstat(self._descriptor).st_mode):
            # the writing end of a pipe is "readable" once nobody reads
            loop.add_reader(self._descriptor, left)
        working, waiting = asyncio.ensure_future(work), asyncio.ensure_future(ending.wait())
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        await end(working, waiting)
        await working
