"""Which losses of sinks make a command fail."""

import pytest

from engine.commands.losses import require_all, require_some
from model.errors import TailraceError
from model.ledger import Ledger


def ledger_of(delivered: int, **dropped: int) -> Ledger:
    ledger = Ledger()
    stage = ledger.stage("sink.a", "rows")
    stage.received, stage.delivered = delivered + sum(dropped.values()), delivered
    for reason, count in dropped.items():
        stage.drop(reason, count)
    ledger.stage("ring", "events").drop("full", 9)
    return ledger


@pytest.mark.parametrize("lost", [{"sink_crashed": 5}, {"shutdown": 5}, {"refused": 3, "broken_pipe": 2}])
def test_a_sink_that_loses_every_row_fails_the_command(lost: dict[str, int]) -> None:
    """However they were lost; the line says how."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in lost.items() if reason != "broken_pipe")
    for require in (require_some, require_all):
        with pytest.raises(TailraceError, match=f"^sink.a lost all of its rows: {reasons}: see") as error:
            require(ledger_of(0, **lost))
        assert error.value.exit_code == 1


def test_a_command_that_runs_on_bears_a_loss() -> None:
    """Some of the rows; one that has an end does not."""
    require_some(ledger_of(1, queue_full=5))
    with pytest.raises(TailraceError, match=r"sink\.a lost rows: 5 queue_full"):
        require_all(ledger_of(1, queue_full=5))


@pytest.mark.parametrize("require", [require_some, require_all])
def test_what_nobody_wanted_is_no_loss(require: object) -> None:
    """A reader that left, a replay that was stopped, a sink without rows."""
    assert callable(require)
    require(ledger_of(0, broken_pipe=5))
    require(ledger_of(1, shutdown=5))
    require(ledger_of(0))
