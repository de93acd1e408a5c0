"""An enricher beside a test's API server, and waiting for what it knows."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from enrichers.kubernetes.config import KubernetesConfig
from enrichers.kubernetes.enricher import Kubernetes
from enrichers.kubernetes.pace import Pace
from model.enricher import Entity, KeyKind
from tests.integration.kubernetes.api import KubeApi, kubeconfig

#: Impatient: what takes minutes against a real server takes moments here.
FAST: Final = Pace(answer=2, watch=60, silence=1, first_pause=0.02, longest_pause=0.1, page=50)


@contextlib.asynccontextmanager
async def following(
    api: KubeApi,
    folder: Path,
    node: str | None = None,
    pace: Pace = FAST,
    config: KubernetesConfig | None = None,
    ready: bool = True,
) -> AsyncIterator[Kubernetes]:
    """An enricher that follows the server, with all lists complete unless ``ready`` is false."""
    config = config or KubernetesConfig(kubeconfig=str(kubeconfig(folder, api.url)))
    enricher = Kubernetes(config, node, pace)
    await enricher.start("node-1")
    try:
        if ready:
            async with asyncio.timeout(30):
                await enricher.ready()
        yield enricher
    finally:
        await enricher.close()


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Returns when the condition holds.

    :raises TimeoutError: if it does not in time.
    """
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what an enricher knows has no event
            await asyncio.sleep(0.005)


def at_address(enricher: Kubernetes, address: str, seconds: float | None = None) -> Entity | None:
    """Who had the address at that time, now by default."""
    return enricher.lookup(KeyKind.ADDRESS, address, _nanoseconds(seconds))


def in_container(enricher: Kubernetes, container_id: str) -> Entity | None:
    """What the container is now."""
    return enricher.lookup(KeyKind.CONTAINER, container_id, _nanoseconds(None))


def pod_at(enricher: Kubernetes, address: str, seconds: float | None = None) -> str | None:
    """The name of the pod that had the address."""
    found = at_address(enricher, address, seconds)
    return found["k8s.pod.name"] if found else None


def _nanoseconds(seconds: float | None) -> int:
    return time.time_ns() if seconds is None else int(seconds * 1e9)
