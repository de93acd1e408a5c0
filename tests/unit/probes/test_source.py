"""The source: windows end at whole seconds, events fall into the right one, the kernel's counts are kept."""

import asyncio
import os
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from model.clock import SECOND_NS, Clock
from model.ledger import Stage
from probes.kernel.frames import EventFrame, Frame, RingFrame, SnapshotFrame, decode
from probes.kernel.layout import structs
from probes.source import Source
from probes.tcp.sockets import Snapshot
from tests.declared import EVENT_TYPES, KIND

START = 1_000 * SECOND_NS


class ScriptedProbe:
    """Probes whose shared ring is a list, and whose counts are its length; with the rings that a test adds."""

    def __init__(self) -> None:
        self.fd, self.waker = os.pipe()
        self.rings: dict[str, ScriptedProbe] = {"ring": self}
        self.ring: list[int] = []
        self.kinds: dict[int, int] = {}  # of events at these times; others are ends of sockets
        self.made = self.lost = 0
        self.detached = False
        self.shots = 0
        self.at_snapshot: Callable[[], object] = int

    def emit(self, *times_ns: int) -> None:
        self.ring += times_ns
        self.made += len(times_ns)

    def peek(self) -> np.ndarray:
        self.rows = np.zeros(len(self.ring), structs("tcp")["socket_event"])
        self.rows["header"]["at_ns"] = self.ring
        self.rows["header"]["kind"] = [self.kinds.get(at, 0) for at in self.ring]
        return self.rows

    def release(self) -> None:
        """As the kernel would: what was shown is written over."""
        self.rows["header"]["at_ns"] = 0
        del self.ring[: len(self.rows)]

    def snapshot(self) -> Snapshot:
        self.shots += 1
        empty, descriptions = np.empty(0, np.uint32), np.zeros(1, structs("tcp")["description"])
        descriptions["netns"] = 4711
        self.at_snapshot()
        return Snapshot(empty, np.empty(0, structs("tcp")["cell"]), np.zeros(1, np.uint32), descriptions)

    def ring_counts(self) -> dict[str, tuple[int, int]]:
        return {name: (ring.made, ring.lost) for name, ring in self.rings.items()}

    def tallies(self) -> dict[str, int]:
        return {"within": 4, "settled": 3}

    def waiting(self) -> int:
        return len(self.ring)

    def detach(self) -> None:
        self.detached = True


class ScriptedFeed:
    """A feed that holds ports of events, and of more that take a while."""

    fds = ()

    def __init__(self) -> None:
        self.stage = Stage("entries", received=7, delivered=7)
        self.waiting: list[int] = []
        self.slow: list[int] = []
        self.noticed: list[int] = []
        self.losses: list[tuple[int, int]] = []

    @property
    def behind(self) -> bool:
        return bool(self.slow)

    def missed(self, begin_ns: int, end_ns: int) -> None:
        self.losses.append((begin_ns, end_ns))

    def notice(self, netns: np.ndarray) -> None:
        self.noticed += netns.tolist()

    def events(self) -> np.ndarray:
        now, self.waiting = self.waiting, []
        return rewrites(now)

    def catch_up(self) -> np.ndarray:
        now, self.slow = self.slow, []
        return rewrites(now)


def rewrites(zones: list[int]) -> np.ndarray:
    rows = np.zeros(len(zones), structs("conntrack")["nat_event"])
    rows["header"]["kind"], rows["zone"] = KIND["KIND_NAT_NEW"], zones
    return rows.view(structs("tcp")["socket_event"])


def zones_in(frame: Frame) -> list[int]:
    assert isinstance(frame, EventFrame)
    zones: list[int] = frame.events.view(structs("conntrack")["nat_event"])["zone"].tolist()
    return zones


class Run:
    """A source at work on a clock that the test moves; monotonic time equals wall time."""

    def __init__(self, probe: ScriptedProbe, feed: ScriptedFeed | None = None) -> None:
        self.now = START + SECOND_NS // 2
        self.probe = probe
        self.frames: asyncio.Queue[Frame] = asyncio.Queue()
        clock = Clock(lambda: self.now, lambda: self.now)
        self.source = Source(probe, self.send, EVENT_TYPES, clock, {"conntrack": feed} if feed else None)
        self.task = asyncio.create_task(self.source.run())

    async def send(self, data: bytes) -> None:
        self.frames.put_nowait(decode(data))

    @property
    def stage(self) -> Stage:
        return self.source.stage

    def wake(self) -> None:
        os.write(self.probe.waker, b"x")

    async def stop(self) -> None:
        self.source.stop()
        await self.task


