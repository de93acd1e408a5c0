"""What commands that run on share: memory, durations."""

import argparse
import asyncio
import ctypes
from typing import Protocol


def seconds(text: str) -> float:
    """A positive number of seconds on the command line."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number of seconds")
    return value


def give_memory_back() -> None:
    """Lets glibc return the memory of freed columns that are larger than a second's usual ones.

    What a second takes and gives back is kept for the next one: to have the kernel clear it anew costs a third
    of joining 100,000 rows. mallopt(3): setting M_MMAP_THRESHOLD turns its growth off.
    """
    m_trim_threshold, m_mmap_threshold, m_arena_max = -1, -3, -8
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        # Above a column of 100,000 rows, which is used again the next second: mapping it anew costs more.
        libc.mallopt(m_mmap_threshold, 4 << 20)
        libc.mallopt(m_trim_threshold, 64 << 20)
        libc.mallopt(m_arena_max, 2)


class Stoppable(Protocol):
    """What runs until it is told to stop."""

    async def run(self, ready: asyncio.Event) -> None: ...

    def stop(self) -> None: ...


async def run_for(duration: float | None, role: Stoppable) -> None:
    """Runs until signals stop it, or for ``duration`` seconds from when it is ready: starting takes its time."""
    ready = asyncio.Event()

    async def end() -> None:
        await ready.wait()
        if duration:
            await asyncio.sleep(duration)
            role.stop()

    ending = asyncio.create_task(end())
    try:
        await role.run(ready)
    finally:
        ending.cancel()
