"""The fan-out: bounded queues, retries, isolation of sinks, and stages that balance."""

import asyncio
import contextlib
import logging
import random
from typing import Final

import pytest

from model.batch import Batch
from model.errors import SinkError, TailraceError, UsageError
from model.ledger import Ledger, Stage
from sinks.limits import Limits, QueueLimits, RetryLimits
from tailrace.testing.deltas import make_deltas
from tailrace.testing.workloads import make_workloads
from tests.configured import make_fan_out
from tests.scripted_sink import ScriptedSink

QUICK: Final = Limits(retry=RetryLimits(first_pause=0.001, longest_pause=0.002))


def stage(ledger: Ledger, name: str = "a") -> Stage:
    return ledger.stages[f"sink.{name}"]


def batches(count: int, rows: int = 10) -> list[Batch]:
    return [make_deltas(rows, seq=seq) for seq in range(count)]


class StubbornSink(ScriptedSink):
    """Ignores that it is cancelled, once."""

    async def write(self, batch: Batch) -> None:
        self.entered.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


async def test_every_sink_gets_every_batch_in_order() -> None:
    """Two sinks take the same ten batches in the order offered, and their stages say so."""
    one, two, ledger = ScriptedSink(), ScriptedSink(), Ledger()
    async with make_fan_out({"a": one, "b": two}, ledger) as fanout:
        for batch in batches(10):
            fanout.offer(batch)
    assert one.seqs == two.seqs == list(range(10))
    assert [stage(ledger, name).delivered for name in "ab"] == [100, 100]
    assert (one.opened, one.closed, two.opened, two.closed) == (1, 1, 1, 1)


async def test_a_sink_with_a_stage_gets_its_rows_alone() -> None:
    """One that has none gets all that is offered; what a sink was offered is counted."""
    deltas, workloads, both, ledger = ScriptedSink(), ScriptedSink(), ScriptedSink(), Ledger()
    sinks = {"deltas": deltas, "workloads": workloads, "both": both}
    stages: dict[str, str] = {"deltas": "deltas", "workloads": "workloads"}
    async with make_fan_out(sinks, ledger, stage=stages) as fanout:
        fanout.offer(make_deltas(10, seq=1))
        await fanout.put(make_workloads(7, seq=2))
    assert (deltas.seqs, workloads.seqs, both.seqs) == ([1], [2], [1, 2])
    assert [stage(ledger, name).received for name in sinks] == [10, 7, 17]


async def test_full_queue_drops_the_oldest_batches() -> None:
    """Beyond three waiting batches the oldest goes, counted as queue_full; the one being written stays."""
    sink, ledger = ScriptedSink(slow=True), Ledger()
    async with make_fan_out({"a": sink}, ledger, Limits(QueueLimits(batches=3))) as fanout:
        first, *others = batches(6)
        fanout.offer(first)
        await sink.entered.wait()
        for batch in others:
            fanout.offer(batch)
        assert stage(ledger).dropped == {"queue_full": 20}
        assert fanout.statistics()["a"].queued_batches == 4
        assert stage(ledger).queued == 40
        assert stage(ledger).balanced
        sink.gate.set()
    assert sink.seqs == [0, 3, 4, 5]
    assert fanout.statistics()["a"].dropped_batches == {"queue_full": 2}


async def test_rows_bound_the_queue() -> None:
    """A batch that does not fit beside the waiting rows pushes out as many old batches as it needs."""
    sink, ledger = ScriptedSink(slow=True), Ledger()
    async with make_fan_out({"a": sink}, ledger, Limits(QueueLimits(rows=100))) as fanout:
        for batch in (*batches(5, rows=25), make_deltas(50, seq=5)):
            fanout.offer(batch)
        assert stage(ledger).dropped == {"queue_full": 75}
        assert fanout.statistics()["a"].queued_rows == 100
        sink.gate.set()
    assert sink.seqs == [3, 4, 5]


async def test_batch_larger_than_the_queue_is_dropped_alone() -> None:
    """A batch that never fits is counted as larger_than_queue and pushes nothing out."""
    sink, ledger = ScriptedSink(), Ledger()
    async with make_fan_out({"a": sink}, ledger, Limits(QueueLimits(rows=100))) as fanout:
        fanout.offer(make_deltas(10, seq=0))
        fanout.offer(make_deltas(101, seq=1))
    assert sink.seqs == [0]
    assert stage(ledger).dropped == {"larger_than_queue": 101}


