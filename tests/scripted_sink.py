"""A sink that does what a test tells it to."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from model.batch import Batch
from model.kind import Kind
from model.settings import PluginConfig
from tests.thread_signal import ThreadEvent, ThreadSignal


class ScriptedConfig(PluginConfig, frozen=True):
    """No settings."""


class ScriptedSink:
    """Keeps what it takes. The test and the sink run in different threads.

    :param script: what the calls of ``write`` raise, one after another; None, and every later call, is taken.
    :param slow: writes wait until ``gate`` is set.
    :param flushes: what the calls of ``flush`` raise, in the same way.
    """

    Config: ClassVar[type[PluginConfig]] = ScriptedConfig

    def __init__(
        self,
        script: Iterable[BaseException | None] = (),
        *,
        slow: bool = False,
        flushes: Iterable[BaseException | None] = (),
    ) -> None:
        self.taken: list[Batch] = []
        self.flushed: list[int] = []  # how many batches had been taken, at each flush
        self.kinds: Sequence[Kind] = ()
        self.calls = 0
        self.opened = 0
        self.closed = 0
        self.open_error: Exception | None = None
        self.gate = ThreadEvent()
        self.entered = ThreadEvent()
        self.changed = ThreadSignal()
        self._script = iter(script)
        self._flushes = iter(flushes)
        if not slow:
            self.gate.set()

    @property
    def seqs(self) -> list[int]:
        """The numbers of the batches taken."""
        return [batch.seq for batch in self.taken]

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Raise ``open_error`` if there is one."""
        self.opened += 1
        self.kinds = kinds
        if self.open_error:
            raise self.open_error

    async def write(self, batch: Batch) -> None:
        """Follow the script."""
        self.calls += 1
        self.entered.set()
        await self.gate.wait()
        if error := next(self._script, None):
            raise error
        self.taken.append(batch)
        self.changed.notify()

    async def flush(self) -> None:
        """Follow the script of flushes."""
        if error := next(self._flushes, None):
            raise error
        self.flushed.append(len(self.taken))
        self.changed.notify()

    async def close(self) -> None:
        """Count the call."""
        self.closed += 1

    async def wait_for(self, batches: int) -> None:
        """Return when ``batches`` were taken."""
        await self.changed.wait_for(lambda: len(self.taken) >= batches)
