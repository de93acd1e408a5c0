"""What it takes to know a cluster of 10,000 pods and to follow 1,000 changes a second."""

import asyncio
import gc
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.children import Child, alone, running
from benchmarks.figure import Bar, Reading
from benchmarks.kube_server import CLUSTER, RATE, SECONDS
from benchmarks.peers.kube_models import Models
from benchmarks.procfs import memory
from benchmarks.web import free_port
from engine.commands.process import give_memory_back
from enrichers.kubernetes.config import KubernetesConfig
from enrichers.kubernetes.enricher import Kubernetes
from model.enricher import KeyKind
from tests.integration.kubernetes.api import kubeconfig

PEER: Final = "kubernetes_asyncio models"
#: Seconds between looks at a pod that changes.
_LOOK: Final = 0.01


@dataclass(frozen=True)
class Task:
    """What a follower has to do; ``server`` is told by a signal to begin with changes."""

    port: int
    server: int


@dataclass(frozen=True)
class Followed:
    """Seconds of the clock and of processor time, MB resident more than before, and seconds until a change showed."""

    ready: float
    ready_cpu: float
    megabytes: float
    peak: float
    share: float
    delays: list[float]

    @property
    def slowest(self) -> float:
        """Milliseconds."""
        return 1e3 * max(self.delays)


def follow(task: Task) -> Followed:
    """With the enricher."""
    return asyncio.run(_follow(task, Ours(task.port)))


def follow_models(task: Task) -> Followed:
    """With the client's models."""
    return asyncio.run(_follow(task, Models(task.port)))


class Ours:
    """The enricher, as the peer is asked."""

    def __init__(self, port: int) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tailrace-bench-")
        path = kubeconfig(Path(self._folder.name), f"http://127.0.0.1:{port}")
        self._enricher = Kubernetes(KubernetesConfig(kubeconfig=str(path)))

    async def start(self) -> None:
        """Returns when everything is known."""
        await self._enricher.start("node-1")
        await self._enricher.ready()

    def version(self, address: str) -> str:
        """The version of the pod with this address."""
        found = self._enricher.lookup(KeyKind.ADDRESS, address, time.time_ns())
        return (found or {}).get("service.version", "")

    async def close(self) -> None:
        """Ends."""
        await self._enricher.close()
        self._folder.cleanup()


async def _follow(task: Task, follower: Ours | Models) -> Followed:
    give_memory_back()
    gc.collect()
    before, cpu, begun = memory(os.getpid()).now, time.process_time(), time.perf_counter()
    await follower.start()
    ready, ready_cpu = time.perf_counter() - begun, time.process_time() - cpu
    gc.collect()
    known = memory(os.getpid())
    await asyncio.sleep(1)
    os.kill(task.server, signal.SIGUSR1)
    cpu = time.process_time()
    delays = await _delays(follower)
    share = 100 * (time.process_time() - cpu) / SECONDS
    await follower.close()
    return Followed(ready, ready_cpu, known.now - before, known.peak - before, share, delays)


async def _delays(follower: Ours | Models) -> list[float]:
    """Looks at some of the pods that change every two seconds."""
    watched = [CLUSTER.sketches[number].ip for number in range(0, RATE * 2, 200)]
    seen = {address: follower.version(address) for address in watched}
    delays: list[float] = []
    until = time.monotonic() + SECONDS + 2
    while time.monotonic() < until:
        await asyncio.sleep(_LOOK)
        for address in watched:
            version = follower.version(address)
            if version != seen[address]:
                seen[address] = version
                delays.append((time.time_ns() - int(version)) / 1e9)
    return delays


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@cache
def followed() -> tuple[Followed, Followed]:
    """Ours and the peer's, one after the other on servers of their own: once for all figures."""
    results = []
    for function in (follow, follow_models):
        port = free_port()
        command = [sys.executable, "-m", "benchmarks.kube_server", str(port)]

        def ready(_: Child, port: int = port) -> bool:
            return _listens(port)

        with running(command, ready=ready) as server:
            results.append(alone(function, Task(port, server.pid)))
    return results[0], results[1]


def measure_ready() -> Iterator[Reading]:
    """Seconds from the start, the client's import included, until everything is known."""
    mine, peer = followed()
    size = f"{CLUSTER.pods:,} pods, {CLUSTER.services:,} services, {CLUSTER.nodes} nodes"
    note = f"{size}; processor time {mine.ready_cpu:.1f} s, the peer's {peer.ready_cpu:.1f} s"
    yield Reading(mine.ready, "s", Bar(at_most=5), PEER, peer.ready, note=note)


def measure_memory() -> Iterator[Reading]:
    """MB resident more than before the start, when everything is known."""
    mine, peer = followed()
    note = f"at most {mine.peak:.0f} MB more meanwhile, the peer {peer.peak:.0f} MB"
    yield Reading(mine.megabytes, "MB", Bar(at_most=80), PEER, peer.megabytes, note=note)


def measure_changes() -> Iterator[Reading]:
    """Percent of a core while pods change, and the longest time until a change showed."""
    mine, peer = followed()
    note = f"{RATE:,} changes/s for {SECONDS} s; {len(mine.delays):,} changes looked at"
    yield Reading(mine.share, "% of core", Bar(at_most=20), PEER, peer.share, note=note)
    middle = f"slowest of them to show; median {1e3 * median(mine.delays):.0f} ms"
    note = f"{middle}, the peer's {1e3 * median(peer.delays):.0f} ms"
    yield Reading(mine.slowest, "ms", Bar(at_most=500), PEER, peer.slowest, note=note)
