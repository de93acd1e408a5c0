"""A cluster of 10,000 pods on 500 nodes with 2,000 services is followed without a mistake."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from enrichers.kubernetes.pace import DEFAULT
from model.enricher import KeyKind
from tests.integration.kubernetes.api import kube_api
from tests.integration.kubernetes.cluster import Cluster
from tests.integration.kubernetes.site import at_address, following, in_container, pod_at, until


async def test_a_large_cluster_is_named_right(tmp_path: Path) -> None:
    """Every pod by its address and its container, every service and node; then changes, a cut, and a relist."""
    cluster = Cluster()
    async with kube_api(bookmark_seconds=1) as api:
        await asyncio.to_thread(api.put, *cluster.objects())
        async with following(api, tmp_path, pace=replace(DEFAULT, first_pause=0.05)) as enricher:
            for number, pod in enumerate(cluster.sketches):
                found = at_address(enricher, pod.ip)
                assert found is not None
                assert found == in_container(enricher, pod.container_id())
                assert (found["k8s.pod.name"], found["k8s.node.name"]) == (pod.name, pod.node)
                assert found["k8s.deployment.name"] == cluster.deployment(number)
                assert found["k8s.service.name"] == cluster.service(number)
                assert found["cloud.availability_zone"] == f"eu-1{'abc'[number % cluster.nodes % 3]}"
            for number in range(cluster.services):
                found = at_address(enricher, cluster.service_address(number))
                assert found == {"k8s.namespace.name": "shop", "k8s.service.name": f"svc-{number}"}
            for number in range(cluster.nodes):
                assert enricher.lookup(KeyKind.NODE, f"node-{number}", time.time_ns())
            assert enricher.statistics().evicted == 0
            gone, left = cluster.sketches[:1000], cluster.sketches[1000:]
            for pod in gone[:500]:
                api.delete(pod.json())
            await until(lambda: pod_at(enricher, gone[499].ip) is None)
            for pod in gone[500:]:
                api.delete(pod.json())
            api.compact()
            api.cut()
            await until(lambda: pod_at(enricher, gone[500].ip) is None, 30)
            assert [pod.name for pod in gone if pod_at(enricher, pod.ip)] == []
            assert [pod.name for pod in left if pod_at(enricher, pod.ip) != pod.name] == []