async def test_retryable_error_offers_the_batch_again() -> None:
    """After two retryable errors the third offer delivers the batch, and the order is kept."""
    error = SinkError("busy", retryable=True, reason="busy")
    sink, ledger = ScriptedSink([error, error]), Ledger()
    async with make_fan_out({"a": sink}, ledger, QUICK) as fanout:
        for batch in batches(2):
            fanout.offer(batch)
    statistics = fanout.statistics()["a"]
    assert sink.seqs == [0, 1]
    assert (statistics.retries, statistics.failures) == (2, {"busy": 2})
    assert (stage(ledger).delivered, stage(ledger).dropped) == (20, {})


async def test_retries_end() -> None:
    """A batch refused at every attempt is dropped under the error's reason; the next one is delivered."""
    errors = [SinkError("down", retryable=True, reason="unreachable") for _ in range(5)]
    sink, ledger = ScriptedSink(errors), Ledger()
    async with make_fan_out({"a": sink}, ledger, QUICK) as fanout:
        for batch in batches(2):
            fanout.offer(batch)
    assert (sink.calls, sink.seqs) == (6, [1])
    assert (stage(ledger).delivered, stage(ledger).dropped) == (10, {"unreachable": 10})


@pytest.mark.parametrize(("lost_rows", "dropped"), [(None, 10), (3, 3), (0, 0), (99, 10)])
async def test_final_error_counts_the_rows_lost(lost_rows: int | None, dropped: int) -> None:
    """A final error loses as many rows as it says, by default all, never more than the batch has."""
    sink = ScriptedSink([SinkError("full", reason="disk_full", lost_rows=lost_rows)])
    ledger = Ledger()
    async with make_fan_out({"a": sink}, ledger) as fanout:
        fanout.offer(make_deltas(10))
    assert sink.calls == 1
    assert stage(ledger).dropped.total() == stage(ledger).dropped["disk_full"] == dropped
    assert stage(ledger).delivered == 10 - dropped


async def test_crashing_sink_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """Exceptions lose their batches as sink_crashed, and are logged once per kind and counted at the end."""
    errors: list[BaseException | None] = [
        ValueError("odd"),
        KeyError("x"),
        ValueError("odd"),
        ValueError("odd"),
    ]
    sink, ledger = ScriptedSink(errors), Ledger()
    with caplog.at_level(logging.WARNING):
        async with make_fan_out({"a": sink}, ledger) as fanout:
            for batch in batches(6):
                fanout.offer(batch)
    assert sink.seqs == [4, 5]
    assert stage(ledger).dropped == {"sink_crashed": 40}
    assert [record.getMessage() for record in caplog.records] == [
        "sink a failed (ValueError): odd",
        "sink a failed (KeyError): 'x'",
        "sink a failed 3 times in all: ValueError",
    ]


async def test_cancellation_made_up_by_a_sink_is_a_crash() -> None:
    """A CancelledError from inside a sink loses one batch and does not end the delivery."""
    sink, ledger = ScriptedSink([asyncio.CancelledError()]), Ledger()
    async with make_fan_out({"a": sink}, ledger) as fanout:
        for batch in batches(2):
            fanout.offer(batch)
    assert sink.seqs == [1]
    assert stage(ledger).dropped == {"sink_crashed": 10}


async def test_stuck_sink_does_not_delay_another() -> None:
    """While one sink does not return from write, another takes everything."""
    stuck, quick, ledger = ScriptedSink(slow=True), ScriptedSink(), Ledger()
    fanout = make_fan_out({"a": stuck, "b": quick}, ledger)
    await fanout.start()
    for batch in batches(50):
        fanout.offer(batch)
    await quick.wait_for(50)
    assert (stuck.seqs, stage(ledger, "a").queued) == ([], 500)
    assert fanout.statistics()["a"].busy_seconds > 0
    await fanout.stop(timeout=0)


async def test_stop_delivers_what_is_queued() -> None:
    """What waits when stop is called still reaches the sink."""
    sink, ledger = ScriptedSink(slow=True), Ledger()
    fanout = make_fan_out({"a": sink}, ledger)
    await fanout.start()
    for batch in batches(20):
        fanout.offer(batch)
    await sink.entered.wait()
    sink.gate.set()
    await fanout.stop()
    assert sink.seqs == list(range(20))
    assert (stage(ledger).queued, stage(ledger).dropped, sink.closed) == (0, {}, 1)


@pytest.mark.parametrize("kind", [ScriptedSink, StubbornSink])
async def test_stop_counts_what_does_not_get_through(kind: type[ScriptedSink]) -> None:
    """When the time is up, the rest, also the batch under way, is dropped as shutdown; the sink is closed."""
    sink, ledger = kind(slow=True), Ledger()
    fanout = make_fan_out({"a": sink}, ledger)
    await fanout.start()
    for batch in batches(3):
        fanout.offer(batch)
    await sink.entered.wait()
    await fanout.stop(timeout=0.01)
    fanout.offer(make_deltas(5))
    assert (stage(ledger).queued, stage(ledger).dropped, sink.closed) == (0, {"shutdown": 35}, 1)
    assert stage(ledger).balanced
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("sink.")] == []


