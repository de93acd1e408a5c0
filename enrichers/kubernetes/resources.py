"""What is asked of the Kubernetes API: the resources, how they are asked for, and the rights that this needs."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from enrichers.kubernetes.objects import EndpointSlice, Event, Node, Object, Page, Pod, Service

#: Asks for objects without spec and status; the API server knows it from 1.15 on (API concepts: "receiving
#: resources as PartialObjectMetadata"). One that does not sends them whole, which is as well understood.
_PARTIAL: Final = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1,application/json"


@dataclass(frozen=True)
class Resource:
    """A kind of object.

    :param plural: as in URLs and in rules of RBAC.
    :param group: the API group, empty for the core.
    :param kind: the struct of its objects.
    :param selector: of fields, such as ``spec.nodeName=node-1``; empty for all objects.
    :param whole: whether more than the metadata is needed.
    """

    plural: str
    group: str
    kind: Any
    selector: str = ""
    whole: bool = True

    @property
    def path(self) -> str:
        """Of the collection, in all namespaces."""
        return f"/apis/{self.group}/v1/{self.plural}" if self.group else f"/api/v1/{self.plural}"

    @property
    def rule(self) -> str:
        """The right that it needs, in words."""
        return f'list and watch on {self.plural} (apiGroup "{self.group}")'

    def accept(self, watching: bool) -> str:
        """The header that says which form is wanted."""
        return "application/json" if self.whole else _PARTIAL.format("" if watching else "List")

    def page_decoder(self) -> "msgspec.json.Decoder[Page[Any]]":
        """Of pages of its list."""
        return msgspec.json.Decoder(_of(Page, self.kind))

    def event_decoder(self) -> "msgspec.json.Decoder[Event[Any]]":
        """Of lines of its watch."""
        return msgspec.json.Decoder(_of(Event, self.kind))


def _of(envelope: Any, kind: Any) -> Any:
    """``Page[Pod]``: a type that is known only when the program runs."""
    return envelope[kind]


PODS: Final = "pods"
NODES: Final = "nodes"
SERVICES: Final = "services"
ENDPOINT_SLICES: Final = "endpointslices"
REPLICA_SETS: Final = "replicasets"
JOBS: Final = "jobs"


def resources(node: str | None) -> tuple[Resource, ...]:
    """Those of the whole cluster, or those of one node: its pods and the node itself.

    One node asks for nothing else: on a cluster of 500 nodes everything for everyone would be too much to ask.
    """
    if node is not None:
        return (
            Resource(NODES, "", Node, f"metadata.name={node}"),
            Resource(PODS, "", Pod, f"spec.nodeName={node}"),
        )
    return (
        Resource(NODES, "", Node),
        Resource(REPLICA_SETS, "apps", Object, whole=False),
        Resource(JOBS, "batch", Object, whole=False),
        Resource(SERVICES, "", Service),
        Resource(ENDPOINT_SLICES, "discovery.k8s.io", EndpointSlice),
        Resource(PODS, "", Pod),
    )
