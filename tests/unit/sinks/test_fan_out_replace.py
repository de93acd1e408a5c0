"""Other sinks in place of those that run: no row lost, none twice, and back if one cannot be opened."""

import asyncio

import pytest

from model.errors import UsageError
from model.ledger import Ledger
from sinks.configured import ConfiguredSink
from tailrace.testing.deltas import make_deltas
from tests.configured import make_fan_out
from tests.scripted_sink import ScriptedSink


def configured(sink: ScriptedSink, settings: object) -> ConfiguredSink:
    """Settings say whether two are configured alike; the rest is as ``make_fan_out`` has it."""
    return ConfiguredSink(sink, [], title="sink a", settings=settings)


async def test_rows_that_wait_go_to_the_sink_that_is_configured_anew() -> None:
    """What the one before was given is made safe by it; it is closed before the other is opened."""
    one, two, ledger = ScriptedSink(slow=True), ScriptedSink(), Ledger()
    async with make_fan_out({"a": one}, ledger) as fan_out:
        fan_out.offer(make_deltas(10, seq=0))
        await one.entered.wait()
        replacing = asyncio.create_task(fan_out.replace({"a": configured(two, "new")}, {}))
        await asyncio.sleep(0)  # it has begun
        fan_out.offer(make_deltas(10, seq=1))
        assert two.opened == 0
        one.gate.set()
        await replacing
        fan_out.offer(make_deltas(10, seq=2))
        await fan_out.flush()
    assert (one.seqs, two.seqs) == ([0], [1, 2])
    assert (one.flushed, one.closed, two.closed) == ([1], 1, 1)
    assert (ledger.stages["sink.a"].delivered, ledger.lost) == (30, 0)


async def test_a_sink_that_is_configured_as_before_goes_on() -> None:
    """It is neither closed nor opened again; another is added, and taken away with all that it was given."""
    one, again, other, ledger = ScriptedSink(), ScriptedSink(), ScriptedSink(), Ledger()
    async with make_fan_out({"a": one}, ledger) as fan_out:
        both = {"a": configured(again, None), "b": configured(other, "other")}
        await fan_out.replace(both, {})
        fan_out.offer(make_deltas(10, seq=0))
        await fan_out.replace({"a": configured(again, None)}, both)
        fan_out.offer(make_deltas(10, seq=1))
    assert (one.seqs, again.opened, other.seqs, other.flushed) == ([0, 1], 0, [0], [1])
    assert (one.opened, one.closed, other.closed) == (1, 1, 1)
    assert [ledger.stages[f"sink.{name}"].delivered for name in "ab"] == [20, 10]


async def test_the_sinks_before_are_opened_again_if_one_cannot_be_opened() -> None:
    """Also those that were exchanged already; rows that came meanwhile are theirs."""
    first, second = ScriptedSink(), ScriptedSink()
    first_again, second_again, new, bad = (ScriptedSink() for _ in range(4))
    bad.open_error, ledger = ValueError("no such folder"), Ledger()
    async with make_fan_out({"a": first, "b": second}, ledger) as fan_out:
        former = {"a": configured(first_again, None), "b": configured(second_again, None)}
        with pytest.raises(UsageError, match="no such folder"):
            await fan_out.replace({"a": configured(new, "new"), "b": configured(bad, "new")}, former)
        fan_out.offer(make_deltas(10, seq=0))
    assert (first_again.seqs, second_again.seqs, new.closed) == ([0], [0], 1)
    assert ledger.lost == 0


async def test_a_sink_that_cannot_be_added_is_not_kept() -> None:
    """The others never notice."""
    one, bad, ledger = ScriptedSink(), ScriptedSink(), Ledger()
    bad.open_error = ValueError("no such folder")
    async with make_fan_out({"a": one}, ledger) as fan_out:
        with pytest.raises(UsageError, match="no such folder"):
            await fan_out.replace({"a": configured(one, None), "b": configured(bad, "new")}, {})
        fan_out.offer(make_deltas(10, seq=0))
        assert list(fan_out.statistics()) == ["a"]
    assert (one.seqs, one.opened) == ([0], 1)
