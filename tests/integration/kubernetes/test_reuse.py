"""Addresses go from pod to pod: look-ups name the one that had it at that second."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.kubernetes.api import KubeApi, kube_api
from tests.integration.kubernetes.objects import MADE, PodSketch
from tests.integration.kubernetes.site import following, in_container, pod_at, until


@pytest.fixture
async def api() -> AsyncIterator[KubeApi]:
    """An empty server."""
    async with kube_api() as server:
        yield server


async def test_an_address_changes_hands_in_one_moment(api: KubeApi, tmp_path: Path) -> None:
    """A pod is deleted and its address serves another at once: before that moment the first, after it the second."""
    first = PodSketch("first", ip="10.0.0.1")
    api.put(first.json())
    async with following(api, tmp_path) as enricher:
        now = time.time()
        first.finished = now
        api.delete(first.json())
        await until(lambda: pod_at(enricher, "10.0.0.1") is None)
        api.put(PodSketch("second", ip="10.0.0.1", made=now - 2, started=now).json())
        await until(lambda: pod_at(enricher, "10.0.0.1") == "second")
        assert pod_at(enricher, "10.0.0.1", now - 1) == "first"
        assert pod_at(enricher, "10.0.0.1", now - 0.001) == "first"
        assert pod_at(enricher, "10.0.0.1", now + 1) == "second"


async def test_the_successor_may_be_told_first(api: KubeApi, tmp_path: Path) -> None:
    """The first pod's end is told after the second has the address: both seconds are named right all the same."""
    first = PodSketch("first", ip="10.0.0.1")
    api.put(first.json())
    async with following(api, tmp_path) as enricher:
        now = time.time()
        api.put(PodSketch("second", ip="10.0.0.1", made=now - 2, started=now + 1).json())
        await until(lambda: pod_at(enricher, "10.0.0.1") == "second")
        first.finished = now
        version = enricher.version
        api.delete(first.json())
        await until(lambda: enricher.version > version)
        assert pod_at(enricher, "10.0.0.1", now - 1.5) == "first"
        assert pod_at(enricher, "10.0.0.1", time.time() + 60) == "second"


async def test_a_finished_pod_gives_its_address_away(api: KubeApi, tmp_path: Path) -> None:
    """A pod that ran to its end keeps its name up to the second of its last container's end, and no longer."""
    done = PodSketch("done", ip="10.0.0.1", started=MADE + 10, finished=MADE + 60, phase="Succeeded")
    running = PodSketch("done", ip="10.0.0.1", started=MADE + 10)
    api.put(running.json())
    async with following(api, tmp_path) as enricher:
        assert pod_at(enricher, "10.0.0.1") == "done"
        api.put(done.json())
        await until(lambda: pod_at(enricher, "10.0.0.1") is None)
        times = (MADE + 8, MADE + 9.5, MADE + 60.9, MADE + 61.1)
        assert [pod_at(enricher, "10.0.0.1", at) for at in times] == [None, "done", "done", None]


async def test_pods_that_came_and_went_unseen_are_told_apart(api: KubeApi, tmp_path: Path) -> None:
    """While the server was away an address went from pod to pod: the API's timestamps tell when."""
    first = PodSketch("first", ip="10.0.0.1")
    api.put(first.json())
    async with following(api, tmp_path) as enricher:
        await api.down()
        begun = time.time() - 100
        api.delete(first.json())
        api.put(PodSketch("second", ip="10.0.0.1", made=begun - 5, started=begun).json())
        api.compact()
        await api.up()
        await until(lambda: pod_at(enricher, "10.0.0.1") == "second")
        assert pod_at(enricher, "10.0.0.1", begun - 2) == "first"
        assert pod_at(enricher, "10.0.0.1", begun + 1) == "second"


async def test_a_name_that_is_used_again_is_another_pod(api: KubeApi, tmp_path: Path) -> None:
    """A StatefulSet's pod comes back under its name with another uid: each has its own time."""
    old = PodSketch("db-0", ip="10.0.0.1")
    api.put(old.json())
    async with following(api, tmp_path) as enricher:
        now = time.time()
        new = PodSketch("db-0", ip="10.0.0.2", made=now - 2, started=now - 1)
        api.delete(old.json())
        api.put(new.json())
        await until(lambda: pod_at(enricher, "10.0.0.2") == "db-0")
        await until(lambda: pod_at(enricher, "10.0.0.1") is None)
        assert pod_at(enricher, "10.0.0.1", now - 10) == "db-0"
        assert pod_at(enricher, "10.0.0.2", now - 10) is None


async def test_a_restarted_container_has_two_ids(api: KubeApi, tmp_path: Path) -> None:
    """The id of the container that was replaced is known for a while more, for rows that come late."""
    pod = PodSketch("pod", ip="10.0.0.1")
    api.put(pod.json())
    async with following(api, tmp_path) as enricher:
        again = pod.json()
        again["status"]["containerStatuses"][0] |= {"containerID": "containerd://new", "restartCount": 1}
        api.put(again)
        await until(lambda: in_container(enricher, "new") is not None)
        assert in_container(enricher, pod.container_id()) is not None
