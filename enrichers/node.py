"""Who is behind a process of this node: process, container and place of the machine, put together."""

from typing import Final, Protocol

import numpy as np

from enrichers.cloud.config import CloudConfig
from enrichers.cloud.place import CloudPlace
from enrichers.docker.config import DockerConfig
from enrichers.docker.containers import Containers
from enrichers.lookup import ask
from enrichers.process.config import ProcessConfig
from enrichers.process.processes import Processes
from model.enricher import Enricher, EnricherStatistics, Entity, KeyKind

_NOBODY: Final[Entity] = {}


class NodeSettings(Protocol):
    """The parts of the configuration that say how a node's own processes are named."""

    @property
    def node_name(self) -> str: ...

    @property
    def process(self) -> ProcessConfig: ...

    @property
    def docker(self) -> DockerConfig: ...

    @property
    def cloud(self) -> CloudConfig: ...


class NodeIdentity:
    """All that a node knows of its processes by itself; made from the configuration, watched from start to close."""

    def __init__(self, config: NodeSettings) -> None:
        docker = config.docker
        url = docker.url if docker.enabled != "off" else ""
        self.processes = Processes(redact=config.process.redact, entries=config.process.entries)
        self.containers = Containers(url, docker.labels, entries=docker.entries)
        self.place = CloudPlace(config.node_name, config.cloud.source, config.cloud.attributes)

    @property
    def enrichers(self) -> tuple[Enricher, ...]:
        """Those it is made of."""
        return (self.processes, self.containers, self.place)

    async def start(self) -> None:
        """Begin to watch; returns at once, whether or not there are a Docker daemon and a cloud."""
        for enricher in self.enrichers:
            await enricher.start()

    async def close(self) -> None:
        """End all that start() began."""
        for enricher in self.enrichers:
            await enricher.close()

    def learn(self, events: np.ndarray, offset_ns: int) -> None:
        """Takes executions of programs in.

        :param events: ``struct exec_event``; shape (n,).
        :param offset_ns: wall clock minus CLOCK_MONOTONIC.
        """
        self.processes.learn(events, offset_ns)

    def attributes(self, pid: int, cgroup_path: str, at_ns: int) -> Entity:
        """What is known of the process that had this pid at that time, in this cgroup; from memory alone.

        :param pid: 0 for nobody: a socket of the kernel.
        :param cgroup_path: as in ``cgroup.path``; empty if unknown.
        :param at_ns: wall clock.
        """
        process = ask(self.processes, KeyKind.PROCESS, str(pid), at_ns) if pid else None
        container = ask(self.containers, KeyKind.CGROUP, cgroup_path, at_ns) if cgroup_path else None
        return {**self.place.attributes, **(container or _NOBODY), **(process or _NOBODY)}

    def container_at(self, address: str, at_ns: int) -> Entity | None:
        """The container of this node that had an address at that time."""
        return ask(self.containers, KeyKind.ADDRESS, address, at_ns)

    @property
    def version(self) -> int:
        """Grows when ``attributes`` may answer otherwise than before."""
        return sum(enricher.version for enricher in self.enrichers)

    def statistics(self) -> dict[str, EnricherStatistics]:
        """The counts of each enricher, by its name."""
        return {enricher.name: enricher.statistics() for enricher in self.enrichers}
