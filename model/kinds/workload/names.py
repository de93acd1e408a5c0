"""Which workload is at an end: one rule, from what is surest to what is always there.

1. Kubernetes: the workload (``k8s.workload.name``, of kind ``k8s.workload.kind``), else the pod, else the service;
2. ``ecs``: the family of the ECS task; 3. ``compose``: the service of a compose project;
4. ``container``: its name; 5. ``systemd``: the unit; 6. ``name``: given in the configuration;
7. ``process``: its executable, else what it calls itself (``process.comm``);
8. ``node``: the machine, where that is all that is known; 9. ``domain``: the name by which clients know it (rows have
it, no entity), which goes before a machine that reverse DNS names; 10. ``address``: nothing is known.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from model.enricher import Entity
from model.kinds.workload import Workload

#: Attribute that names a workload, its kind, and the attribute of the namespace, the surest first.
_RULES: Final = (
    ("k8s.workload.name", "", "k8s.namespace.name"),
    ("k8s.pod.name", "Pod", "k8s.namespace.name"),
    ("k8s.service.name", "Service", "k8s.namespace.name"),
    ("aws.ecs.task.family", "ecs", "aws.ecs.cluster.arn"),
    ("docker.compose.service", "compose", "docker.compose.project"),
    ("container.name", "container", ""),
    ("systemd.unit", "systemd", ""),
    ("service.name", "name", ""),
    ("process.executable.name", "process", ""),
)
_MACHINES: Final = ("k8s.node.name", "host.name")
_REMEMBERED: Final = 16384


class Named(NamedTuple):
    """What an entity says of an end.

    :param workload: None if it names none: then the process's own name is asked, and
    :param machine: is who it is if there is no process either; None if that is not known.
    :param place: zone and version; of finer names what else tells ends apart.
    :param guessed: whether the machine's name may be that of reverse DNS.
    """

    workload: Workload | None
    machine: Workload | None
    place: tuple[str, ...]
    guessed: bool = False


#: Makes an end of a name, its kind, its namespace, and the parts of its place.
MakeEnd = Callable[..., Any]


class WorkloadNames:
    """Asks the rule once for each entity: the joiner gives the same object as long as nothing changed.

    :param end: what ends are: workloads, or something finer that begins like one.
    :param place: what of an entity tells ends of one name apart.
    :ivar nowhere: the place of an end of which nothing is known.
    """

    def __init__(
        self, end: MakeEnd = Workload, place: Callable[[Entity], tuple[str, ...]] | None = None
    ) -> None:
        self.end = end
        self._place = place or place_of
        self.nowhere = self._place({})
        self._known: dict[int, Named] = {}  # by ``id`` of an entity
        self._same: dict[Named, Named] = {}
        self._held: list[Entity] = []  # those entities: no other can have their ``id``

    def all(self, entities: Sequence[Entity]) -> list[Named]:
        """What each of them says: one object for those that say the same."""
        try:
            return list(map(self._known.__getitem__, map(id, entities)))
        except KeyError:
            return [self._learn(entity) for entity in entities]

    def _learn(self, entity: Entity) -> Named:
        known = self._known.get(id(entity))
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
                self._same.clear()
                self._held.clear()
            known = named(entity, self.end, self._place(entity))
            known = self._known[id(entity)] = self._same.setdefault(known, known)
            self._held.append(entity)
        return known


def place_of(entity: Entity) -> tuple[str, str]:
    """Zone and version."""
    return (
        entity.get("cloud.availability_zone", ""),
        entity.get("service.version") or entity.get("container.image.tags", ""),
    )


def named(entity: Entity, end: MakeEnd = Workload, place: tuple[str, ...] | None = None) -> Named:
    """The rule.

    :param end: makes an end of its name, and of ``place``; the zone is its first part.
    """
    place = place_of(entity) if place is None else place
    machine = next((name for attribute in _MACHINES if (name := entity.get(attribute))), "")
    return Named(
        _workload(entity, end, place),
        end(machine, "node", "", place[0]) if machine else None,
        place,
        entity.get("identity.evidence") == "address" and _MACHINES[0] not in entity,
    )


def _workload(entity: Entity, end: MakeEnd, place: tuple[str, ...]) -> Any:
    for attribute, always, within in _RULES:
        if name := entity.get(attribute):
            kind = always or entity.get("k8s.workload.kind", "Workload")
            namespace = entity.get(within, "").rpartition("/")[2]  # of a cluster's ARN the name
            return end(name, kind, namespace, *place)
    return None
