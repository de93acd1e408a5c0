"""Turns a probe into a stream of frames: events several times a second, a snapshot at the end of each."""

import asyncio
import contextlib
import select
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import numpy as np

from model.clock import SECOND_NS, Clock
from model.ledger import Stage
from probes.kernel.event_types import EventTypes
from probes.kernel.frames import EventFrame, SnapshotFrame
from probes.kernel.layout import copied, joined, rows_where
from probes.tcp.probe import Snapshot

#: How long events wait in the ring at most, unless it fills: then the kernel wakes us.
DRAIN_SECONDS = 0.1

#: Counts of the kernel side that the reader should know: they are totals, and lost nothing.
NOTED = ("slotless", "untracked", "ignored", "healed", "stale", "within", "adopted")

Send = Callable[[bytes], Awaitable[None]]


class Probe(Protocol):
    """What the source needs of a probe."""

    @property
    def ring_fd(self) -> int: ...

    def peek(self) -> np.ndarray: ...

    def release(self) -> None: ...

    def snapshot(self) -> Snapshot: ...

    def tallies(self) -> dict[str, int]: ...

    def waiting(self) -> int: ...

    def detach(self) -> None: ...


class Feed(Protocol):
    """Events that come another way than by the ring: NAT rewrites."""

    @property
    def account(self) -> Stage: ...

    @property
    def behind(self) -> bool:
        """Whether catch_up() has something to do."""

    def notice(self, netns: np.ndarray) -> None:
        """Network namespaces in which sockets live."""

    def events(self) -> np.ndarray:
        """Records of the ring's form; does not block."""

    def catch_up(self) -> np.ndarray:
        """More of them; may block."""


class Source:
    """Drains ``probe`` into ``send`` until stopped; a send that waits leaves events in the ring.

    ``account`` is the kernel's own: events made, read, lost because the ring was full; it travels in snapshots.

    :param event_types: which events are urgent.
    :param feeds: by the name of their stage; what they have goes ahead of the ring's events, and what was there when
        a snapshot was taken goes ahead of that: a connection's rewrite comes before its row.
    """

    def __init__(
        self,
        probe: Probe,
        send: Send,
        event_types: EventTypes,
        clock: Clock | None = None,
        feeds: Mapping[str, Feed] | None = None,
    ) -> None:
        self._probe = probe
        self._feeds = feeds or {}
        self._send = send
        self._urgent = event_types.urgent
        self.account = Stage("events")
        self.clock = clock or Clock()
        self._stop = asyncio.Event()
        self._ready = asyncio.Event()
        self._later: np.ndarray | None = None

    async def run(self) -> None:
        """Runs until stop(), then sends the last events and the unfinished window."""
        loop = asyncio.get_running_loop()
        # Edge-triggered: a ring that is never empty under load is ready only when the kernel wakes us.
        edges = select.epoll()
        edges.register(self._probe.ring_fd, select.EPOLLIN | select.EPOLLET)
        loop.add_reader(edges.fileno(), self._woken, edges)
        boundary = self._next_boundary()
        try:
            while not self._stop.is_set():
                await self._wait(boundary)
                if self.clock.now() >= boundary:
                    boundary = await self._tick(boundary)
                else:
                    await self._drain(None)
        finally:
            loop.remove_reader(edges.fileno())
            edges.close()
        self._probe.detach()
        await self._tick(boundary, final=True)

    def stop(self) -> None:
        """Makes run() send what is left and return."""
        self._stop.set()
        self._ready.set()

    def _woken(self, edges: select.epoll) -> None:
        edges.poll(0)
        self._ready.set()

    def _next_boundary(self) -> int:
        return (self.clock.now() // SECOND_NS + 1) * SECOND_NS

    async def _wait(self, boundary: int) -> None:
        seconds = min(DRAIN_SECONDS, max(0, boundary - self.clock.now()) / SECOND_NS)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), seconds)
        self._ready.clear()

    async def _drain(self, boundary: int | None) -> None:
        """Sends what the ring holds; sockets that ended from ``boundary`` on wait for the next window.

        Rewrites, names and programs do not wait: the snapshot may have sockets that were opened since.
        """
        events = self._probe.peek()
        await self._drain_feeds()
        if self._later is not None:
            events, self._later = joined(self._later, events), None
        if boundary is not None:
            late = events["header"]["at_ns"].astype(np.int64) + self.clock.offset_ns >= boundary
            late &= ~self._urgent[events["header"]["kind"]]
            self._later = copied(rows_where(events, late)) if late.any() else None
            events = rows_where(events, ~late)
        self.account.delivered += len(events)
        frame = self._encoded(events)
        self._probe.release()
        await self._send_all(frame)

    async def _drain_feeds(self) -> None:
        """Sends what the feeds hold. Whatever its time, it belongs to the window that is not over yet."""
        for feed in self._feeds.values():
            await self._send_all(self._encoded(feed.events()))
            if feed.behind:
                await self._send_all(self._encoded(await asyncio.to_thread(feed.catch_up)))

    def _encoded(self, events: np.ndarray) -> list[bytes]:
        """The frame of these events; none without."""
        return [EventFrame(self.clock.offset_ns, events).encode()] if len(events) else []

    async def _send_all(self, frames: list[bytes]) -> None:
        for frame in frames:
            await self._send(frame)

    async def _tick(self, boundary: int, *, final: bool = False) -> int:
        """Ends the window before ``boundary``, or before the last whole second if that was slept through; returns
        the next boundary."""
        behind = (self.clock.now() - boundary) // SECOND_NS
        if behind > 0:
            self.account.note("windows_joined", behind)
            boundary += behind * SECOND_NS
        shot = self._probe.snapshot()
        for feed in self._feeds.values():
            feed.notice(shot.descriptions["netns"])
        await self._drain(None if final else boundary)
        self._account(self._probe.tallies(), final=final)
        frame = SnapshotFrame(
            self.clock.offset_ns,
            boundary // SECOND_NS - 1,
            shot.slots,
            shot.cells,
            shot.new_slots,
            shot.descriptions,
            self.account.as_dict(),
            {name: feed.account.as_dict() for name, feed in self._feeds.items()},
        )
        await self._send(frame.encode())
        self.clock.correct()
        # A correction may put the clock back before the boundary: that window is over all the same.
        following = self._next_boundary()
        return following if following != boundary else boundary + SECOND_NS

    def _account(self, tallies: dict[str, int], *, final: bool) -> None:
        """Books of the kernel side. While programs run, what is made but not read counts as queued, for no two
        counts are of one moment; at the end the ring is empty or it is not, and the counts must agree."""
        books = self.account
        books.received, books.dropped["ring_full"] = tallies["generated"], tallies["lost"]
        waiting = self._probe.waiting() + (len(self._later) if self._later is not None else 0)
        books.queued = waiting if final else books.received - tallies["lost"] - books.delivered
        for name in NOTED:
            if tallies.get(name):
                books.noted[name] = tallies[name]
