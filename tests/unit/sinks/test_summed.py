"""``every``: what a sink gets, when, and how rows are accounted for."""

import pytest

from engine.config import load_config
from engine.plugins.sinks import make_sinks
from model.errors import SinkError
from model.ledger import Ledger
from sinks.limits import BatchLimits, Limits, RetryLimits
from sinks.summed import SummedSink
from tailrace.testing import make_flows
from tailrace.testing.batches import make_ledger
from tailrace.testing.deltas import WINDOW
from tests.configured import make_fan_out
from tests.scripted_sink import ScriptedSink

#: Rows of the same connections in every second.
SAME = {"connection.opened_at_ns": 5}
GATHERING = Limits(retry=RetryLimits(0, 0, 0), batch=BatchLimits(seconds=60))


async def test_a_sink_gets_one_row_for_each_key() -> None:
    """When the time is over; rows count as delivered then."""
    sink, ledger = ScriptedSink(), Ledger()
    fan_out = make_fan_out({"a": SummedSink(sink)}, ledger, GATHERING, stage="flows")
    stage = ledger.stage("sink.a", "rows")
    async with fan_out:
        for number in range(5):
            await fan_out.put(make_flows(100, window=WINDOW + number, seq=number, columns=SAME))
        assert (sink.taken, stage.delivered) == ([], 0)
        await fan_out.drained()
        assert (stage.delivered, stage.dropped) == (500, {})
    (batch,) = sink.taken
    assert len(batch) == 100
    sent = 5 * int(make_flows(100).columns["client.tx_bytes"].sum())
    assert int(batch.columns["client.tx_bytes"].sum()) == sent


async def test_sources_stay_apart_and_ledgers_go_on() -> None:
    """What a node says of losses is not held back."""
    sink = ScriptedSink()
    summed = SummedSink(sink)
    await summed.open([])
    for node in ("a", "b"):
        await summed.write(make_flows(10, node=node))
    await summed.write(make_ledger({}))
    assert [batch.kind.name for batch in sink.taken] == ["ledger"]
    await summed.flush()
    assert [(batch.node, len(batch)) for batch in sink.taken[1:]] == [("a", 10), ("b", 10)]


async def test_a_failed_attempt_sums_up_nothing_twice() -> None:
    """Neither when it fails to write, nor when it fails to flush."""
    away = SinkError("away", reason="server_away", retryable=True)
    sink, ledger = ScriptedSink([away, away], flushes=[away, None]), Ledger()
    async with make_fan_out({"a": SummedSink(sink)}, ledger, GATHERING, stage="flows") as fan_out:
        await fan_out.put(make_flows(50))
        await fan_out.drained()
    assert [len(batch) for batch in sink.taken] == [50]
    assert (ledger.stages["sink.a"].delivered, ledger.stages["sink.a"].dropped) == (50, {})


@pytest.mark.parametrize(
    ("writes", "flushes", "lost"),
    [
        ([SinkError("no", reason="disk_full", lost_rows=1)], [], 300),
        ([], [SinkError("no", reason="disk_full", lost_rows=20)], 60),
        ([], [SinkError("no", reason="disk_full")], 300),
    ],
)
async def test_lost_rows_are_those_that_were_summed_up(
    writes: list[SinkError], flushes: list[SinkError], lost: int
) -> None:
    """A fifth of the sums is a fifth of the rows; of a batch that was refused all are."""
    sink, ledger = ScriptedSink(writes, flushes=flushes), Ledger()
    async with make_fan_out({"a": SummedSink(sink)}, ledger, GATHERING, stage="flows") as fan_out:
        for number in range(3):
            await fan_out.put(make_flows(100, window=WINDOW + number, seq=number, columns=SAME))
        await fan_out.drained()
    stage = ledger.stages["sink.a"]
    assert (stage.delivered, stage.dropped) == (300 - lost, {"disk_full": lost})


def test_the_key_of_the_configuration() -> None:
    """It is in front of any sink, whose flushes then come after that time."""
    config = load_config(None, {"TAILRACE_SINKS": "[{name: jsonl, every: 10}, {name: console}]"})
    sinks = make_sinks(config.sinks, config.stage, "$.sinks")
    assert isinstance(sinks["jsonl"].sink, SummedSink)
    assert sinks["jsonl"].sink.ledgers
    assert sinks["jsonl"].limits.batch.seconds == 10
    assert not isinstance(sinks["console"].sink, SummedSink)
