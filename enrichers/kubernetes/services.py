"""Services, endpoint slices and nodes: their addresses, and which pods a service selects. Pure."""

from enrichers.kubernetes.entity import node_attributes
from enrichers.kubernetes.objects import EndpointSlice, Metadata, Node, Service
from enrichers.kubernetes.related import RelatedObjects
from enrichers.kubernetes.times import begin_of, nanoseconds
from model.enricher import Entity, KeyKind
from model.intervals import Intervals

_SERVICE_LABEL = "kubernetes.io/service-name"
_INTERNAL = "InternalIP"

_Key = tuple[KeyKind, str]


class Holders:
    """Objects with keys that they have from their making to their end."""

    def __init__(self, identities: Intervals) -> None:
        self._identities = identities
        self._keys: dict[str, dict[_Key, int]] = {}  # uid → key → beginning

    def put(self, meta: Metadata, keys: list[_Key], entity: Entity, now_ns: int) -> None:
        """An object as it is now, and its keys."""
        held = self._keys.setdefault(meta.uid, {})
        for key in held.keys() - set(keys):
            self._identities.end(*key, now_ns, held.pop(key))
        for key in keys:
            if key not in held:
                created_ns = nanoseconds(meta.creation_timestamp)
                held[key] = begin_of(created_ns, now_ns, self._identities.last(*key))
            self._identities.add(*key, entity, held[key])

    def drop(self, uid: str, now_ns: int) -> list[_Key]:
        """An object is gone; the keys that it had."""
        held = self._keys.pop(uid, {})
        for key, begin_ns in held.items():
            self._identities.end(*key, max(now_ns, begin_ns), begin_ns)
        return list(held)


def service_keys(service: Service) -> list[_Key]:
    """Its cluster addresses; none if it is headless."""
    spec = service.spec
    addresses = spec.cluster_ips or [spec.cluster_ip]
    return [(KeyKind.ADDRESS, address) for address in addresses if address not in ("", "None")]


def service_entity(meta: Metadata) -> Entity:
    """What is known of a service."""
    return {"k8s.namespace.name": meta.namespace, "k8s.service.name": meta.name}


def node_keys(node: Node) -> list[_Key]:
    """Its name and its addresses within the cluster, which the pods of its own network share."""
    addresses = [one.address for one in node.status.addresses or () if one.type == _INTERNAL]
    return [(KeyKind.NODE, node.metadata.name)] + [(KeyKind.ADDRESS, address) for address in addresses]


def node_entity(node: Node) -> Entity:
    """What is known of a node."""
    return node_attributes(node.metadata.name, node.metadata.labels)


class Slices:
    """Which pods each endpoint slice leads to."""

    def __init__(self, related_objects: RelatedObjects) -> None:
        self._related_objects = related_objects
        self._slices: dict[str, tuple[str, frozenset[str]]] = {}  # uid → service and pods

    def put(self, one: EndpointSlice) -> None:
        """A slice as it is now; ready or not, its pods are the service's."""
        service = (one.metadata.labels or {}).get(_SERVICE_LABEL, "")
        targets = (endpoint.target_ref for endpoint in one.endpoints or ())
        pods = frozenset(target.uid for target in targets if target and target.kind == "Pod")
        self._change(one.metadata.uid, service, pods if service else frozenset())

    def drop(self, uid: str) -> None:
        """A slice is gone."""
        service, _ = self._slices.get(uid, ("", frozenset()))
        self._change(uid, service, frozenset())
        self._slices.pop(uid, None)

    def _change(self, uid: str, service: str, pods: frozenset[str]) -> None:
        """The service of a slice never changes (discovery.k8s.io: owned by the service), but nothing relies on it."""
        old_service, old_pods = self._slices.get(uid, (service, frozenset[str]()))
        if old_service != service:
            self._related_objects.unselect(old_service, old_pods)
            old_pods = frozenset()
        self._slices[uid] = service, pods
        self._related_objects.select(service, pods - old_pods)
        self._related_objects.unselect(service, old_pods - pods)
