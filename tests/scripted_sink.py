"""A sink that does what a test tells it to."""

import asyncio
from collections.abc import Iterable
from typing import ClassVar

import msgspec

from model.sink import Batch


class ScriptedConfig(msgspec.Struct, forbid_unknown_fields=True):
    """No settings."""


class ScriptedSink:
    """Keeps what it takes.

    :param script: what the calls of ``write`` raise, one after another; None, and every later call, is taken.
    :param slow: writes wait until ``gate`` is set.
    """

    Config: ClassVar[type[msgspec.Struct]] = ScriptedConfig

    def __init__(self, script: Iterable[BaseException | None] = (), *, slow: bool = False) -> None:
        self.taken: list[Batch] = []
        self.calls = 0
        self.opened = 0
        self.closed = 0
        self.open_error: Exception | None = None
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()
        self.changed = asyncio.Condition()
        self._script = iter(script)
        if not slow:
            self.gate.set()

    @property
    def seqs(self) -> list[int]:
        """The numbers of the batches taken."""
        return [batch.seq for batch in self.taken]

    async def open(self) -> None:
        """Raise ``open_error`` if there is one."""
        self.opened += 1
        if self.open_error:
            raise self.open_error

    async def write(self, batch: Batch) -> None:
        """Follow the script."""
        self.calls += 1
        self.entered.set()
        await self.gate.wait()
        if error := next(self._script, None):
            raise error
        async with self.changed:
            self.taken.append(batch)
            self.changed.notify_all()

    async def close(self) -> None:
        """Count the call."""
        self.closed += 1

    async def wait_for(self, batches: int) -> None:
        """Until ``batches`` were taken."""
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.taken) >= batches)
