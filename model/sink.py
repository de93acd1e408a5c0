"""The sink contract: what a class behind the entry point group ``tailrace.sinks`` provides."""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from model.batch import Batch
from model.kind import Kind
from model.settings import PluginConfig


@runtime_checkable
class Sink(Protocol):
    """Takes batches, one at a time, in order. A bounded queue stands in front of it.

    All methods run in one event loop, in a thread that this sink has for itself: a call that blocks delays no
    other sink. The constructor takes a ``Config`` and does no I/O; it runs in another thread.

    ``Config`` says which settings there are. A sink that does not take rows of every kind names those that it takes:
    ``kinds: ClassVar[Sequence[str]] = ("flow",)``. One with ``ledgers: ClassVar[bool] = True`` also gets the loss
    ledgers of nodes and engines: batches of the kind ``ledger``, which have no rows, ahead of those of their window.
    One with ``stage: ClassVar[str] = "workloads,flows"`` gets those rows unless its own ``stage`` is configured. What
    it counts for the reader of the ledger is in ``noted: Mapping[str, int]``: it is looked at after each flush.

    A sink may have what ``CheckedSink`` or ``FileSink`` say beside it, for ``tailrace doctor``.
    """

    Config: ClassVar[type[PluginConfig]]

    @abstractmethod
    async def open(self, kinds: Sequence[Kind]) -> None:
        """Get ready.

        :param kinds: of the rows that will come.
        :raises SinkError: if it cannot be written to, with what to do. The program does not start then.
        """

    @abstractmethod
    async def write(self, batch: Batch) -> None:
        """Take one batch. The rows may be gathered until ``flush``.

        :raises SinkError: if rows are lost, or the batch should be offered again.
        """

    @abstractmethod
    async def flush(self) -> None:
        """Make safe what was written: when this returns, the rows count as delivered and their source forgets them.

        Called after ``batch.rows`` rows or ``batch.seconds`` seconds, and at the end.

        :raises SinkError: if rows written since the last flush are lost, or flush should be called again.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go. Called once, also after a failure, also if ``open`` was never called."""


class CheckedSink(Sink, Protocol):
    """A sink that can say whether rows would arrive, before there are any: ``tailrace doctor`` asks it."""

    @abstractmethod
    async def check(self, kinds: Sequence[Kind]) -> str:
        """Ask whoever takes the rows, and change nothing there. Called in place of ``open``; ``close`` follows.

        :param kinds: of the rows that would come.
        :returns: who answered, such as ``ClickHouse 24.8 at db:8123``.
        :raises SinkError: if rows would not arrive, with what to do.
        :raises UsageError: if what it needs is not installed, or cannot be read.
        """


class FileSink(Sink, Protocol):
    """A sink that writes to files of this machine: ``tailrace doctor`` looks for rights and room there."""

    @property
    def paths(self) -> Sequence[Path]:
        """The files, or the folders in which it makes them; they need not exist."""


def check_of(sink: Sink) -> Callable[[Sequence[Kind]], Awaitable[str]] | None:
    """How to ask a sink; None if it does not say."""
    return getattr(sink, "check", None)


def paths_of(sink: Sink) -> Sequence[Path]:
    """Where a sink writes files; nowhere if it does not say."""
    return getattr(sink, "paths", ())
