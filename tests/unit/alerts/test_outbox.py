"""The outbox: at least once, the newest state, over restarts; what nobody takes is to be seen."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from alerts.courier import Courier
from alerts.journal import Journal
from alerts.outbox import Outbox
from alerts.routing import Wishes
from model.alert import Alert
from model.alert_target import AlertError
from model.ledger import Ledger
from model.settings import PluginConfig

ALERT = Alert("tailrace-1", 1, "open", "critical", "shop/b", "connect_refused", "short", "text", 0.0, 0.0)


def state(revision: int, event: str = "update", key: str = ALERT.key) -> Alert:
    return msgspec.convert(
        msgspec.to_builtins(ALERT) | {"revision": revision, "event": event, "key": key}, Alert
    )


class Scripted:
    """Takes alerts, or raises what it is told to."""

    Config: ClassVar[type[PluginConfig]] = PluginConfig

    def __init__(self) -> None:
        self.errors: list[AlertError] = []
        self.taken: list[tuple[str, str]] = []

    async def open(self) -> None:
        """Nothing."""

    async def send(self, alert: Alert, receipt: str) -> str:
        if self.errors:
            raise self.errors[0]
        self.taken.append((alert.id, receipt))
        return f"receipt {alert.revision}"

    async def close(self) -> None:
        """Nothing."""


class Bed:
    """An outbox with one target, and a clock that a test sets."""

    def __init__(self, path: Path, most: int = 2000) -> None:
        self.journal = Journal(path)
        self.ledger = Ledger()
        self.outbox = Outbox(self.journal, most, {"t": Wishes()}, self.ledger)
        self.target = Scripted()
        self.now = 1000.0
        self.courier = Courier(self.outbox, {"t": self.target}, lambda: self.now)


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    """Whatever happens, every alert is accounted for."""
    bed = Bed(tmp_path / "journal")
    yield bed
    stage = bed.ledger.stage("alerts.t", "alerts")
    assert stage.balanced, stage
    assert stage.received > 0


async def test_states_come_in_order_with_the_receipt_of_the_one_before(bed: Bed) -> None:
    for revision in (1, 2, 3):
        bed.outbox.offer(state(revision), ["t"])
        await bed.courier.deliver("t")
    assert bed.target.taken == [
        ("tailrace-1/1", ""),
        ("tailrace-1/2", "receipt 1"),
        ("tailrace-1/3", "receipt 2"),
    ]


async def test_a_target_that_was_away_gets_the_newest_state_alone(bed: Bed) -> None:
    """After half an hour of attempts, each pause twice as long as the one before, also over restarts."""
    bed.target.errors = [AlertError("away", retryable=True)]
    pauses = []
    for revision in range(1, 31):
        bed.outbox.offer(state(revision), ["t"])
        await bed.courier.deliver("t")
        pauses.append(bed.outbox.asked_again_at("t") - bed.now)
        bed.now += 60
    assert max(pauses) > 200
    assert bed.outbox.counts["t", "retried"] < 15
    restarted = Courier(Outbox(bed.journal), {"t": bed.target}, lambda: bed.now)
    bed.target.errors = []
    bed.now += 300
    await restarted.deliver("t")
    assert bed.target.taken == [("tailrace-1/30", "")]
    assert bed.outbox.counts["t", "overtaken"] == 29


async def test_what_a_target_asks_to_wait_is_waited(bed: Bed) -> None:
    bed.target.errors = [AlertError("busy", retryable=True, pause=120)]
    bed.outbox.offer(ALERT, ["t"])
    await bed.courier.deliver("t")
    bed.target.errors = []
    bed.now += 119
    await bed.courier.deliver("t")
    assert bed.target.taken == []
    bed.now += 1
    await bed.courier.deliver("t")
    assert bed.target.taken == [("tailrace-1/1", "")]
    assert bed.outbox.asked_again_at("t") == 0


async def test_what_is_refused_is_a_dead_letter_and_others_go_on(bed: Bed) -> None:
    bed.target.errors = [AlertError("no such channel", "check it")]
    bed.outbox.offer(ALERT, ["t"])
    await bed.courier.deliver("t")
    bed.target.errors = []
    bed.outbox.offer(state(1, key="other"), ["t"])
    await bed.courier.deliver("t")
    assert bed.target.taken == [("other/1", "")]
    letters = bed.outbox.dead_letters()
    assert [(each["target"], each["alert"]["key"], each["why"]) for each in letters] == [
        ("t", "tailrace-1", "no such channel: check it")
    ]
    assert bed.outbox.counts["t", "dead"] == 1


async def test_killed_after_sending_it_sends_the_same_again(bed: Bed, tmp_path: Path) -> None:
    """With the same id, by which the receiver knows it."""
    bed.outbox.offer(ALERT, ["t"])
    letter = bed.outbox.due("t", bed.now)
    assert letter is not None
    await bed.target.send(letter.alert, letter.receipt)  # and here it is killed
    bed.journal.close()
    again = Bed(tmp_path / "journal")
    await again.courier.deliver("t")
    assert [*bed.target.taken, *again.target.taken] == [("tailrace-1/1", ""), ("tailrace-1/1", "")]
    assert again.outbox.waiting("t") == 0


async def test_a_newer_state_that_came_while_one_was_sent_still_waits(bed: Bed) -> None:
    bed.outbox.offer(state(1), ["t"])
    letter = bed.outbox.due("t", bed.now)
    assert letter is not None
    bed.outbox.offer(state(2), ["t"])
    bed.outbox.sent(letter, "", bed.now)
    assert bed.outbox.waiting("t") == 1


async def test_it_is_bounded(tmp_path: Path) -> None:
    """The oldest that wait become dead letters, of which the last hundred are kept."""
    bed = Bed(tmp_path / "journal", most=10)
    for number in range(130):
        bed.outbox.offer(state(1, key=f"k{number}"), ["t"])
    assert (bed.outbox.waiting("t"), bed.outbox.counts["t", "dead"]) == (10, 120)
    assert len(bed.outbox.dead_letters()) == 100


async def test_a_target_that_forgets_is_told_again_while_it_is_open(bed: Bed) -> None:
    bed.outbox.offer(state(1), ["t"])
    await bed.courier.deliver("t")
    assert bed.outbox.repeated("t", bed.now + 59, 60) == []
    assert [letter.alert.id for letter in bed.outbox.repeated("t", bed.now + 60, 60)] == ["tailrace-1/1"]
    bed.outbox.offer(state(2, "resolve"), ["t"])
    await bed.courier.deliver("t")
    assert bed.outbox.repeated("t", bed.now + 600, 60) == []
