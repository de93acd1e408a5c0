"""The model of a cluster against one that remembers every moment: whatever happens in whichever order."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from enrichers.kubernetes.model import Model
from enrichers.kubernetes.objects import Pod
from enrichers.kubernetes.resources import PODS, Resource, resources
from model.enricher import KeyKind
from tests.integration.kubernetes.objects import (
    MADE,
    Json,
    PodSketch,
    endpoint_slice,
    node,
    owned_by,
    replica_set,
    service,
)

SECOND = 10**9
RESOURCES = {resource.plural: resource for resource in resources(None)}
ADDRESSES = [f"10.0.0.{number}" for number in range(4)]
NODES, DEPLOYMENTS, SERVICES = ["n-0", "n-1"], ["web", "db"], ["front", "back"]


def decoded(resource: Resource, one: Json) -> Any:
    """An object as it comes from the wire."""
    return msgspec.json.decode(msgspec.json.encode(one), type=resource.kind)


@dataclass
class Naive:
    """What is true now, and at each second so far: plain copies."""

    pods: dict[str, PodSketch] = field(default_factory=dict)
    zones: dict[str, str] = field(default_factory=dict)
    deployments: set[str] = field(default_factory=set)
    slices: dict[str, list[str]] = field(default_factory=dict)
    services: dict[str, str] = field(default_factory=dict)
    moments: list[dict[str, str]] = field(default_factory=list)

    def names(self) -> dict[str, dict[str, str]]:
        """Address → attributes, of those that change here."""
        found: dict[str, dict[str, str]] = {}
        for address, name in self.services.items():
            found[address] = {"k8s.service.name": name}
        for pod in self.pods.values():
            if pod.ip:
                found[pod.ip] = self._pod(pod)
        return found

    def _pod(self, pod: PodSketch) -> dict[str, str]:
        assert pod.owner is not None
        deployment = pod.owner["name"].removesuffix("-1")
        known = deployment in self.deployments
        names = {
            "k8s.pod.uid": pod.uid,
            "k8s.node.name": pod.node,
            "k8s.workload.name": deployment if known else pod.owner["name"],
        }
        if pod.node in self.zones:
            names["cloud.availability_zone"] = self.zones[pod.node]
        selecting = sorted(name for name, uids in self.slices.items() if pod.uid in uids)
        return names | ({"k8s.service.name": ",".join(selecting)} if selecting else {})


class Site:
    """Does everything twice; one step is a second."""

    def __init__(self) -> None:
        self.model, self.naive = Model(1000), Naive()
        self.seconds = int(MADE)
        self.made = 0

    def now(self) -> int:
        """Nanoseconds."""
        return self.seconds * SECOND

    def put(self, plural: str, one: Json) -> None:
        """An object is told."""
        self.model.put(RESOURCES[plural], decoded(RESOURCES[plural], one), self.now())

    def json(self, pod: PodSketch) -> Json:
        """Without the API's timestamps: the time of the event decides."""
        one = pod.json()
        one["status"]["conditions"] = []
        del one["status"]["startTime"]
        for status in one["status"]["containerStatuses"]:
            status["state"] = {"waiting": {}}
        return one

    def add_pod(self, data: st.DataObject) -> None:
        """A pod that may have an address that is free, or none yet."""
        taken = {pod.ip for pod in self.naive.pods.values()} | self.naive.services.keys()
        ip = data.draw(st.sampled_from(["", *(one for one in ADDRESSES if one not in taken)]))
        replicas = replica_set(f"{data.draw(st.sampled_from(DEPLOYMENTS))}-1", None)["metadata"]
        owner = owned_by("ReplicaSet", replicas["name"], replicas["uid"])
        self.made += 1
        where = data.draw(st.sampled_from(NODES))
        pod = PodSketch(f"pod-{self.made}", ip=ip, node=where, made=self.seconds, owner=owner)
        self.naive.pods[pod.uid] = pod
        self.put(PODS, self.json(pod))

    def change_pod(self, data: st.DataObject) -> None:
        """A pod gets, changes or loses its address."""
        if self.naive.pods:
            pod = self.naive.pods[data.draw(st.sampled_from(sorted(self.naive.pods)))]
            taken = {one.ip for one in self.naive.pods.values()} | self.naive.services.keys()
            pod.ip = data.draw(st.sampled_from(["", *(one for one in ADDRESSES if one not in taken)]))
            self.put(PODS, self.json(pod))

    def delete_pod(self, data: st.DataObject) -> None:
        """A pod is gone."""
        if self.naive.pods:
            pod = self.naive.pods.pop(data.draw(st.sampled_from(sorted(self.naive.pods))))
            last = decoded(RESOURCES[PODS], self.json(pod))
            self.model.drop(RESOURCES[PODS], pod.uid, self.now(), last)

    def relist_pods(self, data: st.DataObject) -> None:
        """Some pods went unseen; a list says which are left."""
        for uid in [uid for uid in sorted(self.naive.pods) if data.draw(st.booleans())]:
            del self.naive.pods[uid]
        for pod in self.naive.pods.values():
            self.put(PODS, self.json(pod))
        self.model.keep_only(RESOURCES[PODS], self.naive.pods, self.now())

    def change_node(self, data: st.DataObject) -> None:
        """A node comes, or moves to another zone."""
        name, zone = data.draw(st.sampled_from(NODES)), data.draw(st.sampled_from("ab"))
        self.naive.zones[name] = zone
        self.put("nodes", node(name, zone))

    def add_deployment(self, data: st.DataObject) -> None:
        """A ReplicaSet is told."""
        name = data.draw(st.sampled_from(DEPLOYMENTS))
        self.naive.deployments.add(name)
        self.put("replicasets", replica_set(f"{name}-1", name))

    def change_slice(self, data: st.DataObject) -> None:
        """A service selects other pods."""
        name = data.draw(st.sampled_from(SERVICES))
        pods = list(self.naive.pods.values())
        chosen = data.draw(st.lists(st.sampled_from(pods), unique_by=lambda pod: pod.uid)) if pods else []
        self.naive.slices[name] = [pod.uid for pod in chosen]
        self.put("endpointslices", endpoint_slice(f"{name}-x", name, chosen))

    def change_service(self, data: st.DataObject) -> None:
        """A service gets an address that is free; or is gone."""
        taken = {pod.ip for pod in self.naive.pods.values()} | self.naive.services.keys()
        free = [one for one in ADDRESSES if one not in taken]
        coming = data.draw(st.booleans())
        if free and coming:
            ip = data.draw(st.sampled_from(free))
            self.naive.services[ip] = f"svc-{ip}"
            one = service(f"svc-{ip}", ip, made=self.seconds)
            self.put("services", one)
        elif self.naive.services:
            ip = data.draw(st.sampled_from(sorted(self.naive.services)))
            del self.naive.services[ip]
            known = self.model._known["services"]
            last = self.model.identities.last(KeyKind.ADDRESS, ip)
            assert last is not None
            uid = next(uid for uid in known if (KeyKind.ADDRESS, ip) in self.model._services._keys[uid])
            self.model.drop(RESOURCES["services"], uid, self.now())

    def check(self) -> None:
        """Now and at every second before: the same who; now: the same names."""
        self.model.settle(self.now())
        names = self.naive.names()
        self.naive.moments.append(
            {
                address: found.get("k8s.pod.uid", found.get("k8s.service.name", ""))
                for address, found in names.items()
            }
        )
        for address in ADDRESSES:
            entity = self.model.lookup(KeyKind.ADDRESS, address, self.now())
            expected = names.get(address)
            assert (entity is None) == (expected is None)
            if entity is not None and expected is not None:
                assert {name: entity.get(name) for name in expected} == expected
                assert ("k8s.service.name" in entity) == ("k8s.service.name" in expected)
        for second, moment in enumerate(self.naive.moments):
            for address in ADDRESSES:
                at_ns = (int(MADE) + second) * SECOND + SECOND // 2
                entity = self.model.lookup(KeyKind.ADDRESS, address, at_ns)
                who = None if entity is None else entity.get("k8s.pod.uid", entity.get("k8s.service.name"))
                assert who == moment.get(address), (second, address)
        self.seconds += 1


