"""Flushes: rows are delivered when the sink has made them safe, and counted as lost when it could not."""

import asyncio
from typing import Final

import pytest

from model.errors import SinkError
from model.ledger import Ledger, Stage
from sinks.limits import BatchLimits, Limits, RetryLimits
from tailrace.testing.deltas import make_deltas
from tests.configured import make_fan_out
from tests.scripted_sink import ScriptedSink

#: A minute: longer than any test lasts.
GATHERING: Final = Limits(batch=BatchLimits(seconds=60))
QUICK: Final = RetryLimits(attempts=3, first_pause=0.001, longest_pause=0.002)


def stage(ledger: Ledger) -> Stage:
    return ledger.stages["sink.a"]


async def test_written_rows_are_queued_until_they_are_flushed() -> None:
    """A sink that gathers for a minute has taken the rows, but nobody calls them delivered."""
    sink, ledger = ScriptedSink(), Ledger()
    async with make_fan_out({"a": sink}, ledger, GATHERING) as fan_out:
        fan_out.offer(make_deltas(10))
        fan_out.offer(make_deltas(7))
        await sink.wait_for(2)
        flushing = asyncio.create_task(fan_out.flush())
        await asyncio.sleep(0)
        assert (stage(ledger).queued, stage(ledger).delivered, sink.flushed) == (17, 0, [])
        assert not flushing.done()
        await fan_out.drained()
        await flushing
        assert (stage(ledger).queued, stage(ledger).delivered, sink.flushed) == (0, 17, [2])


async def test_a_sink_that_does_not_gather_is_flushed_when_nothing_waits() -> None:
    """Without ``batch.seconds`` ten batches that waited together need one flush, and flush() returns after it."""
    sink, ledger = ScriptedSink(), Ledger()
    fan_out = make_fan_out({"a": sink}, ledger)
    for seq in range(10):
        fan_out.offer(make_deltas(10, seq=seq))
    async with fan_out:
        await fan_out.flush()
        assert (sink.flushed, stage(ledger).delivered) == ([10], 100)


async def test_so_many_rows_are_flushed_at_once() -> None:
    """With ``batch.rows`` of 25 the third batch of ten rows makes the sink flush, however much waits."""
    sink = ScriptedSink()
    fan_out = make_fan_out({"a": sink}, Ledger(), Limits(batch=BatchLimits(rows=25, seconds=60)))
    for seq in range(7):
        fan_out.offer(make_deltas(10, seq=seq))
    async with fan_out:
        await sink.wait_for(7)
        assert sink.flushed == [3, 6]
    assert sink.flushed == [3, 6, 7]


async def test_rows_do_not_wait_longer_than_configured() -> None:
    """After ``batch.seconds`` the sink is flushed, although nothing more came."""
    sink = ScriptedSink()
    async with make_fan_out({"a": sink}, Ledger(), Limits(batch=BatchLimits(seconds=0.05))) as fan_out:
        begin = asyncio.get_running_loop().time()
        fan_out.offer(make_deltas(10))
        async with asyncio.timeout(10):
            await fan_out.flush()
        assert asyncio.get_running_loop().time() - begin >= 0.05
        assert sink.flushed == [1]


async def test_flush_waits_for_what_came_before_it_alone() -> None:
    """A batch that is offered after the call does not hold it up."""
    sink, ledger = ScriptedSink(), Ledger()
    async with make_fan_out({"a": sink}, ledger, Limits(batch=BatchLimits(rows=10, seconds=60))) as fan_out:
        fan_out.offer(make_deltas(10))
        flushing = asyncio.create_task(fan_out.flush())
        await asyncio.sleep(0)
        fan_out.offer(make_deltas(1))
        await flushing
        await sink.wait_for(2)
        assert (stage(ledger).delivered, stage(ledger).queued) == (10, 1)


async def test_flush_returns_when_the_rows_are_lost() -> None:
    """Rows that a full queue dropped, or that the sink refused, are counted: nobody waits for them."""
    sink, ledger = ScriptedSink([SinkError("no", reason="refused")]), Ledger()
    async with make_fan_out({"a": sink}, ledger, GATHERING) as fan_out:
        fan_out.offer(make_deltas(10))
        async with asyncio.timeout(10):
            await fan_out.flush()
    assert (stage(ledger).dropped, stage(ledger).delivered) == ({"refused": 10}, 0)


async def test_flush_is_repeated() -> None:
    """A retryable error of a flush has it called again; the rows are delivered once."""
    errors = [SinkError("away", reason="away", retryable=True)] * 2
    sink, ledger = ScriptedSink(flushes=errors), Ledger()
    async with make_fan_out({"a": sink}, ledger, Limits(retry=QUICK)) as fan_out:
        fan_out.offer(make_deltas(10))
    assert (sink.flushed, fan_out.statistics()["a"].retries) == ([1], 2)
    assert (stage(ledger).delivered, stage(ledger).dropped) == (10, {})


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (SinkError("no", reason="refused"), {"refused": 20}),
        (SinkError("no", reason="refused", lost_rows=5), {"refused": 5}),
        (SinkError("no", reason="away", retryable=True), {"away": 20}),
        (ValueError("odd"), {"sink_crashed": 20}),
    ],
)
async def test_a_failed_flush_loses_what_was_written_since_the_last(
    error: Exception, lost: dict[str, int]
) -> None:
    """All rows, or as many as the error says; the next batch is delivered."""
    failures = [error] * (QUICK.attempts if "away" in lost else 1)
    sink, ledger = ScriptedSink(flushes=failures), Ledger()
    fan_out = make_fan_out({"a": sink}, ledger, Limits(retry=QUICK))
    for seq in range(2):
        fan_out.offer(make_deltas(10, seq=seq))
    async with fan_out:
        await fan_out.flush()
        assert stage(ledger).dropped == lost
        fan_out.offer(make_deltas(3, seq=2))
    assert stage(ledger).delivered == 23 - lost.popitem()[1]
    assert stage(ledger).balanced


async def test_what_was_not_flushed_at_the_end_is_lost() -> None:
    """The sink took the rows and is stuck with the next: nobody knows whether the first are safe."""
    sink, ledger = ScriptedSink(), Ledger()
    fan_out = make_fan_out({"a": sink}, ledger, GATHERING)
    await fan_out.start()
    fan_out.offer(make_deltas(10))
    await sink.wait_for(1)
    sink.gate.clear()
    fan_out.offer(make_deltas(7))
    await fan_out.stop(timeout=0.01)
    assert (stage(ledger).delivered, stage(ledger).queued, stage(ledger).dropped) == (0, 0, {"shutdown": 17})


async def test_a_second_without_rows_is_flushed_too() -> None:
    """Its message is acknowledged like any other."""
    sink = ScriptedSink()
    async with asyncio.timeout(60), make_fan_out({"a": sink}, Ledger()) as fan_out:
        fan_out.offer(make_deltas(0))
        await fan_out.flush()
        assert [len(batch) for batch in sink.taken] == [0]
        assert sink.flushed == [1]