@pytest.fixture
def probe() -> Iterator[ScriptedProbe]:
    scripted = ScriptedProbe()
    yield scripted
    os.close(scripted.fd)
    os.close(scripted.waker)


async def next_of(run: Run, kind: type) -> Frame:
    while not isinstance(frame := await asyncio.wait_for(run.frames.get(), 5), kind):
        pass
    return frame


async def test_events_come_when_the_kernel_wakes_us(probe: ScriptedProbe) -> None:
    """A readable ring is drained at once, in order."""
    run = Run(probe)
    probe.emit(START + 1, START + 2)
    run.wake()
    frame = await next_of(run, EventFrame)
    assert isinstance(frame, EventFrame)
    assert frame.events["header"]["at_ns"].tolist() == [START + 1, START + 2]
    await run.stop()


async def test_a_window_ends_at_the_whole_second(probe: ScriptedProbe) -> None:
    """Events before the boundary come before its snapshot, those after it behind."""
    run = Run(probe)
    await asyncio.sleep(0)
    boundary = START + SECOND_NS
    probe.emit(boundary - 1, boundary + 1)
    run.now = boundary + 5
    run.wake()
    first = await asyncio.wait_for(run.frames.get(), 5)
    second = await asyncio.wait_for(run.frames.get(), 5)
    third = await asyncio.wait_for(run.frames.get(), 5)
    assert isinstance(first, EventFrame)
    assert isinstance(second, SnapshotFrame)
    assert isinstance(third, EventFrame)
    assert first.events["header"]["at_ns"].tolist() == [boundary - 1]
    assert second.window == START // SECOND_NS
    assert third.events["header"]["at_ns"].tolist() == [boundary + 1]
    await run.stop()


@pytest.mark.parametrize("kind", ["KIND_NAT_NEW", "KIND_NAT_DELETED", "KIND_CGROUP", "KIND_EXEC"])
async def test_what_the_ring_says_of_sockets_does_not_wait(probe: ScriptedProbe, kind: str) -> None:
    """A rewrite or a name from after the boundary comes ahead of the snapshot with its socket; an end waits."""
    run = Run(probe)
    await asyncio.sleep(0)
    boundary = START + SECOND_NS
    probe.kinds[boundary + 2] = KIND[kind]
    probe.emit(boundary + 1, boundary + 2)
    run.now = boundary + 5
    run.wake()
    first, second, third = [await asyncio.wait_for(run.frames.get(), 5) for _ in range(3)]
    assert isinstance(first, EventFrame)
    assert first.events["header"]["at_ns"].tolist() == [boundary + 2]
    assert isinstance(second, SnapshotFrame)
    assert isinstance(third, EventFrame)
    assert third.events["header"]["at_ns"].tolist() == [boundary + 1]
    await run.stop()


async def test_feeds_are_told_when_events_of_the_ring_were_lost(probe: ScriptedProbe) -> None:
    """Once, with the time since the last look, before the snapshot: theirs may have been among them."""
    feed = ScriptedFeed()
    run = Run(probe, feed)
    await asyncio.sleep(0)
    for second, lost in ((1, 0), (2, 3), (3, 3)):
        probe.lost = lost
        run.now = START + second * SECOND_NS
        run.wake()
        await next_of(run, SnapshotFrame)
    assert feed.losses == [(START + SECOND_NS, START + 2 * SECOND_NS)]
    await run.stop()


async def test_seconds_slept_through_are_joined_and_counted(probe: ScriptedProbe) -> None:
    """After a pause of three seconds there is one window, not three empty ones."""
    run = Run(probe)
    await asyncio.sleep(0)
    run.now = START + 4 * SECOND_NS + 7
    run.wake()
    frame = await next_of(run, SnapshotFrame)
    assert isinstance(frame, SnapshotFrame)
    assert frame.window == START // SECOND_NS + 3
    assert run.stage.noted["windows_joined"] == 3
    await run.stop()


