"""The fields of the Kubernetes API's objects that are needed, and no others: the rest is skipped while decoding.

Names and shapes: the Kubernetes API reference, core/v1, apps/v1, batch/v1, discovery.k8s.io/v1. Every field may be
missing, and an empty list may be null: Go writes a nil slice so where the field has no ``omitempty``.
"""

from datetime import datetime
from typing import Generic, TypeVar

import msgspec


class Struct(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Part of an object."""


class OwnerReference(Struct, frozen=True):
    """Who made an object; ``controller`` is true for the one that manages it."""

    kind: str
    name: str
    uid: str
    controller: bool | None = None


class Metadata(Struct, frozen=True):
    """Of any object. ``deletion_timestamp`` is the request's time plus the grace period (metav1.ObjectMeta)."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None


class Object(Struct, frozen=True):
    """An object of which the metadata suffice: a ReplicaSet, a Job."""

    metadata: Metadata = Metadata()


class SpecContainer(Struct, frozen=True):
    """A container as it was asked for."""

    name: str
    image: str = ""


class PodSpec(Struct, frozen=True):
    """A pod as it was asked for."""

    node_name: str = ""
    host_network: bool | None = None
    containers: list[SpecContainer] | None = None
    init_containers: list[SpecContainer] | None = None
    ephemeral_containers: list[SpecContainer] | None = None


class Running(Struct, frozen=True):
    """A container that runs."""

    started_at: datetime | None = None


class Terminated(Struct, frozen=True):
    """A container that ended."""

    started_at: datetime | None = None
    finished_at: datetime | None = None


class ContainerState(Struct, frozen=True):
    """At most one of its fields is set."""

    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(Struct, frozen=True):
    """A container as it is; ``container_id`` is ``containerd://…`` and empty until it was made."""

    name: str
    container_id: str = msgspec.field(name="containerID", default="")
    restart_count: int = 0
    state: ContainerState | None = None


class PodIp(Struct, frozen=True):
    """One address of a pod."""

    ip: str = ""


class Condition(Struct, frozen=True):
    """A milestone of a pod; the time has whole seconds."""

    type: str
    status: str = ""
    last_transition_time: datetime | None = None


class PodStatus(Struct, frozen=True):
    """A pod as it is. ``start_time`` is when the kubelet took it, before it had an address."""

    phase: str = ""
    start_time: datetime | None = None
    pod_ip: str = msgspec.field(name="podIP", default="")
    pod_ips: list[PodIp] | None = msgspec.field(name="podIPs", default=None)
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None
    ephemeral_container_statuses: list[ContainerStatus] | None = None


class Pod(Struct, frozen=True):
    """core/v1 Pod."""

    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class ServiceSpec(Struct, frozen=True):
    """``cluster_ip`` is "None" for a headless service, empty for an external name."""

    cluster_ip: str = msgspec.field(name="clusterIP", default="")
    cluster_ips: list[str] | None = msgspec.field(name="clusterIPs", default=None)


class Service(Struct, frozen=True):
    """core/v1 Service."""

    metadata: Metadata = Metadata()
    spec: ServiceSpec = ServiceSpec()


class TargetReference(Struct, frozen=True):
    """What stands behind an endpoint."""

    kind: str = ""
    uid: str = ""


class Endpoint(Struct, frozen=True):
    """One address that a service leads to."""

    target_ref: TargetReference | None = None


class EndpointSlice(Struct, frozen=True):
    """discovery.k8s.io/v1 EndpointSlice; its label kubernetes.io/service-name says whose it is."""

    metadata: Metadata = Metadata()
    endpoints: list[Endpoint] | None = None


class NodeAddress(Struct, frozen=True):
    """``type`` is InternalIP, ExternalIP or Hostname."""

    type: str = ""
    address: str = ""


class NodeStatus(Struct, frozen=True):
    """A node as it is."""

    addresses: list[NodeAddress] | None = None


class Node(Struct, frozen=True):
    """core/v1 Node."""

    metadata: Metadata = Metadata()
    status: NodeStatus = NodeStatus()


#: What a resource holds.
AnyObject = Object | Pod | Service | EndpointSlice | Node
T = TypeVar("T", bound=AnyObject)


class ListMetadata(Struct, frozen=True):
    """Of a page: ``continue_`` asks for the next one, empty on the last."""

    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class Page(Struct, Generic[T], frozen=True):
    """One page of a list."""

    metadata: ListMetadata = ListMetadata()
    items: list[T] | None = None


class Event(Struct, Generic[T], frozen=True):
    """One line of a watch: ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: T


class Status(Struct, frozen=True):
    """Why the API refuses: metav1.Status."""

    code: int = 0
    reason: str = ""
    message: str = ""


class ErrorEvent(Struct, frozen=True):
    """A line of a watch of the type ERROR."""

    type: str
    object: Status = Status()
