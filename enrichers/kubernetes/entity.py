"""What is known of a pod and its containers, under the names of OpenTelemetry."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from model.enricher import Entity

#: Label of a node → attribute (Kubernetes: well-known labels, annotations and taints).
PLACES: Final = {
    "topology.kubernetes.io/zone": "cloud.availability_zone",
    "topology.kubernetes.io/region": "cloud.region",
}
VERSION_LABEL: Final = "app.kubernetes.io/version"

#: Kinds of workload with an attribute of their own (semantic conventions: Kubernetes resources).
_KINDS: Final = {
    "Deployment": "k8s.deployment.name",
    "ReplicaSet": "k8s.replicaset.name",
    "StatefulSet": "k8s.statefulset.name",
    "DaemonSet": "k8s.daemonset.name",
    "CronJob": "k8s.cronjob.name",
    "Job": "k8s.job.name",
}

Workload = tuple[str, str]  # kind, name


@lru_cache(4096)
def split_image(image: str) -> tuple[str, str]:
    """Name and tag of ``registry:5000/name:tag@digest``; the tag is empty if none is written.

    A colon before the last slash is that of the registry's port (OCI distribution: pulling manifests).
    """
    reference = image.partition("@")[0]
    path, slash, last = reference.rpartition("/")
    name, _, tag = last.partition(":")
    return path + slash + name, tag


def workload_attributes(chain: Sequence[Workload], pod: str) -> Entity:
    """Every link of a chain of owners, from the pod's controller up; the last one is the workload."""
    kind, name = chain[-1] if chain else ("Pod", pod)
    found = {"k8s.workload.name": name, "k8s.workload.kind": kind}
    found.update((_KINDS[kind], name) for kind, name in chain if kind in _KINDS)
    return found


def container_attributes(name: str, image: str, version: str) -> dict[str, str]:
    """Of a container; the pod's version goes before the image's tag."""
    image_name, tag = split_image(image)
    found = {"k8s.container.name": name, "container.image.name": image_name, "container.image.tags": tag}
    found["service.version"] = version or tag
    return _filled(found)


def node_attributes(name: str, labels: dict[str, str] | None) -> Entity:
    """Of a node."""
    labels = labels or {}
    return _filled({"k8s.node.name": name} | {PLACES[key]: labels.get(key, "") for key in PLACES})


def _filled(attributes: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in attributes.items() if text}