async def test_stop_sends_the_unfinished_window(probe: ScriptedProbe) -> None:
    """What happened since the last boundary is not lost, and the hooks are off before the last look."""
    run = Run(probe)
    await asyncio.sleep(0)
    probe.emit(START + SECOND_NS // 2 + 1)
    await run.stop()
    first, second = run.frames.get_nowait(), run.frames.get_nowait()
    assert isinstance(first, EventFrame)
    assert isinstance(second, SnapshotFrame)
    assert second.window == START // SECOND_NS
    assert probe.detached


async def test_the_account_is_the_kernels(probe: ScriptedProbe) -> None:
    """Made is delivered plus lost when everything has been read."""
    run = Run(probe)
    await asyncio.sleep(0)
    probe.emit(START + 1, START + 2, START + 3)
    probe.made, probe.lost = 5, 2
    await run.stop()
    assert (run.stage.received, run.stage.delivered, run.stage.dropped["ring_full"]) == (5, 3, 2)
    assert run.stage.queued == 0
    assert run.stage.balanced


async def test_an_event_that_nobody_counted_unbalances_the_stage(probe: ScriptedProbe) -> None:
    """The stage is a check, not an echo: the kernel's count and ours must agree."""
    run = Run(probe)
    await asyncio.sleep(0)
    probe.emit(START + 1)
    probe.made = 2
    await run.stop()
    assert not run.stage.balanced


async def test_a_rewrite_goes_ahead_of_the_snapshot_that_has_its_socket(probe: ScriptedProbe) -> None:
    """What a feed has when the snapshot was taken is sent before it, whatever its time, and so is the ring's."""
    feed = ScriptedFeed()
    run = Run(probe, feed)
    await asyncio.sleep(0)
    probe.at_snapshot = lambda: feed.waiting.append(1)
    probe.emit(START + SECOND_NS - 1)
    run.now = START + SECOND_NS + 5
    run.wake()
    first, second, third = [await asyncio.wait_for(run.frames.get(), 5) for _ in range(3)]
    assert zones_in(first) == [1]
    assert isinstance(second, EventFrame)
    assert second.events["header"]["at_ns"].tolist() == [START + SECOND_NS - 1]
    assert isinstance(third, SnapshotFrame)
    assert third.feeds["conntrack"]["delivered"] == 7
    assert feed.noticed == [4711]
    probe.at_snapshot = int
    await run.stop()


async def test_what_a_feed_makes_up_for_comes_after_what_it_had(probe: ScriptedProbe) -> None:
    """And ahead of the ring's events of the same drain."""
    feed = ScriptedFeed()
    run = Run(probe, feed)
    feed.waiting, feed.slow = [1, 2], [3]
    probe.emit(START + 1)
    run.wake()
    frames = [await asyncio.wait_for(run.frames.get(), 5) for _ in range(3)]
    assert [zones_in(frame) for frame in frames[:2]] == [[1, 2], [3]]
    assert isinstance(frames[2], EventFrame)
    assert frames[2].events["header"]["at_ns"].tolist() == [START + 1]
    await run.stop()


async def test_each_ring_has_its_frames_and_its_account(probe: ScriptedProbe) -> None:
    """Events of a probe's own ring travel under its name and wait for the window of their time; all are counted."""
    own = ScriptedProbe()
    probe.rings["lookups"] = own
    run = Run(probe)
    await asyncio.sleep(0)
    boundary = START + SECOND_NS
    own.emit(boundary - 2, boundary + 1)
    own.made, own.lost = 3, 1
    run.now = boundary + 5
    run.wake()
    frames = [await asyncio.wait_for(run.frames.get(), 5) for _ in range(3)]
    first, snapshot, later = frames
    assert isinstance(first, RingFrame)
    assert isinstance(snapshot, SnapshotFrame)
    assert isinstance(later, RingFrame)
    assert [times_in(frame) for frame in (first, later)] == [[boundary - 2], [boundary + 1]]
    assert (first.ring, snapshot.kernel_stage["received"]) == ("lookups", 0)
    stage = snapshot.feeds["ring.lookups"]
    assert (stage["received"], stage["delivered"], stage["dropped"]) == (3, 1, {"ring_full": 1})
    await run.stop()
    for fd in (own.fd, own.waker):
        os.close(fd)


def times_in(frame: RingFrame) -> list[int]:
    times: list[int] = np.frombuffer(frame.records, structs("tcp")["socket_event"])["header"][
        "at_ns"
    ].tolist()
    return times


async def test_counts_of_sockets_are_noted(probe: ScriptedProbe) -> None:
    """Those that a reader should know; the others stay in the kernel."""
    run = Run(probe)
    await asyncio.sleep(0)
    await run.stop()
    assert run.stage.noted == {"within": 4}
