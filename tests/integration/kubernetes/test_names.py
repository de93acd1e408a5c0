"""What the API server says of pods, services and nodes comes out under the names of OpenTelemetry."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from model.enricher import Enricher, KeyKind
from tests.integration.kubernetes.api import KubeApi, kube_api
from tests.integration.kubernetes.objects import (
    Json,
    PodSketch,
    endpoint_slice,
    job,
    node,
    owned_by,
    replica_set,
    service,
    uid_of,
)
from tests.integration.kubernetes.site import at_address, following, in_container, pod_at, until


@pytest.fixture
async def api() -> AsyncIterator[KubeApi]:
    """A server with one node."""
    async with kube_api() as server:
        server.put(node("node-1", ip="192.168.0.1"))
        yield server


def owner_of(one: Json, kind: str) -> Json:
    """The reference to an owner."""
    return owned_by(kind, one["metadata"]["name"], one["metadata"]["uid"])


async def test_a_container_of_a_deployment_has_all_its_names(api: KubeApi, tmp_path: Path) -> None:
    """From the id of a container: pod, Deployment behind the ReplicaSet, node, zone, image, version, service."""
    replicas = replica_set("web-5d9c", "web")
    pod = PodSketch("web-5d9c-x1", ip="10.0.0.1", owner=owner_of(replicas, "ReplicaSet"))
    api.put(pod.json(), replicas, service("web", "10.96.0.1"), endpoint_slice("web-a", "web", [pod]))
    async with following(api, tmp_path) as enricher:
        assert isinstance(enricher, Enricher)
        expected = {
            "k8s.namespace.name": "shop",
            "k8s.pod.name": "web-5d9c-x1",
            "k8s.pod.uid": pod.uid,
            "k8s.container.name": "app",
            "k8s.deployment.name": "web",
            "k8s.replicaset.name": "web-5d9c",
            "k8s.workload.name": "web",
            "k8s.workload.kind": "Deployment",
            "k8s.node.name": "node-1",
            "cloud.availability_zone": "eu-1a",
            "cloud.region": "eu-1",
            "container.image.name": "registry.example:5000/shop/app",
            "container.image.tags": "1.4.2",
            "service.version": "1.4.2",
            "k8s.service.name": "web",
        }
        assert in_container(enricher, pod.container_id()) == expected
        assert at_address(enricher, "10.0.0.1") == expected


@pytest.mark.parametrize(
    ("kind", "owner", "expected"),
    [
        ("ReplicaSet", replica_set("alone", None), {"k8s.replicaset.name": "alone"}),
        ("StatefulSet", {"metadata": {"name": "db", "uid": "s"}}, {"k8s.statefulset.name": "db"}),
        ("DaemonSet", {"metadata": {"name": "log", "uid": "d"}}, {"k8s.daemonset.name": "log"}),
        ("Job", job("once", None), {"k8s.job.name": "once"}),
        ("Rollout", {"metadata": {"name": "blue", "uid": "r"}}, {}),
    ],
)
async def test_the_workload_is_the_controller(
    api: KubeApi, tmp_path: Path, kind: str, owner: Json, expected: dict[str, str]
) -> None:
    """Every kind of controller is the pod's workload, those that nobody knows too."""
    pod = PodSketch("pod", ip="10.0.0.1", owner=owner_of(owner, kind))
    api.put(pod.json(), *([owner] if "kind" in owner else []))
    async with following(api, tmp_path) as enricher:
        found = at_address(enricher, "10.0.0.1")
        assert found is not None
        assert {name: text for name, text in found.items() if name in expected} == expected
        assert (found["k8s.workload.kind"], found["k8s.workload.name"]) == (kind, owner["metadata"]["name"])


async def test_a_job_of_a_cron_job_keeps_its_name_when_the_job_is_gone(api: KubeApi, tmp_path: Path) -> None:
    """The CronJob is the workload; a pod that changes after its Job was deleted still belongs to it."""
    run = job("backup-29461", "backup")
    pod = PodSketch("backup-29461-q", ip="10.0.0.1", owner=owner_of(run, "Job"))
    api.put(pod.json(), run)
    async with following(api, tmp_path) as enricher:
        api.delete(run)
        pod.labels = {"app.kubernetes.io/version": "7"}
        api.put(pod.json())
        await until(lambda: (at_address(enricher, "10.0.0.1") or {}).get("service.version") == "7")
        found = at_address(enricher, "10.0.0.1")
        assert found is not None
        assert (found["k8s.cronjob.name"], found["k8s.job.name"]) == ("backup", "backup-29461")
        assert (found["k8s.workload.kind"], found["k8s.workload.name"]) == ("CronJob", "backup")


async def test_a_bare_and_a_static_pod_are_their_own_workload(api: KubeApi, tmp_path: Path) -> None:
    """Without a controller, or with a node as owner, the pod itself is the workload."""
    bare = PodSketch("bare", ip="10.0.0.1")
    static = PodSketch("static-node-1", ip="10.0.0.2", owner=owned_by("Node", "node-1", uid_of("n")))
    api.put(bare.json(), static.json())
    async with following(api, tmp_path) as enricher:
        for pod in (bare, static):
            found = at_address(enricher, pod.ip)
            assert found is not None
            assert (found["k8s.workload.kind"], found["k8s.workload.name"]) == ("Pod", pod.name)


