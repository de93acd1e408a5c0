"""The loss ledger: stages balance, losses have reasons."""

import pytest

from model.ledger import Ledger


def test_a_stage_balances_when_everything_is_accounted_for() -> None:
    """Received is delivered plus queued plus dropped."""
    stage = Ledger().stage("sink.x", "rows")
    stage.received, stage.delivered, stage.queued = 10, 6, 1
    assert not stage.balanced
    stage.drop("queue_full", 3)
    assert stage.balanced


def test_loss_adds_up_over_stages_and_notes_are_no_loss() -> None:
    """The ledger's loss is the sum of what stages dropped."""
    ledger = Ledger()
    ledger.stage("a", "rows").drop("x", 2)
    ledger.stage("b", "events").drop("y", 3)
    ledger.stage("b", "events").note("late", 7)
    assert ledger.lost == 5
    assert ledger.as_dict()["b"]["noted"] == {"late": 7}


def test_a_stage_keeps_its_unit() -> None:
    """The same name with another unit is a mistake."""
    ledger = Ledger()
    ledger.stage("a", "rows")
    with pytest.raises(ValueError, match="counts rows, not events"):
        ledger.stage("a", "events")


def test_nothing_dropped_leaves_no_reason() -> None:
    """Dropping zero units adds no entry."""
    stage = Ledger().stage("a", "rows")
    stage.drop("queue_full", 0)
    assert stage.as_dict()["dropped"] == {}