STEPS = [
    Site.add_pod,
    Site.add_pod,
    Site.change_pod,
    Site.delete_pod,
    Site.relist_pods,
    Site.change_node,
    Site.add_deployment,
    Site.change_slice,
    Site.change_service,
]


@settings(max_examples=150)
@given(st.lists(st.sampled_from(STEPS), max_size=25), st.data())
def test_any_sequence_gives_what_a_naive_model_gives(steps: list[Any], data: st.DataObject) -> None:
    """Pods, nodes, ReplicaSets, slices and services come, change, go and are listed again: same answers, always."""
    site = Site()
    for step in steps:
        step(site, data)
        site.check()
    assert len(site.naive.moments) == len(steps)


@given(st.lists(st.sampled_from(STEPS), max_size=25), st.data())
@settings(max_examples=30)
def test_nothing_is_left_of_what_is_gone(steps: list[Any], data: st.DataObject) -> None:
    """When everything is deleted, nothing holds memory but identities that ended."""
    site = Site()
    for step in steps:
        step(site, data)
    for resource in RESOURCES.values():
        site.model.keep_only(resource, (), site.now())
    site.model.settle(site.now())
    related_objects = site.model._related_objects
    assert site.model.objects == 0
    assert (related_objects.owners, related_objects.nodes, related_objects._services) == ({}, {}, {})
    assert (site.model._pods._pods, site.model._pods._related, related_objects._departed) == ({}, {}, set())
    assert all(not site.model.identities.held(kind) for kind in KeyKind)


def test_an_empty_pod_is_understood() -> None:
    """Every field may be missing, or null where Go writes a nil slice."""
    text = (
        b'{"metadata":{"uid":"u","ownerReferences":null},"spec":{"containers":null},"status":{"podIPs":null}}'
    )
    model = Model(10)
    model.put(RESOURCES[PODS], msgspec.json.decode(text, type=Pod), SECOND)
    model.put(RESOURCES[PODS], msgspec.json.decode(b'{"metadata":{"uid":"v"}}', type=Pod), SECOND)
    assert (model.objects, len(model.identities)) == (2, 0)
