"""Watches a Docker daemon: all containers at the start, then its events, and all again after each reconnect."""

import asyncio
import contextlib
import json
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Any, Final

from aiodocker import Docker
from aiodocker.exceptions import DockerError
from aiohttp import ClientError, ClientTimeout

from enrichers.docker.facts import SECOND_NS, ImageFacts, from_image, from_inspect, from_list
from enrichers.docker.memory import DockerMemory

#: Pauses between attempts to reach the daemon.
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
#: The daemon keeps 256 events for those who ask for earlier ones; so far before the first attempt they are asked for.
BEFORE_NS: Final = 10 * SECOND_NS
#: Containers that wait to be inspected at most; events and lists have told what matters already.
INSPECTIONS: Final = 4096
#: Images whose digests are remembered.
IMAGES: Final = 1024
_TIMEOUT: Final = ClientTimeout(total=30, sock_connect=5)
_WANTED: Final = {
    "type": ["container", "network"],
    "event": ["create", "start", "rename", "destroy", "connect", "disconnect"],
}
#: What an absent, restarting or odd daemon gives; a name in its answer that is not there is a KeyError.
_FAILURES: Final = (DockerError, ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError)

log = logging.getLogger(__name__)


class DockerWatch:
    """Keeps ``memory`` up to date while ``run`` runs.

    :param url: ``unix:///PATH``, ``tcp://HOST:PORT``, ``http://…``, ``https://…``.
    """

    def __init__(self, url: str, memory: DockerMemory) -> None:
        self._url = url
        self._memory = memory
        self._wanted: OrderedDict[str, int] = OrderedDict()  # id: since when it may be so
        self._some_wanted = asyncio.Event()
        self._images: OrderedDict[str, ImageFacts] = OrderedDict()
        self._heard_ns = 0  # wall clock
        #: time.monotonic() when the daemon was last heard of; None if never.
        self.heard: float | None = None
        self.connected = False
        #: Containers that found no place among those that wait to be inspected.
        self.uninspected = 0

    async def run(self) -> None:
        """Until cancelled; never raises."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._session()
            except* _FAILURES as failures:
                log.debug("Docker at %s: %s", self._url, failures.exceptions)
            if self.connected:
                self.connected, pause = False, FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _session(self) -> None:
        """From a connection to its end, which is an error."""
        asked_ns = time.time_ns()
        since_ns = self._heard_ns or asked_ns - BEFORE_NS
        async with contextlib.AsyncExitStack() as stack:
            docker = await stack.enter_async_context(Docker(self._url, timeout=_TIMEOUT))
            stack.push_async_callback(_forget_task, docker)
            listed = [from_list(container._container) for container in await docker.containers.list(all=True)]
            events = _events(docker, since_ns)
            self._memory.resync(listed, self._heard_ns, asked_ns)
            for facts in listed:
                self._want(facts.id, asked_ns)
            self._hear()
            self.connected = True
            async with asyncio.TaskGroup() as group:
                group.create_task(self._inspect(docker))
                group.create_task(self._listen(events))

    async def _listen(self, events: AsyncIterator[dict[str, Any]]) -> None:
        async for event in events:
            self._hear()
            container = self._memory.event(event)
            if container:
                self._want(container, int(event["timeNano"]))
        raise ConnectionError("the stream of events ended")

    def _hear(self) -> None:
        self.heard, self._heard_ns = time.monotonic(), time.time_ns()

    def _want(self, container: str, since_ns: int) -> None:
        if len(self._wanted) >= INSPECTIONS and container not in self._wanted:
            self.uninspected += 1
            return
        self._wanted[container] = since_ns
        self._wanted.move_to_end(container)
        self._some_wanted.set()

    async def _inspect(self, docker: Docker) -> None:
        """What events and lists do not tell: digests, and addresses. The newest first: it may be gone soon."""
        while True:
            await self._some_wanted.wait()
            while self._wanted:
                container, since_ns = self._wanted.popitem()
                with contextlib.suppress(DockerError, TimeoutError):  # it is gone
                    reply = await docker.containers.container(container).show()
                    facts = from_inspect(reply)
                    self._memory.learn(facts, await self._image(docker, facts.image_id), since_ns)
                    self.heard = time.monotonic()
            self._some_wanted.clear()

    async def _image(self, docker: Docker, image_id: str) -> ImageFacts | None:
        if image_id not in self._images:
            try:
                self._images[image_id] = from_image(await docker.images.inspect(image_id))
            except (DockerError, TimeoutError):  # removed, while its containers live on
                return None
        self._images.move_to_end(image_id)
        if len(self._images) > IMAGES:
            self._images.popitem(last=False)
        return self._images.get(image_id)


async def _events(docker: Docker, since_ns: int) -> AsyncIterator[dict[str, Any]]:
    """Events from ``since_ns`` on, until the connection ends."""
    since = f"{since_ns // SECOND_NS}.{since_ns % SECOND_NS:09d}"
    subscriber = docker.events.subscribe(since=since, filters=json.dumps(_WANTED))  # type: ignore[no-untyped-call]  # it has no annotations
    while (event := await subscriber.get()) is not None:
        yield event


async def _forget_task(docker: Docker) -> None:
    """aiodocker's own task for events may have failed with the connection: that was said already."""
    task = docker.events.task
    if task and task.done() and not task.cancelled():
        task.exception()
        docker.events.task = None
