"""The Kubernetes enricher: which pod, workload, service and node a container, an address or a name belongs to."""

import asyncio
import logging
import time
from collections import Counter
from typing import ClassVar, Final

from enrichers.kubernetes.access import check, is_wanted
from enrichers.kubernetes.config import KubernetesConfig
from enrichers.kubernetes.connection import Connection
from enrichers.kubernetes.model import Model
from enrichers.kubernetes.pace import DEFAULT, Pace, Pauses
from enrichers.kubernetes.reflector import Reflector
from enrichers.kubernetes.resources import resources
from model.enricher import EnricherStatistics, Entity, KeyKind
from model.errors import UsageError
from model.settings import PluginConfig
from model.tasks import end

log = logging.getLogger(__name__)


class Kubernetes:
    """Names pods, workloads, services and nodes, as the API server of Kubernetes knows them.

    The server may be away for any time: answers go on from memory, and count as stale.

    :param only_node: ask for this node and its pods only; the whole cluster by default.
    :ivar noted: how often what happened: ``lists``, ``watches``, ``failures``, ``forbidden``, ``expired``,
        ``renewed`` (tokens), and ``over_limit``, objects that found no room.
    """

    Config: ClassVar[type[PluginConfig]] = KubernetesConfig
    name: str = "kubernetes"
    kinds: frozenset[KeyKind] = frozenset({KeyKind.CONTAINER, KeyKind.ADDRESS, KeyKind.NODE})

    def __init__(self, config: KubernetesConfig, only_node: str | None = None, pace: Pace = DEFAULT) -> None:
        self._config = config
        self._model = Model(config.objects)
        self._connection = Connection(config, pace.answer)
        self.noted: Final[Counter[str]] = self._model.noted
        self._reflectors = [
            Reflector(one, self._connection, self._model, self.noted, self._judge, pace)
            for one in resources(only_node)
        ]
        self._pauses = Pauses(pace)
        self._following: asyncio.Task[None] | None = None
        self._logged_away = False

    @property
    def version(self) -> int:
        """Grows whenever an answer may have changed."""
        return self._model.identities.version

    @property
    def live(self) -> bool:
        """Whether the API server is heard."""
        return self._following is not None and not self._model.identities.away

    async def start(self, node: str) -> None:
        """Begins to follow the API server, if that is wanted.

        :raises UsageError: if it is wanted and the configuration cannot be used.
        """
        if not is_wanted(self._config):
            return
        check(self._config)
        self._model.identities.away = True
        self._following = asyncio.create_task(self._follow(), name="kubernetes")

    async def _follow(self) -> None:
        """Loads the client, which takes a second that nobody waits for, and keeps every resource true."""
        while True:
            try:
                await self._connection.open()
                break
            except UsageError as error:
                log.warning("%s", error)
                await asyncio.sleep(self._pauses.next())
        async with asyncio.TaskGroup() as tasks:
            for one in self._reflectors:
                tasks.create_task(one.run(), name=f"kubernetes {one.resource.plural}")

    async def ready(self) -> None:
        """Returns when every resource was listed once; those that are refused are waited for too."""
        await asyncio.gather(*(one.listed.wait() for one in self._reflectors))

    async def close(self) -> None:
        """Ends all tasks and connections."""
        if self._following is not None:
            await end(self._following)
        await self._connection.close()

    def lookup(self, kind: KeyKind, value: str, at_ns: int) -> Entity | None:
        """Who had this key at that time."""
        return self._model.lookup(kind, value, at_ns)

    def statistics(self) -> EnricherStatistics:
        """The counts so far; the age is that of the resource that was heard of longest ago."""
        heard = [one.heard for one in self._reflectors if one.heard]
        age = time.monotonic() - min(heard) if heard else float("inf")
        return self._model.statistics(age)

    def _judge(self) -> None:
        """Whether answers are stale: something that was known is no longer kept true, or nothing is in reach."""
        lost = any(one.listed.is_set() and not one.current for one in self._reflectors)
        away = lost or not any(one.current for one in self._reflectors)
        self._model.identities.away = away
        if away != self._logged_away:
            self._logged_away = away
            log.warning(
                "the Kubernetes API server is %s", "away: answers go on from memory" if away else "back"
            )
