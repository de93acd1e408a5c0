"""Turns probes into a stream of frames: events several times a second, a snapshot at the end of each."""

import asyncio
import contextlib
import select
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from model.clock import SECOND_NS, Clock
from model.ledger import Stage
from probes.kernel.event_types import EventTypes
from probes.kernel.frames import RING_STAGE, EventFrame, RingFrame, SnapshotFrame
from probes.kernel.layout import packed_bytes
from probes.ring_drain import EventRing, RingDrain
from probes.tcp.sockets import Snapshot

#: How long events wait in the ring at most, unless it fills: then the kernel wakes us.
DRAIN_SECONDS = 0.1

#: Counts of the kernel side that the reader should know: they are totals, and lost nothing.
NOTED = ("slotless", "untracked", "ignored", "healed", "stale", "within", "adopted")

Send = Callable[[bytes], Awaitable[None]]


class KernelSide(Protocol):
    """What the source needs of the probes."""

    @property
    def rings(self) -> Mapping[str, EventRing]:
        """By name; the first is the one that all share, and the only one of them that wakes the reader."""

    def ring_counts(self) -> Mapping[str, tuple[int, int]]:
        """Events made for each ring, and those of them that were lost because it was full."""

    def snapshot(self) -> Snapshot: ...

    def tallies(self) -> Mapping[str, int]: ...

    def detach(self) -> None: ...


class Feed(Protocol):
    """Events that come another way than by a ring: NAT rewrites."""

    @property
    def stage(self) -> Stage: ...

    @property
    def behind(self) -> bool:
        """Whether catch_up() has something to do."""

    @property
    def fds(self) -> Sequence[int]:
        """Readable, at an edge, when events() should be called at once."""

    def notice(self, netns: np.ndarray) -> None:
        """Network namespaces in which sockets live."""

    def missed(self, begin_ns: int, end_ns: int) -> None:
        """Events of the shared ring were lost between these times, monotonic: some may have been its own."""

    def events(self) -> np.ndarray:
        """Records of the shared ring's form; does not block."""

    def catch_up(self) -> np.ndarray:
        """More of them; may block."""


class Source:
    """Drains the rings into ``send`` until stopped; a send that waits leaves events in them.

    :param event_types: which events are urgent.
    :param feeds: by the name of their stage; what they have goes ahead of the rings' events, and what was there when
        a snapshot was taken goes ahead of that: a connection's rewrite comes before its row.
    """

    def __init__(
        self,
        kernel: KernelSide,
        send: Send,
        event_types: EventTypes,
        clock: Clock | None = None,
        feeds: Mapping[str, Feed] | None = None,
    ) -> None:
        self._kernel = kernel
        self._feeds = feeds or {}
        self._send = send
        self._event_types = event_types
        #: Of the shared ring.
        self.stage = Stage("events")
        self.clock = clock or Clock()
        self._lost, self._looked_ns = (
            0,
            self._monotonic(),
        )  # events of the shared ring, when that was looked at
        self._stop = asyncio.Event()
        self._ready = asyncio.Event()

    async def run(self) -> None:
        """Runs until stop(), then sends the last events and the unfinished window."""
        loop = asyncio.get_running_loop()
        (_, shared), *own = self._kernel.rings.items()
        urgent = self._event_types.urgent
        self._shared = RingDrain(shared, urgent, self.stage)
        self._own = {name: RingDrain(ring, urgent, Stage("events")) for name, ring in own}
        # Edge-triggered: a ring that is never empty under load is ready only when the kernel wakes us.
        edges = select.epoll()
        for fd in (shared.fd, *(fd for feed in self._feeds.values() for fd in feed.fds)):
            edges.register(fd, select.EPOLLIN | select.EPOLLET)
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
        self._kernel.detach()
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
        """Sends what the rings hold; sockets that ended from ``boundary`` on wait for the next window."""
        events = self._shared.peek()
        await self._drain_feeds()
        frame = self._encoded(self._shared.take(events, boundary, self.clock.offset_ns))
        self._shared.release()
        await self._send_all(frame)
        for name, drain in self._own.items():
            events = drain.take(drain.peek(), boundary, self.clock.offset_ns)
            records = RingFrame(name, self.clock.offset_ns, packed_bytes(events))
            drain.release()
            if records.records:
                await self._send(records.encode())

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
            self.stage.note("windows_joined", behind)
            boundary += behind * SECOND_NS
        shot = self._kernel.snapshot()
        self._note_lost()
        for feed in self._feeds.values():
            feed.notice(shot.descriptions["netns"])
        await self._drain(None if final else boundary)
        self._balance(final=final)
        frame = SnapshotFrame(
            self.clock.offset_ns,
            boundary // SECOND_NS - 1,
            shot.slots,
            shot.cells,
            shot.new_slots,
            shot.descriptions,
            self.stage.as_dict(),
            {name: stage.as_dict() for name, stage in self._stages()},
            max(0, behind),
        )
        await self._send(frame.encode())
        self.clock.correct()
        # A correction may put the clock back before the boundary: that window is over all the same.
        following = self._next_boundary()
        return following if following != boundary else boundary + SECOND_NS

    def _monotonic(self) -> int:
        return self.clock.now() - self.clock.offset_ns

    def _note_lost(self) -> None:
        """Tells the feeds when events of the shared ring were lost, before the snapshot of their time is sent."""
        now, (_, lost) = self._monotonic(), next(iter(self._kernel.ring_counts().values()))
        if lost > self._lost:
            for feed in self._feeds.values():
                feed.missed(self._looked_ns, now)
        self._lost, self._looked_ns = lost, now

    def _stages(self) -> Iterator[tuple[str, Stage]]:
        """The stages that travel beside that of the shared ring."""
        yield from ((name, feed.stage) for name, feed in self._feeds.items())
        yield from ((RING_STAGE + name, drain.stage) for name, drain in self._own.items())

    def _balance(self, *, final: bool) -> None:
        counts = self._kernel.ring_counts()
        for (made, lost), drain in zip(counts.values(), (self._shared, *self._own.values()), strict=True):
            drain.balance(made, lost, final=final)
        tallies = self._kernel.tallies()
        for name in NOTED:
            if tallies.get(name):
                self.stage.noted[name] = tallies[name]