async def test_names_come_whatever_the_order(api: KubeApi, tmp_path: Path) -> None:
    """A pod that was told before its ReplicaSet, node and service gets their names when they come."""
    replicas = replica_set("web-1", "web")
    pod = PodSketch("web-1-a", ip="10.0.0.1", node="late", owner=owner_of(replicas, "ReplicaSet"))
    api.put(pod.json())
    async with following(api, tmp_path) as enricher:
        early = at_address(enricher, "10.0.0.1")
        assert early is not None
        assert (early["k8s.workload.kind"], early["k8s.node.name"]) == ("ReplicaSet", "late")
        version = enricher.version
        api.put(replicas, node("late", "eu-2c", "eu-2"), endpoint_slice("b", "b", [pod]))
        api.put(endpoint_slice("a", "a", [pod]))
        await until(lambda: (at_address(enricher, "10.0.0.1") or {}).get("k8s.service.name") == "a,b")
        await until(lambda: "k8s.deployment.name" in (at_address(enricher, "10.0.0.1") or {}))
        await until(lambda: "cloud.region" in (at_address(enricher, "10.0.0.1") or {}))
        late = at_address(enricher, "10.0.0.1")
        assert late is not None
        assert (late["k8s.deployment.name"], late["cloud.availability_zone"]) == ("web", "eu-2c")
        assert enricher.version > version
        api.put(endpoint_slice("b", "b", []))
        await until(lambda: (at_address(enricher, "10.0.0.1") or {}).get("k8s.service.name") == "a")


async def test_containers_of_one_pod_are_told_apart(api: KubeApi, tmp_path: Path) -> None:
    """Each container has its name and image; the address, which they share, has neither."""
    images = (("app", "app:2.0"), ("proxy", "mesh/proxy@sha256:abc"))
    pod = PodSketch("pair", ip="10.0.0.1", containers=images)
    api.put(pod.json())
    async with following(api, tmp_path) as enricher:
        app, proxy = (in_container(enricher, pod.container_id(name)) for name in ("app", "proxy"))
        shared = at_address(enricher, "10.0.0.1")
        assert app is not None
        assert proxy is not None
        assert shared is not None
        assert (app["k8s.container.name"], app["service.version"]) == ("app", "2.0")
        assert (proxy["k8s.container.name"], proxy["container.image.name"]) == ("proxy", "mesh/proxy")
        assert "service.version" not in proxy
        assert not {"k8s.container.name", "container.image.name", "service.version"} & shared.keys()


async def test_the_version_label_goes_before_the_tag(api: KubeApi, tmp_path: Path) -> None:
    """app.kubernetes.io/version is the version, whatever the image's tag."""
    api.put(PodSketch("pod", ip="10.0.0.1", labels={"app.kubernetes.io/version": "2026.3"}).json())
    async with following(api, tmp_path) as enricher:
        found = at_address(enricher, "10.0.0.1")
        assert found is not None
        assert (found["service.version"], found["container.image.tags"]) == ("2026.3", "1.4.2")


async def test_a_pod_in_the_nodes_network_has_no_address(api: KubeApi, tmp_path: Path) -> None:
    """It is found by its container; the address is the node's."""
    pod = PodSketch("agent", ip="192.168.0.1", host_network=True)
    api.put(pod.json())
    async with following(api, tmp_path) as enricher:
        container = in_container(enricher, pod.container_id())
        assert container is not None
        assert container["k8s.pod.name"] == "agent"
        assert at_address(enricher, "192.168.0.1") == {
            "k8s.node.name": "node-1",
            "cloud.availability_zone": "eu-1a",
            "cloud.region": "eu-1",
        }


async def test_a_cluster_address_is_a_service(api: KubeApi, tmp_path: Path) -> None:
    """A service is found by its cluster address; a headless one has none; one that is deleted ends."""
    web = service("web", "10.96.0.1")
    api.put(web, service("db", "None"))
    async with following(api, tmp_path) as enricher:
        expected = {"k8s.namespace.name": "shop", "k8s.service.name": "web"}
        assert at_address(enricher, "10.96.0.1") == expected
        assert at_address(enricher, "None") is None
        before = time.time()
        api.delete(web)
        await until(lambda: at_address(enricher, "10.96.0.1") is None)
        assert at_address(enricher, "10.96.0.1", before) == expected


async def test_a_node_is_found_by_name(api: KubeApi, tmp_path: Path) -> None:
    """Its zone and region come with it."""
    async with following(api, tmp_path) as enricher:
        assert enricher.lookup(KeyKind.NODE, "node-1", time.time_ns()) == {
            "k8s.node.name": "node-1",
            "cloud.availability_zone": "eu-1a",
            "cloud.region": "eu-1",
        }
        assert enricher.lookup(KeyKind.NODE, "node-2", time.time_ns()) is None


async def test_an_agent_asks_for_its_own_node_only(api: KubeApi, tmp_path: Path) -> None:
    """With a node nothing is asked but that node and its pods; the Deployment comes from the template's hash."""
    owner = owned_by("ReplicaSet", "web-5d9c", uid_of("x"))
    mine = PodSketch("mine", ip="10.0.0.1", owner=owner, labels={"pod-template-hash": "5d9c"})
    api.put(mine.json(), PodSketch("other", ip="10.0.0.2", node="node-2").json(), node("node-2"))
    async with following(api, tmp_path, node="node-1") as enricher:
        found = at_address(enricher, "10.0.0.1")
        assert found is not None
        assert (found["k8s.deployment.name"], found["cloud.region"]) == ("web", "eu-1")
        assert pod_at(enricher, "10.0.0.2") is None
        selectors = {(one.plural, one.query["fieldSelector"]) for one in api.asked}
        assert selectors == {("pods", "spec.nodeName=node-1"), ("nodes", "metadata.name=node-1")}