async def test_stop_twice_closes_once() -> None:
    """A second stop does nothing."""
    sink = ScriptedSink()
    fanout = make_fan_out({"a": sink}, Ledger())
    await fanout.start()
    await fanout.stop()
    await fanout.stop()
    assert sink.closed == 1


async def test_sink_that_cannot_be_opened_stops_the_start() -> None:
    """The error is raised; the failed sink and those before it are closed, the others not touched."""
    before, failing, after = ScriptedSink(), ScriptedSink(), ScriptedSink()
    failing.open_error = SinkError("no route", "check the address")
    with pytest.raises(UsageError, match=r"^sink b: no route: check the address$"):
        await make_fan_out({"a": before, "b": failing, "c": after}, Ledger()).start()
    assert [(sink.opened, sink.closed) for sink in (before, failing, after)] == [(1, 1), (1, 1), (0, 0)]


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (SinkError("away", "start it", retryable=True), "sink a: away: start it", 1),
        (SinkError("no such table", "make it"), "sink a: no such table: make it", 2),
        (
            ValueError("odd\nand long"),
            "sink a cannot be opened (ValueError: odd and long): see docs/plugins.md",
            2,
        ),
    ],
)
async def test_what_open_raises_is_one_line(error: Exception, line: str, code: int) -> None:
    """With the exit code: 1 where a later attempt makes sense, for whoever keeps the program running; else 2."""
    sink = ScriptedSink()
    sink.open_error = error
    with pytest.raises(TailraceError) as caught:
        await make_fan_out({"a": sink}, Ledger()).start()
    assert (str(caught.value), caught.value.exit_code) == (line, code)


async def test_errors_are_told() -> None:
    """The callback hears of each failed write, with the sink's name, after the failure was counted."""
    error = SinkError("reader gone", reason="broken_pipe")
    heard: list[tuple[str, BaseException, int]] = []
    fanout = make_fan_out(
        {"a": ScriptedSink([error])},
        Ledger(),
        on_error=lambda name, told: heard.append(
            (name, told, fanout.statistics()[name].failures["broken_pipe"])
        ),
    )
    async with fanout:
        fanout.offer(make_deltas(1))
    assert heard == [("a", error, 1)]


async def test_batches_wait_for_the_start() -> None:
    """What is offered before the start is queued within the limits and delivered later."""
    sink, ledger = ScriptedSink(), Ledger()
    fanout = make_fan_out({"a": sink}, ledger, Limits(QueueLimits(batches=2)))
    for batch in batches(3):
        fanout.offer(batch)
    async with fanout:
        await sink.wait_for(2)
    assert sink.seqs == [1, 2]
    assert stage(ledger).dropped == {"queue_full": 10}


@pytest.mark.parametrize("seed", range(10))
async def test_books_balance_at_every_moment(seed: int) -> None:
    """Whatever three sinks do, each stage balances after every step; all rows are settled at the end."""
    chance = random.Random(seed)
    faults = [
        None,
        ValueError("odd"),
        SinkError("x", reason="x", lost_rows=2),
        SinkError("y", reason="y"),
        SinkError("z", reason="z", retryable=True),
    ]
    sinks = {name: ScriptedSink(chance.choices(faults, k=200)) for name in "abc"}
    ledger = Ledger()
    limits = Limits(QueueLimits(60, 4), RetryLimits(first_pause=0, longest_pause=0, attempts=2))
    fanout = make_fan_out(sinks, ledger, limits)
    async with fanout:
        for seq in range(200):
            fanout.offer(make_deltas(chance.randrange(30), seq=seq))
            assert all(stage.balanced for stage in ledger.stages.values())
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
    for name, stage in ledger.stages.items():
        assert (stage.balanced, stage.queued) == (True, 0), name
        assert sum(map(len, sinks[name[-1]].taken)) <= stage.delivered < stage.received


async def test_a_patient_sink_is_asked_until_it_works() -> None:
    """Without a number of attempts nothing is lost but what its queue has no room for."""
    away = [SinkError("away", reason="server_away", retryable=True)] * 50
    sink, ledger = ScriptedSink(away), Ledger()
    limits = Limits(QueueLimits(rows=20), RetryLimits(attempts=0, first_pause=0, longest_pause=0))
    async with make_fan_out({"a": sink}, ledger, limits) as fanout:
        for seq in range(6):
            fanout.offer(make_deltas(10, seq=seq))
        await sink.wait_for(2)
    stage = ledger.stages["sink.a"]
    assert (sink.calls, sink.seqs, stage.dropped) == (52, [4, 5], {"queue_full": 40})
