"""Losses in the log and in the status line."""

import logging

import pytest

from engine.service.losses import AGAIN_SECONDS, NewLosses
from model.ledger import Ledger


def test_a_loss_is_logged_with_its_stage_and_reason_and_not_at_every_look(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The first at once, what follows summed up once a minute."""
    ledger = Ledger()
    losses, stage = NewLosses(ledger), ledger.stage("sink.jsonl", "rows")
    with caplog.at_level(logging.WARNING):
        losses.log(0.0)
        stage.drop("disk_full", 5)
        losses.log(1.0)
        stage.drop("disk_full", 2)
        losses.log(2.0)
        assert [record.message for record in caplog.records] == [
            "sink.jsonl lost 5 rows: disk_full (5 in all)"
        ]
        losses.log(1.0 + AGAIN_SECONDS)
        losses.log(1.0 + 3 * AGAIN_SECONDS)
    assert [record.message for record in caplog.records[1:]] == [
        "sink.jsonl lost 2 rows: disk_full (7 in all)"
    ]
    assert (caplog.records[0].__dict__["stage"], caplog.records[0].__dict__["reason"]) == (
        "sink.jsonl",
        "disk_full",
    )


def test_the_status_names_what_lost_most() -> None:
    """All of it is counted, and three are named."""
    ledger = Ledger()
    assert NewLosses(ledger).text() == "0"
    for count, reason in enumerate(("late", "queue_full", "disk_full", "shutdown"), 1):
        ledger.stage("sink.jsonl", "rows").drop(reason, count * 1000)
    said = "10,000 (sink.jsonl shutdown 4,000, sink.jsonl disk_full 3,000, sink.jsonl queue_full 2,000)"
    assert NewLosses(ledger).text() == said
