"""An enricher whose source is a file: it looks again and again, and answers from memory."""

import asyncio
import contextlib
import csv
import time
from pathlib import Path
from typing import Annotated, ClassVar

from tailrace.api import EnricherStatistics, Entity, Intervals, KeyKind, Meta, PluginConfig


class RacksConfig(PluginConfig, frozen=True):
    """Where the racks stand.

    :param path: a CSV file with the columns `node` and `rack`.
    :param seconds: seconds between two looks at it.
    :param entries: nodes known at most.
    """

    path: str
    seconds: Annotated[float, Meta(gt=0)] = 10
    entries: Annotated[int, Meta(ge=1)] = 65536


class Racks:
    """Says in which rack a node stands, from a CSV file."""

    Config: ClassVar[type[PluginConfig]] = RacksConfig
    name = "racks"
    kinds = frozenset({KeyKind.NODE})
    live = False  # what is not known now will not be known in a moment

    def __init__(self, config: RacksConfig) -> None:
        self._config = config
        self._known = Intervals(config.entries)
        self._read_at: float | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def version(self) -> int:
        """Grows with each rack that is new or another."""
        return self._known.version

    async def start(self, node: str) -> None:
        """Read the file, if it is there, and look at it from then on."""
        await self._look()
        self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Look no more."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def learn(self, racks: dict[str, str], at_ns: int) -> None:
        """Take in where nodes stand from a time on."""
        for node, rack in racks.items():
            entity, before = {"rack.name": rack}, self._known.find(KeyKind.NODE, node, at_ns)
            if before is None or before.entity != entity:
                self._known.add(KeyKind.NODE, node, entity, at_ns)

    def lookup(self, kind: KeyKind, value: str, at_ns: int) -> Entity | None:
        """The rack of a node at that time."""
        return self._known.lookup(kind, value, at_ns)

    def statistics(self) -> EnricherStatistics:
        """The counts so far."""
        age = float("inf") if self._read_at is None else time.monotonic() - self._read_at
        return self._known.statistics(age)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._config.seconds)
            await self._look()

    async def _look(self) -> None:
        """Read the file beside the event loop. What the first look finds has been so all the time."""
        try:
            racks = await asyncio.to_thread(self._read)
        except (OSError, KeyError, UnicodeError):  # it is away or being written: what is known stands
            self._known.away = True
            return
        self.learn(racks, 0 if self._read_at is None else time.time_ns())
        self._known.away, self._read_at = False, time.monotonic()

    def _read(self) -> dict[str, str]:
        with Path(self._config.path).open(newline="", encoding="utf-8") as file:
            return {row["node"]: row["rack"] for row in csv.DictReader(file)}
