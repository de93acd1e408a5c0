"""The fan-out for data that can wait: no sink drops anything, and the end is the end."""

import asyncio

import pytest

from model.ledger import Ledger
from sinks.limits import Limits, QueueLimits
from tailrace.testing.deltas import make_deltas
from tests.configured import make_fan_out
from tests.scripted_sink import ScriptedSink


@pytest.mark.parametrize("limits", [Limits(QueueLimits(batches=2)), Limits(QueueLimits(rows=25))])
async def test_put_waits_for_the_slowest_sink_and_nothing_is_dropped(limits: Limits) -> None:
    """Twenty batches go through a queue for two; all sinks get all of them."""
    sinks, ledger = {"slow": ScriptedSink(slow=True), "fast": ScriptedSink()}, Ledger()
    async with make_fan_out(sinks, ledger, limits) as fan_out:

        async def put_all() -> None:
            for seq in range(20):
                await fan_out.put(make_deltas(10, seq=seq))

        putting = asyncio.create_task(put_all())
        await sinks["slow"].entered.wait()
        await sinks["fast"].wait_for(3)
        assert fan_out.statistics()["slow"].queued_batches == 3  # two wait, one is being written
        assert not putting.done()
        sinks["slow"].gate.set()
        await putting
        await fan_out.drained()
        assert [len(sink.taken) for sink in sinks.values()] == [20, 20]
    assert sinks["slow"].seqs == list(range(20))
    assert ledger.lost == 0


async def test_drained_waits_for_the_write_under_way() -> None:
    """An empty queue is not the end while a sink is busy with what was in it."""
    sink = ScriptedSink(slow=True)
    async with make_fan_out({"slow": sink}, Ledger()) as fan_out:
        fan_out.offer(make_deltas(1))
        await sink.entered.wait()
        waiting = asyncio.create_task(fan_out.drained())
        await asyncio.sleep(0)
        assert not waiting.done()
        sink.gate.set()
        await waiting
        assert len(sink.taken) == 1


async def test_drained_returns_at_once_when_nothing_came() -> None:
    """Also without any sink."""
    async with asyncio.timeout(60), make_fan_out({}, ledger := Ledger()) as fan_out:
        await fan_out.put(make_deltas(1))
        await fan_out.drained()
    assert ledger.as_dict() == {}
