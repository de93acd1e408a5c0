"""What is kept of a pod: the few facts that its names, keys and times are made of."""

import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Final

import msgspec

from enrichers.kubernetes.entity import VERSION_LABEL
from enrichers.kubernetes.objects import ContainerStatus, Metadata, Pod, PodStatus
from enrichers.kubernetes.times import nanoseconds

#: Phases in which no container will run again (core/v1 PodStatus).
_OVER: Final = ("Succeeded", "Failed")
#: The network of the pod is there (KEP 3085); older kubelets report it only after the first container's start.
_NETWORK: Final = "PodReadyToStartContainers"
#: Set by the Deployment controller on its pods; its ReplicaSets are called DEPLOYMENT-HASH.
_TEMPLATE_HASH: Final = "pod-template-hash"


class Owner(msgspec.Struct, frozen=True, gc=False):
    """The controller of an object."""

    kind: str
    name: str
    uid: str


class PodFacts(msgspec.Struct, frozen=True, gc=False):
    """A pod; two that are equal need no work.

    :param containers: name and image, without those that initialise.
    :param images: of all containers, by name.
    :param ids: of containers that were made: id and name.
    :param addresses: none if it uses the node's network.
    :param deployment: the Deployment's name by the template's hash; empty if there is none.
    :param address_ns: from when it may have used its address; 0 if the API does not say.
    :param finished_ns: the end of its last container; 0 while one runs.
    :param deletion_ns: the latest moment that a graceful deletion allows; 0 for none.
    """

    uid: str
    namespace: str
    name: str
    node: str
    owner: Owner | None
    deployment: str
    version: str
    containers: tuple[tuple[str, str], ...]
    images: tuple[tuple[str, str], ...]
    ids: tuple[tuple[str, str], ...]
    addresses: tuple[str, ...]
    created_ns: int
    address_ns: int
    finished_ns: int
    deletion_ns: int
    over: bool


def facts_of(pod: Pod) -> PodFacts:
    """The facts of a pod as the API sends it."""
    meta, spec, status = pod.metadata, pod.spec, pod.status
    labels = meta.labels or {}
    owner = controller(meta)
    statuses = list(_statuses(status))
    spare = chain(spec.init_containers or (), spec.ephemeral_containers or ())
    containers = tuple((_same(one.name), _same(one.image)) for one in spec.containers or ())
    return PodFacts(
        uid=meta.uid,
        namespace=_same(meta.namespace),
        name=meta.name,
        node=_same(spec.node_name),
        owner=owner,
        deployment=_deployment(owner, labels.get(_TEMPLATE_HASH, "")),
        version=_same(labels.get(VERSION_LABEL, "")),
        containers=containers,
        images=tuple((_same(one.name), _same(one.image)) for one in spare),
        ids=tuple((bare_id(one.container_id), _same(one.name)) for one in statuses if one.container_id),
        addresses=() if spec.host_network else _addresses(status),
        created_ns=nanoseconds(meta.creation_timestamp),
        address_ns=_address_ns(status, statuses),
        finished_ns=_finished_ns(statuses),
        deletion_ns=nanoseconds(meta.deletion_timestamp) if meta.deletion_grace_period_seconds else 0,
        over=status.phase in _OVER,
    )


def controller(meta: Metadata) -> Owner | None:
    """The owner that manages an object; of several owners only one does. A static pod's is its node: not counted."""
    for one in meta.owner_references or ():
        if one.controller and one.kind != "Node":
            return Owner(_same(one.kind), _same(one.name), _same(one.uid))
    return None


def bare_id(container_id: str) -> str:
    """``containerd://ID`` without the runtime's name."""
    return container_id.rpartition("://")[2]


def _same(text: str) -> str:
    """The one copy of a text that thousands of pods share."""
    return sys.intern(text)


def _deployment(owner: Owner | None, template_hash: str) -> str:
    if owner is None or owner.kind != "ReplicaSet" or not template_hash:
        return ""
    name = owner.name.removesuffix(f"-{template_hash}")
    return _same(name) if name != owner.name else ""


def _statuses(status: PodStatus) -> Iterator[ContainerStatus]:
    yield from status.container_statuses or ()
    yield from status.init_container_statuses or ()
    yield from status.ephemeral_container_statuses or ()


def _addresses(status: PodStatus) -> tuple[str, ...]:
    many = tuple(one.ip for one in status.pod_ips or () if one.ip)
    return many or ((status.pod_ip,) if status.pod_ip else ())


def _address_ns(status: PodStatus, statuses: list[ContainerStatus]) -> int:
    """The earliest sign of a network: its condition, or a container's start, unless that may have been a restart."""
    network = [
        one.last_transition_time
        for one in status.conditions or ()
        if one.type == _NETWORK and one.status == "True"
    ]
    restarted = any(one.restart_count for one in statuses)
    signs = network + ([] if restarted and not network else [started(one) for one in statuses])
    known = [nanoseconds(stamp) for stamp in signs if stamp]
    return min(known) if known else nanoseconds(status.start_time)


def started(status: ContainerStatus) -> datetime | None:
    """When the container began to run, if it did."""
    state = status.state
    if state is None:
        return None
    if state.running:
        return state.running.started_at
    return state.terminated.started_at if state.terminated else None


def _finished_ns(statuses: list[ContainerStatus]) -> int:
    """The last container's end, 0 if one may still run or none ever did."""
    last = 0
    for one in statuses:
        if not one.container_id:
            continue
        if one.state is None or one.state.terminated is None:
            return 0
        last = max(last, nanoseconds(one.state.terminated.finished_at))
    return last
