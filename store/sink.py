"""The sink ``store``: keeps what workloads had to do with each other, on this machine's disk or in ClickHouse."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

from model.batch import Batch
from model.kind import Kind
from model.settings import PluginConfig
from sinks.limits import PATIENT, Limits
from store.config import StoreConfig


class Keeping(Protocol):
    """One of the places; methods are as those of a sink."""

    @abstractmethod
    async def open(self) -> None:
        """Get ready."""

    @abstractmethod
    async def check(self) -> str:
        """Say who would take rows."""

    @abstractmethod
    async def write(self, batch: Batch) -> None:
        """Take a batch."""

    @abstractmethod
    async def flush(self) -> None:
        """Make safe what was taken."""

    @abstractmethod
    async def close(self) -> None:
        """Let go."""

    @property
    @abstractmethod
    def noted(self) -> Mapping[str, int]:
        """What is no loss on the way in."""


class StoreSink:
    """Takes workload and endpoint rows, and of flow rows the ways through NAT and who was there."""

    Config: ClassVar[type[PluginConfig]] = StoreConfig
    kinds: ClassVar[Sequence[str]] = ("workload", "endpoint", "flow")
    ledgers: ClassVar[bool] = True
    stage: ClassVar[str] = "workloads,endpoints,flows"
    limits: ClassVar[Limits] = PATIENT  # of a server that is away; what a disk does not take is lost at once

    def __init__(self, config: StoreConfig) -> None:
        self._place = _place(config)
        self._paths = [] if config.url else [Path(config.path)]

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Open the folder, and cut off what was not written to its end; or make the tables of the server.

        :raises SinkError: if it cannot be written to.
        """
        await self._place.open()

    async def check(self, kinds: Sequence[Kind]) -> str:
        """Say which folder is written to; or ask the server for its version, as the user that writes.

        :raises SinkError: if the server is not there, refuses this user, or has tables of a newer version.
        """
        return await self._place.check()

    @property
    def paths(self) -> Sequence[Path]:
        """The folder, if it is one."""
        return self._paths

    async def write(self, batch: Batch) -> None:
        """Take a batch."""
        await self._place.write(batch)

    async def flush(self) -> None:
        """Write what was taken, and wait until it is safe.

        :raises SinkError: if it cannot be written: to a server it is tried again, from a disk it is lost, and said as
            a gap.
        """
        await self._place.flush()

    async def close(self) -> None:
        """Let go."""
        await self._place.close()

    @property
    def noted(self) -> Mapping[str, int]:
        """What the ledger's reader should know that is no loss on the way in."""
        return self._place.noted


def _place(config: StoreConfig) -> Keeping:
    """Each loads what it needs, and nothing of the other."""
    if config.url:
        from store.clickhouse.sink import ServerSink

        return ServerSink(config)
    from store.segments.sink import FolderSink

    return FolderSink(config)
