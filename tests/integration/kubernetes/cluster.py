"""A whole cluster of made-up objects: Deployments with their pods, services with their slices, nodes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from tests.integration.kubernetes.objects import (
    Json,
    PodSketch,
    endpoint_slice,
    node,
    owned_by,
    replica_set,
    service,
)

#: Pods of a Deployment; its ReplicaSet, and old ones without pods.
REPLICAS, OLD = 10, 2
ZONES = 3


@dataclass(frozen=True)
class Cluster:
    """How large it is."""

    pods: int = 10_000
    nodes: int = 500
    services: int = 2_000

    @cached_property
    def sketches(self) -> list[PodSketch]:
        """Its pods."""
        return [self._pod(number) for number in range(self.pods)]

    def _pod(self, number: int) -> PodSketch:
        deployment, replica = divmod(number, REPLICAS)
        name = f"app-{deployment}-6b7f4c9d{deployment % 10}"
        uid = replica_set(name, f"app-{deployment}")["metadata"]["uid"]
        return PodSketch(
            f"{name}-{replica:05x}",
            ip=f"10.{number // 65536}.{number // 256 % 256}.{number % 256}",
            node=f"node-{number % self.nodes}",
            owner=owned_by("ReplicaSet", name, uid),
            labels={"app": f"app-{deployment}", "pod-template-hash": name.rpartition("-")[2]},
            containers=(("app", f"registry.example/shop/app-{deployment % 200}:1.{deployment % 50}"),),
        )

    def deployment(self, number: int) -> str:
        """The Deployment of a pod."""
        return f"app-{number // REPLICAS}"

    def service(self, number: int) -> str:
        """The service that selects a pod, and its address."""
        return f"svc-{number % self.services}"

    def service_address(self, number: int) -> str:
        """The cluster address of a service."""
        return f"10.96.{number // 250}.{number % 250 + 1}"

    def objects(self) -> Iterator[Json]:
        """Everything."""
        for number in range(self.nodes):
            ip = f"192.168.{number // 250}.{number % 250 + 1}"
            yield node(f"node-{number}", f"eu-1{'abc'[number % ZONES]}", ip=ip)
        for number in range(0, self.pods, REPLICAS):
            of_pod = self.sketches[number].owner
            assert of_pod is not None
            yield replica_set(of_pod["name"], self.deployment(number))
            for old in range(OLD):
                yield replica_set(f"{self.deployment(number)}-old{old}", self.deployment(number))
        for number in range(self.services):
            name = f"svc-{number}"
            yield service(name, self.service_address(number))
            yield endpoint_slice(f"{name}-abcde", name, self.sketches[number :: self.services])
        for pod in self.sketches:
            yield pod.json()
