"""Whose container a process is in, and which container has an address: from cgroups, and from Docker."""

import asyncio
import time
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar, Final

from enrichers.cgroup_path import CgroupOwner, owner_of
from enrichers.docker.config import DockerConfig
from enrichers.docker.daemon import DockerWatch
from enrichers.docker.memory import DockerMemory
from model.enricher import EnricherStatistics, Entity, KeyKind
from model.intervals import Intervals
from model.settings import PluginConfig
from model.tasks import end

#: Paths of cgroups whose reading is remembered.
PATHS: Final = 16_384


class Containers:
    """Names the containers of this node by cgroup, id and address, from the cgroup's path and from Docker.

    A cgroup's path alone gives ``container.id``, ``container.runtime``, ``k8s.pod.uid``, ``k8s.pod.qos_class``,
    ``aws.ecs.task.id`` and ``systemd.unit``; Docker adds names, images and labels.
    """

    Config: ClassVar[type[PluginConfig]] = DockerConfig
    name = "container"
    kinds = frozenset({KeyKind.CGROUP, KeyKind.CONTAINER, KeyKind.ADDRESS})

    def __init__(self, config: DockerConfig) -> None:
        self._intervals = Intervals(config.entries)
        self.memory = DockerMemory(self._intervals, config.labels)
        self._watch = DockerWatch(config.url, self.memory) if config.enabled != "off" else None
        self._task: asyncio.Task[None] | None = None
        self._hits = self._misses = self._stale = 0

    @property
    def version(self) -> int:
        """Grows with what is learnt of containers."""
        return self._intervals.version

    @property
    def live(self) -> bool:
        """Whether Docker is heard."""
        return self._watch is not None and self._watch.connected

    async def start(self, node: str) -> None:
        """Begin to watch Docker, if it is to be watched."""
        if self._watch:
            self._task = asyncio.create_task(self._watch.run())

    async def close(self) -> None:
        """End the watch."""
        if self._task:
            await end(self._task)

    def lookup(self, kind: KeyKind, value: str, at_ns: int) -> Entity | None:
        """Whose cgroup, container or address that was."""
        if kind is KeyKind.CGROUP:
            owner = _owner_of(value)
            known = self._known(KeyKind.CONTAINER, owner.container, at_ns) if owner.container else None
            entity: Entity | None = _attributes(owner) | dict(known or {})
        else:
            entity = known = self._known(kind, value, at_ns)
        self._count(found=bool(entity), from_docker=known is not None)
        return entity or None

    def _known(self, kind: KeyKind, value: str, at_ns: int) -> Entity | None:
        identity = self._intervals.find(kind, value, at_ns)
        return identity.entity if identity else None

    def _count(self, *, found: bool, from_docker: bool) -> None:
        self._hits += found
        self._misses += not found
        self._stale += from_docker and self._watch is not None and not self._watch.connected

    def statistics(self) -> EnricherStatistics:
        """The counts so far; the age is Docker's, 0 if it is not asked for anything."""
        heard = self._watch.heard if self._watch else time.monotonic()
        age = float("inf") if heard is None else time.monotonic() - heard
        if self._watch and self._watch.connected:
            age = 0.0  # a daemon that is silent has nothing to say
        counts = self._intervals.statistics(age)
        return replace(counts, hits=self._hits, misses=self._misses, stale=self._stale)


_owner_of = lru_cache(PATHS)(owner_of)


def _attributes(owner: CgroupOwner) -> dict[str, str]:
    found = {
        "container.id": owner.container,
        "container.runtime": owner.runtime,
        "k8s.pod.uid": owner.pod_uid,
        "k8s.pod.qos_class": owner.qos,
        "aws.ecs.task.id": owner.ecs_task,
        "systemd.unit": owner.unit,
    }
    return {name: value for name, value in found.items() if value}
