"""The Kubernetes enricher: which pod, workload, service and node a container, an address or a name belongs to."""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from typing import Final

from engine.config import KubernetesConfig
from engine.enricher import EnricherStatistics, Entity, KeyKind
from enrichers.kubernetes_connection import Connection, in_cluster
from enrichers.kubernetes_model import Model
from enrichers.kubernetes_pace import DEFAULT, Pace
from enrichers.kubernetes_reflector import Reflector
from enrichers.kubernetes_resources import resources

log = logging.getLogger(__name__)


def is_wanted(config: KubernetesConfig) -> bool:
    """Whether Kubernetes is to be asked: ``auto`` means in a pod, or if a kubeconfig is named."""
    if config.mode == "auto":
        return bool(config.kubeconfig) or in_cluster()
    return config.mode == "on"


class Kubernetes:
    """Follows the API server, which may be away for any time: answers go on from memory, and count as stale.

    :param node: ask for this node and its pods only; the whole cluster by default.
    :ivar noted: how often what happened: ``lists``, ``watches``, ``failures``, ``forbidden``, ``expired``,
        ``renewed`` (tokens), and ``over_limit``, objects that found no room.
    """

    name: str = "kubernetes"
    kinds: frozenset[KeyKind] = frozenset({KeyKind.CONTAINER, KeyKind.ADDRESS, KeyKind.NODE})

    def __init__(self, config: KubernetesConfig, node: str | None = None, pace: Pace = DEFAULT) -> None:
        self._config = config
        self._model = Model(config.objects)
        self._connection = Connection(config, pace.answer)
        self.noted: Final[Counter[str]] = self._model.noted
        self._reflectors = [
            Reflector(one, self._connection, self._model, self.noted, self._judge, pace)
            for one in resources(node)
        ]
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def version(self) -> int:
        """Grows whenever an answer may have changed."""
        return self._model.identities.version

    async def start(self) -> None:
        """Begins to follow the API server, if that is wanted.

        :raises UsageError: if it is wanted and the configuration cannot be used.
        """
        if not is_wanted(self._config):
            return
        await self._connection.open()
        self._tasks = [
            asyncio.create_task(one.run(), name=f"kubernetes {one.resource.plural}")
            for one in self._reflectors
        ]

    async def ready(self) -> None:
        """Returns when every resource was listed once; those that are refused are waited for too."""
        await asyncio.gather(*(one.listed.wait() for one in self._reflectors))

    async def close(self) -> None:
        """Ends all tasks and connections."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
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
        if away != self._model.identities.away:
            self._model.identities.away = away
            log.warning(
                "the Kubernetes API server is %s", "away: answers go on from memory" if away else "back"
            )
