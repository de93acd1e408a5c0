"""What Docker says of a container, as attributes; its Engine API 1.41: container list, inspect, and events."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Final

SECOND_NS: Final = 1_000_000_000

#: Label → attribute. Compose and ECS (its agent puts these on each container) have no others.
_LABELS: Final = {
    "com.docker.compose.project": "docker.compose.project",
    "com.docker.compose.service": "docker.compose.service",
    "com.amazonaws.ecs.task-arn": "aws.ecs.task.arn",
    "com.amazonaws.ecs.task-definition-family": "aws.ecs.task.family",
    "com.amazonaws.ecs.task-definition-version": "aws.ecs.task.revision",
    "com.amazonaws.ecs.container-name": "aws.ecs.container.name",
    "io.kubernetes.pod.name": "k8s.pod.name",
    "io.kubernetes.pod.namespace": "k8s.namespace.name",
    "io.kubernetes.pod.uid": "k8s.pod.uid",
    "io.kubernetes.container.name": "k8s.container.name",
}
_ECS_CLUSTER: Final = "com.amazonaws.ecs.cluster"
#: arn:PARTITION:ecs:REGION:ACCOUNT:task/[CLUSTER/]ID
_TASK_ARN: Final = re.compile(r"(arn:[^:]+:ecs:([^:]*):([^:]*)):task/(?:[^/]+/)?([^/]+)$")
_FRACTION: Final = re.compile(r"\.(\d+)")


@dataclass(frozen=True)
class ContainerFacts:
    """A container as Docker knows it.

    :param image: as it was named: ``name``, ``name:tag``, ``name@digest``, or an id.
    :param created_ns: wall clock; 0 if unknown.
    :param addresses: by the name of the network.
    """

    id: str
    name: str
    image: str
    image_id: str = ""
    created_ns: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageFacts:
    """An image as Docker knows it."""

    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()


def from_list(reply: Mapping[str, Any]) -> ContainerFacts:
    """One of ``GET /containers/json``."""
    names = reply.get("Names") or [""]
    own = min(names, key=lambda name: name.count("/"))  # others are links: /other/alias
    return ContainerFacts(
        reply["Id"],
        own.lstrip("/"),
        reply.get("Image", ""),
        reply.get("ImageID", ""),
        int(reply.get("Created", 0)) * SECOND_NS,
        reply.get("Labels") or {},
        _addresses(reply.get("NetworkSettings") or {}),
    )


def from_inspect(reply: Mapping[str, Any]) -> ContainerFacts:
    """``GET /containers/ID/json``."""
    config = reply.get("Config") or {}
    return ContainerFacts(
        reply["Id"],
        reply.get("Name", "").lstrip("/"),
        config.get("Image", ""),
        reply.get("Image", ""),
        time_ns(reply.get("Created", "")),
        config.get("Labels") or {},
        _addresses(reply.get("NetworkSettings") or {}),
    )


def from_event(actor: Mapping[str, Any]) -> ContainerFacts:
    """The actor of a container's event; its labels stand among its attributes."""
    attributes = actor.get("Attributes") or {}
    labels = {name: value for name, value in attributes.items() if name not in ("name", "image")}
    return ContainerFacts(actor["ID"], attributes.get("name", ""), attributes.get("image", ""), labels=labels)


def from_image(reply: Mapping[str, Any]) -> ImageFacts:
    """``GET /images/ID/json``."""
    return ImageFacts(tuple(reply.get("RepoTags") or ()), tuple(reply.get("RepoDigests") or ()))


def _addresses(settings: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    found = {}
    for name, network in (settings.get("Networks") or {}).items():
        both = (network.get("IPAddress"), network.get("GlobalIPv6Address"))
        if addresses := tuple(address for address in both if address):
            found[name] = addresses
    return found


def time_ns(text: str) -> int:
    """RFC 3339 with up to nine digits of the second, as the wall clock; 0 if it is no time, or Go's zero."""
    fraction = _FRACTION.search(text)
    try:
        moment = datetime.fromisoformat(_FRACTION.sub("", text))
        return max(0, int(moment.timestamp()) * SECOND_NS) + (
            int(fraction[1].ljust(9, "0")[:9]) if fraction else 0
        )
    except (ValueError, OverflowError):
        return 0


def split_reference(reference: str) -> tuple[str, str, str]:
    """Name, tag and digest of an image's reference; without both it means ``latest``. An id has no name."""
    if re.fullmatch(r"(?:sha256:)?[0-9a-f]{12,64}", reference):
        return "", "", ""
    name, _, digest = reference.partition("@")
    head, colon, tag = name.rpartition(":")
    if colon and "/" not in tag:
        return head, tag, digest
    return name, "" if digest else "latest" if name else "", digest


def attributes(
    facts: ContainerFacts, image: ImageFacts | None = None, labels: Sequence[str] = ()
) -> dict[str, str]:
    """Under the names of the OpenTelemetry semantic conventions; lists are joined by commas.

    :param labels: patterns (``*``, ``?``) of labels to take over as ``container.label.NAME``.
    """
    known = image or ImageFacts()
    name, tag, digest = split_reference(facts.image)
    if not name and known.tags:
        name, tag, digest = split_reference(known.tags[0])
    digests = known.digests or ((f"{name}@{digest}",) if digest else ())
    found = {
        "container.id": facts.id,
        "container.name": facts.name,
        "container.runtime": "docker",
        "container.image.name": name,
        "container.image.tags": tag,
        "container.image.id": facts.image_id,
        "container.image.repo_digests": ",".join(digests),
        **_from_labels(facts.labels),
    }
    for label, value in facts.labels.items():
        if any(fnmatchcase(label, pattern) for pattern in labels):
            found[f"container.label.{label}"] = value
    return {name: value for name, value in found.items() if value}


def _from_labels(labels: Mapping[str, str]) -> dict[str, str]:
    found = {attribute: labels[label] for label, attribute in _LABELS.items() if label in labels}
    cluster = labels.get(_ECS_CLUSTER, "")
    if task := _TASK_ARN.match(found.get("aws.ecs.task.arn", "")):
        found["aws.ecs.task.id"] = task[4]
        if cluster and not cluster.startswith("arn:"):  # its name or its ARN, as the instance was set up
            cluster = f"{task[1]}:cluster/{cluster}"
    if cluster.startswith("arn:"):
        found["aws.ecs.cluster.arn"] = cluster
    return found
