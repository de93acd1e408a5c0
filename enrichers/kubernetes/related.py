"""What pods are named by besides themselves: owners of owners, nodes, and the services that select them."""

from collections.abc import Iterable
from typing import Final

from enrichers.kubernetes.entity import Workload
from enrichers.kubernetes.facts import Owner, PodFacts
from model.enricher import Entity

_NOTHING: Final[Entity] = {}


class RelatedObjects:
    """Pure. Notes whose names may have changed until ``take_changed`` asks for it.

    :ivar owners: uid of a ReplicaSet or Job → its own controller.
    :ivar nodes: name → attributes.
    """

    def __init__(self) -> None:
        self.owners: dict[str, Owner] = {}
        self.nodes: dict[str, Entity] = {}
        self._services: dict[str, tuple[str, ...]] = {}  # pod uid → service of each slice that leads to it
        self._changed: set[str] = set()
        self._departed: set[str] = set()

    def put_owner(self, uid: str, owner: Owner | None) -> None:
        """A ReplicaSet or Job, and who made it; one that nobody made needs no place."""
        self._departed.discard(uid)
        if owner is not None and self.owners.get(uid) != owner:
            self.owners[uid] = owner
            self._changed.add(uid)

    def put_node(self, name: str, attributes: Entity) -> None:
        """A node and its attributes."""
        self._departed.discard(name)
        if self.nodes.get(name) != attributes:
            self.nodes[name] = attributes
            self._changed.add(name)

    def drop(self, name: str, in_use: bool) -> None:
        """An owner (by uid) or a node (by name) is gone; while pods are left they keep their names."""
        if in_use:
            self._departed.add(name)
        else:
            self.owners.pop(name, None)
            self.nodes.pop(name, None)

    def unused(self, name: str) -> None:
        """The last pod of an owner or a node is gone."""
        if name in self._departed:
            self._departed.discard(name)
            self.drop(name, in_use=False)

    def select(self, service: str, pods: Iterable[str]) -> None:
        """A slice of a service leads to these pods (by uid)."""
        for uid in pods:
            self._services[uid] = (*self._services.get(uid, ()), service)
            self._changed.add(uid)

    def unselect(self, service: str, pods: Iterable[str]) -> None:
        """A slice of a service no longer leads to these pods."""
        for uid in pods:
            left = list(self._services.pop(uid, ()))
            if service in left:
                left.remove(service)
            if left:
                self._services[uid] = tuple(left)
            self._changed.add(uid)

    def services(self, uid: str) -> str:
        """Names of the services that select a pod, in order, with commas."""
        found = self._services.get(uid, ())
        return found[0] if len(found) == 1 else ",".join(sorted(set(found)))

    def node(self, name: str) -> Entity:
        """The attributes of a node; its name alone if it is not known."""
        return self.nodes.get(name) or ({"k8s.node.name": name} if name else _NOTHING)

    def workload(self, facts: PodFacts) -> list[Workload]:
        """The pod's controller and who made that: up to the Deployment, the CronJob.

        Without the ReplicaSet the hash of the pod's template tells the Deployment.
        """
        if facts.owner is None:
            return []
        chain = [(facts.owner.kind, facts.owner.name)]
        above = self.owners.get(facts.owner.uid)
        if above is not None:
            chain.append((above.kind, above.name))
        elif facts.deployment:
            chain.append(("Deployment", facts.deployment))
        return chain

    def take_changed(self) -> set[str]:
        """Uids of owners and pods and names of nodes since it was last asked."""
        changed, self._changed = self._changed, set()
        return changed
