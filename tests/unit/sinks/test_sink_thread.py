"""A thread for each sink: whatever a sink does in it, the others and the program go on."""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence

import pytest

from model.batch import Batch
from model.kind import Kind
from model.ledger import Ledger
from sinks import delivery
from tailrace.testing.deltas import make_deltas
from tests.configured import make_fan_out
from tests.scripted_sink import ScriptedSink


class BlockingSink(ScriptedSink):
    """Blocks its thread in each write until ``release`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    async def write(self, batch: Batch) -> None:
        self.entered.set()
        self.release.wait()
        await super().write(batch)


class LeavingSink(ScriptedSink):
    """Leaves a task behind."""

    def __init__(self) -> None:
        super().__init__()
        self.left: asyncio.Task[None] | None = None

    async def open(self, kinds: Sequence[Kind]) -> None:
        self.left = asyncio.create_task(asyncio.sleep(3600))


async def test_a_write_that_blocks_delays_nobody() -> None:
    """While one sink blocks, another takes everything, and the loop of the program is not held up."""
    blocking, quick, ledger = BlockingSink(), ScriptedSink(), Ledger()
    async with make_fan_out({"a": blocking, "b": quick}, ledger) as fan_out:
        fan_out.offer(make_deltas(1, seq=0))
        await blocking.entered.wait()
        for seq in range(1, 50):
            fan_out.offer(make_deltas(1, seq=seq))
        await quick.wait_for(50)
        assert (ledger.stages["sink.a"].queued, blocking.taken) == (50, [])
        assert fan_out.statistics()["a"].busy_seconds > 0
        blocking.release.set()
    assert blocking.seqs == list(range(50))


async def test_what_a_blocked_sink_cannot_take_at_the_end_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is dropped as shutdown, the log says how much, and the program does not wait for the sink."""
    sink, ledger = BlockingSink(), Ledger()
    fan_out = make_fan_out({"a": sink}, ledger)
    await fan_out.start()
    for seq in range(3):
        fan_out.offer(make_deltas(10, seq=seq))
    await sink.entered.wait()
    begin = time.monotonic()
    await fan_out.stop(timeout=0.01, close_timeout=0.1)
    assert time.monotonic() - begin < 10
    assert ledger.stages["sink.a"].dropped == {"shutdown": 30}
    sink.release.set()
    assert [record.getMessage() for record in caplog.records] == [
        "sink a: 30 rows were not delivered before the end",
        "sink a did not close within 0.1 s: it is left behind",
    ]


async def test_a_slow_sink_is_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log says which sink has not returned, from what, and how many rows wait; once in a while."""
    monkeypatch.setattr(delivery, "SLOW_SECONDS", 0.01)
    sink = BlockingSink()
    async with make_fan_out({"a": sink}, Ledger()) as fan_out:
        fan_out.offer(make_deltas(5))
        fan_out.offer(make_deltas(7))
        with caplog.at_level(logging.WARNING):
            while not caplog.records:  # noqa: ASYNC110 - the log has no event
                await asyncio.sleep(0.001)
        sink.release.set()
    assert [record.getMessage() for record in caplog.records] == [
        "sink a is slow: its write has not returned for 0.01 s; 12 rows wait for it"
    ]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
async def test_a_sink_does_not_end_the_program(error: BaseException) -> None:
    """``sys.exit()`` in a sink loses one batch."""
    sink, ledger = ScriptedSink([error]), Ledger()
    async with make_fan_out({"a": sink}, ledger) as fan_out:
        fan_out.offer(make_deltas(10))
        fan_out.offer(make_deltas(7))
    assert (ledger.stages["sink.a"].delivered, ledger.stages["sink.a"].dropped) == (7, {"sink_crashed": 10})


async def test_nothing_is_left_of_a_sink() -> None:
    """Its thread has ended, and so has a task that it forgot."""
    sink = LeavingSink()
    async with make_fan_out({"a": sink}, Ledger()):
        assert "sink.a" in {thread.name for thread in threading.enumerate()}
    assert sink.left is not None
    assert sink.left.cancelled()
    assert "sink.a" not in {thread.name for thread in threading.enumerate()}
