"""What is known of the cluster: takes objects of all resources, keeps identities. Pure: times are given."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from enrichers.kubernetes.facts import controller, facts_of
from enrichers.kubernetes.pods import Pods
from enrichers.kubernetes.related import RelatedObjects
from enrichers.kubernetes.resources import (
    ENDPOINT_SLICES,
    JOBS,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    Resource,
)
from enrichers.kubernetes.services import (
    Holders,
    Slices,
    node_entity,
    node_keys,
    service_entity,
    service_keys,
)
from model.enricher import EnricherStatistics, Entity, KeyKind
from model.intervals import Intervals


class Model:
    """The cluster.

    :param limit: objects of all resources together, and identities, those that ended included.
    :ivar noted: ``over_limit``: objects that found no room, counted each time they are told.
    """

    def __init__(self, limit: int) -> None:
        self.identities = Intervals(limit)
        self.noted: Counter[str] = Counter()
        self._limit = limit
        self._known: dict[str, set[str]] = {}  # resource → uids
        self._related_objects = RelatedObjects()
        self._pods = Pods(self.identities, self._related_objects)
        self._services = Holders(self.identities)
        self._nodes = Holders(self.identities)
        self._slices = Slices(self._related_objects)

    @property
    def objects(self) -> int:
        """In memory."""
        return sum(map(len, self._known.values()))

    def put(self, resource: Resource, one: Any, now_ns: int) -> None:
        """An object that is new, or has changed, or is told again."""
        known = self._known.setdefault(resource.plural, set())
        if one.metadata.uid not in known:
            if self.objects >= self._limit:
                self.noted["over_limit"] += 1
                return
            known.add(one.metadata.uid)
        self._put(resource.plural, one, now_ns)

    def _put(self, plural: str, one: Any, now_ns: int) -> None:
        meta = one.metadata
        if plural == PODS:
            self._pods.put(facts_of(one), now_ns)
        elif plural in (REPLICA_SETS, JOBS):
            self._related_objects.put_owner(meta.uid, controller(meta))
        elif plural == SERVICES:
            self._services.put(meta, service_keys(one), service_entity(meta), now_ns)
        elif plural == ENDPOINT_SLICES:
            self._slices.put(one)
        elif plural == NODES:
            entity = node_entity(one)
            self._related_objects.put_node(meta.name, entity)
            self._nodes.put(meta, node_keys(one), entity, now_ns)

    def drop(self, resource: Resource, uid: str, now_ns: int, last: Any = None) -> None:
        """An object is gone.

        :param last: as it was when it went; None if it was only found missing.
        """
        known = self._known.get(resource.plural, set())
        if uid not in known:
            return
        known.discard(uid)
        if resource.plural == PODS:
            self._pods.drop(uid, now_ns, facts_of(last) if last else None)
        elif resource.plural in (REPLICA_SETS, JOBS):
            self._related_objects.drop(uid, in_use=self._pods.related(uid))
        elif resource.plural == SERVICES:
            self._services.drop(uid, now_ns)
        elif resource.plural == ENDPOINT_SLICES:
            self._slices.drop(uid)
        elif resource.plural == NODES:
            for kind, name in self._nodes.drop(uid, now_ns):
                if kind is KeyKind.NODE:
                    self._related_objects.drop(name, in_use=self._pods.related(name))

    def keep_only(self, resource: Resource, uids: Iterable[str], now_ns: int) -> None:
        """The list of a resource is complete: what is not in it is gone."""
        for uid in self._known.get(resource.plural, set()) - set(uids):
            self.drop(resource, uid, now_ns)

    def settle(self, now_ns: int) -> None:
        """To be called after objects were put and dropped: names that depend on others are made true."""
        changed = self._related_objects.take_changed()
        if changed:
            self._pods.settle(changed, now_ns)

    def lookup(self, kind: KeyKind, value: str, at_ns: int) -> Entity | None:
        """Who had this key at that time."""
        return self.identities.lookup(kind, value, at_ns)

    def statistics(self, age_seconds: float) -> EnricherStatistics:
        """The counts; objects that found no room count as evicted."""
        counted = self.identities.statistics(age_seconds)
        evicted = counted.evicted + self.noted["over_limit"]
        return EnricherStatistics(
            counted.entries, counted.hits, counted.misses, counted.stale, evicted, counted.age_seconds
        )
