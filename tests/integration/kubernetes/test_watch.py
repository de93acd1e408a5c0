"""Lists and watches over everything that an API server may do: what is known stays, and what is missed comes back."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from enrichers.kubernetes.config import KubernetesConfig
from tests.integration.kubernetes.api import KubeApi, kube_api, kubeconfig
from tests.integration.kubernetes.objects import PodSketch, service
from tests.integration.kubernetes.site import FAST, at_address, following, pod_at, until


def pod(number: int, node: str = "node-1") -> PodSketch:
    """One of many pods."""
    return PodSketch(f"pod-{number}", ip=f"10.0.{number // 250}.{number % 250 + 1}", node=node)


@pytest.fixture
async def api() -> AsyncIterator[KubeApi]:
    """A server with one pod."""
    async with kube_api() as server:
        server.put(pod(0).json())
        yield server


async def test_lists_come_in_pages(api: KubeApi, tmp_path: Path) -> None:
    """120 pods in pages of 50 are all known after three requests."""
    api.put(*(pod(number).json() for number in range(120)))
    async with following(api, tmp_path) as enricher:
        lists = [one.query for one in api.asked if one.verb == "list" and one.plural == "pods"]
        assert [query["limit"] for query in lists] == ["50"] * 3
        assert ["continue" in query for query in lists] == [False, True, True]
        assert [pod_at(enricher, pod(number).ip) for number in (0, 49, 50, 119)] == [
            "pod-0",
            "pod-49",
            "pod-50",
            "pod-119",
        ]


async def test_a_list_whose_snapshot_expires_begins_anew(api: KubeApi, tmp_path: Path) -> None:
    """410 at a page in the middle: the list is asked for again, in larger pages, until one is complete."""
    api.put(*(pod(number).json() for number in range(120)))
    api.expire_snapshots = 2
    async with following(api, tmp_path) as enricher:
        lists = [one.query for one in api.asked if one.verb == "list" and one.plural == "pods"]
        first_pages = [query["limit"] for query in lists if "continue" not in query]
        assert first_pages == ["50", "100", "200"]
        assert pod_at(enricher, pod(119).ip) == "pod-119"


async def test_a_cut_watch_goes_on_where_it_was(api: KubeApi, tmp_path: Path) -> None:
    """Connections are cut in the middle; the next watch asks for what came after the last event, without a list."""
    async with following(api, tmp_path) as enricher:
        for number in range(1, 4):
            watches = api.watches("pods")
            await until(lambda: api.cut() > 0)
            api.put(pod(number).json())
            await until(lambda number=number: pod_at(enricher, pod(number).ip))  # type: ignore[misc]
            assert api.watches("pods") > watches
        assert sum(one.verb == "list" and one.plural == "pods" for one in api.asked) == 1


async def test_bookmarks_move_the_point_to_resume_from(api: KubeApi, tmp_path: Path) -> None:
    """Pods are quiet while services change and history is compacted: the watch of pods resumes without a list."""
    async with following(api, tmp_path) as enricher:
        api.put(*(service(f"s{number}", f"10.96.0.{number + 1}") for number in range(20)))
        await until(lambda: at_address(enricher, "10.96.0.20"))
        await asyncio.sleep(3 * 0.05)  # bookmarks are sent at intervals
        api.compact()
        watches = api.watches("pods")
        api.cut()
        await until(lambda: api.watches("pods") > watches)
        api.put(pod(1).json())
        await until(lambda: pod_at(enricher, pod(1).ip))
        assert sum(one.verb == "list" and one.plural == "pods" for one in api.asked) == 1
        assert all(one.query["allowWatchBookmarks"] == "true" for one in api.asked if one.verb == "watch")


@pytest.mark.parametrize("as_answer", [False, True], ids=["event", "answer"])
async def test_gone_is_healed_by_a_list(api: KubeApi, tmp_path: Path, as_answer: bool) -> None:
    """History is lost while the server was away: pods that went meanwhile end, the others were known throughout."""
    api.put(pod(1).json(), pod(2).json())
    api.gone_as_answer = as_answer
    async with following(api, tmp_path) as enricher:
        before = time.time()
        await api.down()
        api.delete(pod(1).json())
        api.put(pod(3).json())
        api.compact()
        await until(lambda: enricher.noted["failures"] > 0)
        assert [pod_at(enricher, pod(number).ip) for number in (1, 2, 3)] == ["pod-1", "pod-2", None]
        await api.up()
        await until(lambda: pod_at(enricher, pod(3).ip) == "pod-3")
        await until(lambda: pod_at(enricher, pod(1).ip) is None)
        assert pod_at(enricher, pod(1).ip, before) == "pod-1"
        assert pod_at(enricher, pod(2).ip) == "pod-2"
        assert enricher.noted["expired"] > 0


async def test_a_busy_server_is_given_the_time_it_asks_for(api: KubeApi, tmp_path: Path) -> None:
    """429 with Retry-After: 1: nobody asks again within that second, however short the pauses are."""
    api.busy = 6  # one for each resource
    begun = time.monotonic()
    async with following(api, tmp_path) as enricher:
        assert time.monotonic() - begun >= 1
        assert pod_at(enricher, pod(0).ip) == "pod-0"
        assert len([one for one in api.asked if one.verb == "list"]) == 12


async def test_a_silent_watch_is_given_up(api: KubeApi, tmp_path: Path) -> None:
    """The connection stands, and nothing comes: after the time of silence another one is made, and is told all."""
    async with following(api, tmp_path) as enricher:
        api.silent = True
        api.put(pod(1).json())
        watches = api.watches("pods")
        await until(lambda: api.watches("pods") > watches)
        assert pod_at(enricher, pod(1).ip) is None
        api.silent = False
        await until(lambda: pod_at(enricher, pod(1).ip) == "pod-1")


async def test_answers_go_on_while_the_server_is_away(api: KubeApi, tmp_path: Path) -> None:
    """Look-ups are answered from memory and counted as stale; the age grows; afterwards they are fresh again."""
    async with following(api, tmp_path) as enricher:
        await until(lambda: api.watches("pods"))
        assert pod_at(enricher, pod(0).ip) == "pod-0"
        assert pod_at(enricher, "10.9.9.9") is None
        fresh = enricher.statistics()
        assert (fresh.hits, fresh.misses, fresh.stale) == (1, 1, 0)
        await api.down()
        await until(lambda: enricher.noted["failures"] >= 24)
        assert pod_at(enricher, pod(0).ip) == "pod-0"
        away = enricher.statistics()
        assert (away.hits, away.stale) == (2, 1)
        await asyncio.sleep(0.1)
        assert enricher.statistics().age_seconds >= away.age_seconds + 0.1
        await api.up()
        api.put(pod(1).json())
        await until(lambda: pod_at(enricher, pod(1).ip) == "pod-1")
        await until(lambda: enricher.statistics().age_seconds < 0.1)
        stale = enricher.statistics().stale
        assert pod_at(enricher, pod(0).ip) == "pod-0"
        assert enricher.statistics().stale == stale


async def test_a_server_that_was_never_there_is_waited_for(api: KubeApi, tmp_path: Path) -> None:
    """Starting returns at once; nothing is known, the age is infinite; when the server comes, everything is."""
    await api.down()
    async with following(api, tmp_path, ready=False) as enricher:
        assert pod_at(enricher, pod(0).ip) is None
        assert enricher.statistics().age_seconds == float("inf")
        await until(lambda: enricher.noted["failures"] >= 12)
        await api.up()
        await until(lambda: pod_at(enricher, pod(0).ip) == "pod-0")


async def test_watches_end_in_good_order_and_go_on(api: KubeApi, tmp_path: Path) -> None:
    """The server ends watches after the time it was asked for; that is no failure, and nothing is listed again."""
    async with following(api, tmp_path, pace=replace(FAST, watch=0.5)) as enricher:
        await until(lambda: api.ended["pods"] >= 2)
        api.put(pod(1).json())
        await until(lambda: pod_at(enricher, pod(1).ip) == "pod-1")
        assert enricher.noted["failures"] == 0
        assert enricher.noted["lists"] == 6


async def test_objects_past_the_limit_are_counted(api: KubeApi, tmp_path: Path) -> None:
    """With room for 16 objects the others are not known, and are counted; room that comes free is used."""
    api.put(*(pod(number).json() for number in range(20)))
    config = KubernetesConfig(kubeconfig=str(kubeconfig(tmp_path, api.url)), objects=16)
    async with following(api, tmp_path, config=config) as enricher:
        assert pod_at(enricher, pod(19).ip) is None
        assert enricher.noted["over_limit"] == 4
        assert enricher.statistics().evicted >= 4
        assert enricher.statistics().entries == 16
        api.delete(pod(0).json())
        api.put(pod(19).json())
        await until(lambda: pod_at(enricher, pod(19).ip) == "pod-19")
