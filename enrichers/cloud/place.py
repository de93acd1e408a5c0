"""Where this machine is: zone, region and type, from the cloud's metadata service or from the configuration."""

import asyncio
import time
from typing import ClassVar, Final

from enrichers.cloud.config import CloudConfig
from enrichers.cloud.metadata import CLOUDS, ask
from model.enricher import EnricherStatistics, Entity, KeyKind
from model.settings import PluginConfig
from model.tasks import end

#: Pauses between attempts: an instance that has just begun may not reach the service yet.
FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 600.0
#: For one attempt, all clouds together.
TIME_LIMIT: Final = 2.0


class CloudPlace:
    """Says where this node is: provider, region and zone, as configured or as the cloud's metadata service says.

    That does not change while the machine runs, so it is learnt once.

    It answers one key, the node's name. What is configured goes before what a cloud says.

    :param url: of the metadata service, for tests; empty for each cloud's own.
    """

    Config: ClassVar[type[PluginConfig]] = CloudConfig
    name = "cloud"
    kinds = frozenset({KeyKind.NODE})

    def __init__(self, config: CloudConfig, *, url: str = "") -> None:
        source = config.source
        self._node: str | None = None
        self._clouds = () if source == "off" else tuple(CLOUDS) if source == "auto" else (source,)
        self._configured = config.attributes
        self._entity = dict(self._configured)
        self._url = url
        self._task: asyncio.Task[None] | None = None
        self._heard: float | None = None
        self._hits = self._misses = 0
        self.version = 0
        self.live = False  # what it learns is told of the whole node

    async def start(self, node: str) -> None:
        """Begin to ask, if anybody is to be asked."""
        self._node = node
        if self._clouds:
            self._task = asyncio.create_task(self._learn())

    async def close(self) -> None:
        """Ask no more."""
        if self._task:
            await end(self._task)

    async def _learn(self) -> None:
        pause = FIRST_PAUSE
        while not (found := await ask(self._clouds, TIME_LIMIT, self._url)):
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        self._entity = found | self._configured
        self._heard = time.monotonic()
        self.version += 1

    @property
    def attributes(self) -> Entity:
        """What is known by now."""
        return self._entity

    def lookup(self, kind: KeyKind, value: str, at_ns: int) -> Entity | None:
        """This node's place, at any time."""
        known = kind is KeyKind.NODE and value == self._node and bool(self._entity)
        self._hits += known
        self._misses += not known
        return self._entity if known else None

    def statistics(self) -> EnricherStatistics:
        """The counts so far; an answer, once given, does not age."""
        waiting = self._clouds and self._heard is None
        age = float("inf") if waiting else 0.0
        return EnricherStatistics(int(bool(self._entity)), self._hits, self._misses, 0, 0, age)
