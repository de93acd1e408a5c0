"""Keeps what is known of one resource true: list, then watch, over everything that can go wrong in between."""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import msgspec

from enrichers.kubernetes.connection import Connection
from enrichers.kubernetes.failures import Expired, Failure, Forbidden, Unauthorized
from enrichers.kubernetes.model import Model
from enrichers.kubernetes.objects import Event, Page
from enrichers.kubernetes.pace import Pace, Pauses
from enrichers.kubernetes.resources import Resource
from enrichers.kubernetes.stream import EventStream

log = logging.getLogger(__name__)

#: Seconds that a watch without events has to last to count as one that works.
_WORKING: Final = 1.0
#: For so long events gather before they are taken: to be woken for each costs more than what is in it.
GATHER_SECONDS: Final = 0.05


class Reflector:
    """One resource. What was known stays until a complete list says otherwise.

    :ivar current: whether the server is in reach: false from the second attempt on that fails.
    :ivar refused: whether it was for a missing right that it was not.
    :ivar listed: set once the first list is complete.
    :ivar heard: monotonic time of the last answer of the server; 0 for never.
    """

    def __init__(
        self,
        resource: Resource,
        connection: Connection,
        model: Model,
        noted: Counter[str],
        on_change: Callable[[], None],
        pace: Pace,
    ) -> None:
        self.resource = resource
        self.current = self.refused = False
        self.listed = asyncio.Event()
        self.heard = 0.0
        self._connection = connection
        self._model = model
        self._noted = noted
        self._on_change = on_change
        self._pace = pace
        self._pauses = Pauses(pace)
        self._pages = resource.page_decoder()
        self._limit = pace.page
        self._version = ""
        self._logged = ""

    async def run(self) -> None:
        """Runs until it is cancelled."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except Expired as error:
                self._noted["expired"] += 1
                self._version = ""
                await self._fail(error)
            except Failure as error:
                await self._fail(error)
            except Exception as error:  # whatever it is: what is known has to be brought up to date again
                log.exception("Kubernetes, %s", self.resource.plural)
                self._version = ""
                await self._fail(Failure(repr(error)))

    async def _fail(self, error: Failure) -> None:
        if isinstance(error, Unauthorized) and not self._pauses.failed:
            self._noted["renewed"] += 1  # tokens rotate: it was read again, and is tried at once
            self._pauses.next()
            return
        self.refused = isinstance(error, Forbidden)
        if self._pauses.failed:  # one connection that was cut is made again in a moment
            self._become(current=False)
        self._noted["forbidden" if self.refused else "failures"] += 1
        self._complain(error)
        await asyncio.sleep(self._pauses.next(error.wait))

    def _complain(self, error: Failure) -> None:
        """Says it once, until it is over or something else is wrong."""
        if self._logged != str(error):
            self._logged = str(error)
            level = logging.WARNING if isinstance(error, Forbidden | Unauthorized) else logging.INFO
            log.log(level, "Kubernetes, %s: %s", self.resource.plural, error)

    def _become(self, current: bool) -> None:
        self.current = current
        self._on_change()

    def _hear(self) -> None:
        self.heard = time.monotonic()

    def _succeed(self) -> None:
        self._pauses.reset()
        self._logged = ""
        self.refused = False

    async def _list(self) -> None:
        """Takes all pages; what was known and is in none of them is gone."""
        self._noted["lists"] += 1
        seen: set[str] = set()
        token = ""
        while True:
            page = await self._page(token)
            self._take_page(page, seen)
            token = page.metadata.continue_
            if not token:
                break
        now_ns = time.time_ns()
        self._model.keep_only(self.resource, seen, now_ns)
        self._model.settle(now_ns)
        self._version, self._limit = page.metadata.resource_version, self._pace.page
        self.listed.set()
        self._succeed()
        self._become(current=True)

    async def _page(self, token: str) -> Page[Any]:
        query = self._query(limit=str(self._limit))
        if token:
            query["continue"] = token
        try:
            async with self._connection.get(
                self.resource, query, watching=False, silence=self._pace.answer
            ) as response:
                return self._pages.decode(await response.read())
        except msgspec.DecodeError as error:
            raise Failure(f"the list is not understood: {error}") from error
        except Expired:
            # The snapshot was given up before the last page was asked for: fewer and larger pages are faster.
            self._limit *= 2
            raise

    def _query(self, **more: str) -> dict[str, str]:
        return more | ({"fieldSelector": self.resource.selector} if self.resource.selector else {})

    def _take_page(self, page: Page[Any], seen: set[str]) -> None:
        self._hear()
        now_ns = time.time_ns()
        for one in page.items or ():
            seen.add(one.metadata.uid)
            self._model.put(self.resource, one, now_ns)
        self._model.settle(now_ns)

    async def _watch(self) -> None:
        """Returns when the server ends the watch in good order; goes on from the last version then."""
        self._noted["watches"] += 1
        begun, events = time.monotonic(), 0
        stream = EventStream(self.resource)
        async with self._connection.get(
            self.resource, self._watch_query(), watching=True, silence=self._pace.silence
        ) as response:
            self._hear()
            self._become(current=True)
            async for data in response.content.iter_any():
                events += self._take_events(stream, data)
                await asyncio.sleep(GATHER_SECONDS)
        if not events and time.monotonic() - begun < _WORKING:
            raise Failure("the API server ends watches as soon as they begin")

    def _watch_query(self) -> dict[str, str]:
        seconds = self._pace.watch * random.uniform(1, 2)
        return self._query(
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=self._version,
            timeoutSeconds=str(max(1, round(seconds))),
        )

    def _take_events(self, stream: EventStream, data: bytes) -> int:
        """How many events there were; those before an error are taken."""
        self._hear()
        now_ns, count = time.time_ns(), 0
        try:
            for event in stream.feed(data):
                self._take_event(event, now_ns)
                count += 1
        finally:
            self._model.settle(now_ns)
        if count:
            self._succeed()
        return count

    def _take_event(self, event: Event[Any], now_ns: int) -> None:
        meta = event.object.metadata
        if event.type == "DELETED":
            self._model.drop(self.resource, meta.uid, now_ns, event.object)
        elif event.type in ("ADDED", "MODIFIED"):
            self._model.put(self.resource, event.object, now_ns)
        self._version = meta.resource_version or self._version
