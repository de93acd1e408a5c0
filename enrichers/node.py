"""Who is behind a process of this node: process, container and place of the machine, put together."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from enrichers.cloud.place import CloudPlace
from enrichers.docker.containers import Containers
from enrichers.lookup import answer, ask, start
from enrichers.process.processes import Processes
from model.enricher import Enricher, EnricherStatistics, Entity, KeyKind

_NOBODY: Final[Entity] = {}


#: Kinds of keys that are asked for on the node itself.
ON_NODE: Final = frozenset({KeyKind.PROCESS, KeyKind.CGROUP})


class NodeIdentity:
    """All that a node knows of its processes by itself; watched from start to close.

    :param node: its name.
    :param others: enrichers of other packages; those that answer for processes or cgroups are asked here. What
        ours say goes before what they say.
    """

    def __init__(
        self,
        node: str,
        processes: Processes,
        containers: Containers,
        place: CloudPlace,
        others: Sequence[Enricher] = (),
    ) -> None:
        self.processes = processes
        self.containers = containers
        self.place = place
        self.others = others
        self._node = node
        self._asked = [enricher for enricher in others if enricher.kinds & ON_NODE]

    @property
    def enrichers(self) -> tuple[Enricher, ...]:
        """Those it is made of."""
        return (self.processes, self.containers, self.place, *self._asked)

    async def start(self) -> None:
        """Begin to watch; returns at once, whether or not there are a Docker daemon and a cloud."""
        for enricher in self.enrichers:
            await start(enricher, self._node)

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

    def attributes(self, pid: int, program: int, cgroup_path: str, at_ns: int) -> Entity:
        """What is known of this process, in this cgroup, at that time; from memory alone.

        :param pid: 0 for nobody: a socket of the kernel.
        :param program: of ``struct owner``: which of the processes that had this pid, and which program it ran.
        :param cgroup_path: as in ``cgroup.path``; empty if unknown.
        :param at_ns: wall clock.
        """
        processes = self.processes
        process = answer(processes, lambda: processes.of_program(pid, program, at_ns)) if pid else None
        container = ask(self.containers, KeyKind.CGROUP, cgroup_path, at_ns) if cgroup_path else None
        others = self._of_others(pid, cgroup_path, at_ns) if self._asked else _NOBODY
        return {**self.place.attributes, **others, **(container or _NOBODY), **(process or _NOBODY)}

    def _of_others(self, pid: int, cgroup_path: str, at_ns: int) -> Entity:
        """What the others know, the first of them surest; of each, the process goes before the cgroup."""
        keys = ((KeyKind.CGROUP, cgroup_path), (KeyKind.PROCESS, str(pid) if pid else ""))
        found = (
            ask(enricher, kind, value, at_ns)
            for enricher in reversed(self._asked)
            for kind, value in keys
            if value and kind in enricher.kinds
        )
        return {name: text for entity in found if entity for name, text in entity.items()}

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
