"""Pods: who has which address and which container id, from when until when. Pure."""

import msgspec

from enrichers.kubernetes.entity import container_attributes, workload_attributes
from enrichers.kubernetes.facts import PodFacts
from enrichers.kubernetes.related import RelatedObjects
from enrichers.kubernetes.times import SECOND, begin_of, end_of
from model.enricher import Entity, KeyKind
from model.intervals import Intervals

#: Ids of containers are given once: their intervals are wide, so that clocks which differ do no harm.
GRACE_NS = 60 * SECOND

_Key = tuple[KeyKind, str]


class _Held(msgspec.Struct, gc=False):
    """A pod that is known, and the keys that it has, each with its beginning."""

    facts: PodFacts
    shown_ns: int
    keys: tuple[tuple[_Key, int], ...] = ()


class Pods:
    """Keeps the identities of pods in ``identities``.

    Names that other objects give are brought up to date by ``settle``.
    """

    def __init__(self, identities: Intervals, related_objects: RelatedObjects) -> None:
        self._identities = identities
        self._related_objects = related_objects
        self._pods: dict[str, _Held] = {}
        self._related: dict[str, set[str]] = {}  # uid of an owner or name of a node → uids of pods

    def related(self, name: str) -> bool:
        """Whether there are pods of this owner (by uid) or node (by name)."""
        return name in self._related

    def put(self, facts: PodFacts, now_ns: int) -> None:
        """A pod as it is now."""
        held = self._pods.get(facts.uid)
        if held is None:
            held = self._pods[facts.uid] = _Held(facts, now_ns)
            self._relate(facts)
        elif held.facts == facts:
            held.shown_ns = now_ns
            return
        elif (held.facts.node, held.facts.owner) != (facts.node, facts.owner):
            self._unrelate(held.facts)
            self._relate(facts)
        held.facts, held.shown_ns = facts, now_ns
        self._end_others(held, now_ns)
        self._name(held, now_ns)

    def drop(self, uid: str, now_ns: int, last: PodFacts | None = None) -> None:
        """A pod is gone.

        :param last: as it was when it went; None if it was only found missing.
        """
        held = self._pods.pop(uid, None)
        if held is None:
            return
        self._unrelate(held.facts)
        held.facts = last or held.facts
        for key, begin_ns in held.keys:
            self._end(held, key, begin_ns, now_ns)

    def settle(self, changed: set[str], now_ns: int) -> None:
        """Names again the pods whose related objects changed."""
        uids = changed & self._pods.keys()
        uids.update(*(self._related[name] for name in changed & self._related.keys()))
        for uid in uids:
            self._name(self._pods[uid], now_ns)

    def _name(self, held: _Held, now_ns: int) -> None:
        """Gives the entity of the pod to all its keys, those that are new included."""
        before, keys = dict(held.keys), []
        for key, entity in self._entities(held.facts).items():
            begin_ns = before.get(key)
            if begin_ns is None:
                begin_ns = self._begin(held.facts, key, now_ns)
            keys.append((key, begin_ns))
            self._identities.add(*key, entity, begin_ns)
        held.keys = tuple(keys)

    def _begin(self, facts: PodFacts, key: _Key, now_ns: int) -> int:
        if key[0] is KeyKind.CONTAINER:
            known = [stamp for stamp in (facts.created_ns, facts.address_ns, now_ns) if stamp]
            return min(known) - GRACE_NS
        return begin_of(facts.address_ns, now_ns, self._identities.last(*key))

    def _end_others(self, held: _Held, now_ns: int) -> None:
        """Ends what the pod no longer has."""
        kept = set(_keys(held.facts))
        for key, begin_ns in held.keys:
            if key not in kept:
                self._end(held, key, begin_ns, now_ns)

    def _end(self, held: _Held, key: _Key, begin_ns: int, now_ns: int) -> None:
        if key[0] is KeyKind.CONTAINER:
            self._identities.end(*key, now_ns + GRACE_NS, begin_ns)
            return
        facts = held.facts
        end_ns = end_of(facts.finished_ns, facts.deletion_ns, held.shown_ns, now_ns)
        after = self._identities.last(*key)
        if after is not None and after.begin_ns > begin_ns:
            end_ns = min(end_ns, after.begin_ns)
        self._identities.end(*key, max(end_ns, begin_ns), begin_ns)

    def _entities(self, facts: PodFacts) -> dict[_Key, Entity]:
        """Of each key. An address belongs to all containers: it says which only if there is one."""
        if facts.over:
            return {}
        images = dict(facts.containers + facts.images)
        only = facts.containers[0][0] if len(facts.containers) == 1 else ""
        whole = self._entity(facts, only, images.get(only, ""))
        found: dict[_Key, Entity] = {(KeyKind.ADDRESS, address): whole for address in facts.addresses}
        for container_id, name in facts.ids:
            entity = whole if name == only else self._entity(facts, name, images.get(name, ""))
            found[KeyKind.CONTAINER, container_id] = entity
        return found

    def _entity(self, facts: PodFacts, container: str, image: str) -> Entity:
        """Of a container, or without its name of the pod."""
        entity = {
            "k8s.namespace.name": facts.namespace,
            "k8s.pod.name": facts.name,
            "k8s.pod.uid": facts.uid,
            **workload_attributes(self._related_objects.workload(facts), facts.name),
            **self._related_objects.node(facts.node),
        }
        if services := self._related_objects.services(facts.uid):
            entity["k8s.service.name"] = services
        if container:
            entity |= container_attributes(container, image, facts.version)
        elif facts.version:
            entity["service.version"] = facts.version
        return entity

    def _relate(self, facts: PodFacts) -> None:
        for name in _relations(facts):
            self._related.setdefault(name, set()).add(facts.uid)

    def _unrelate(self, facts: PodFacts) -> None:
        for name in _relations(facts):
            of_name = self._related.get(name, set())
            of_name.discard(facts.uid)
            if not of_name:
                self._related.pop(name, None)
                self._related_objects.unused(name)


def _keys(facts: PodFacts) -> list[_Key]:
    """What a pod has now; nothing once it has run to its end."""
    if facts.over:
        return []
    addresses = [(KeyKind.ADDRESS, address) for address in facts.addresses]
    return addresses + [(KeyKind.CONTAINER, container_id) for container_id, _ in facts.ids]


def _relations(facts: PodFacts) -> list[str]:
    return [facts.node, facts.owner.uid] if facts.owner else [facts.node]
