"""How many messages a target gets, and incidents told as one: nothing is lost by it, and all of it ends."""

from pathlib import Path

import msgspec

from actors.incidents.items import Tick, Trouble
from actors.incidents.message import Facts, alert_of
from alerts.book import Book
from alerts.courier import Courier
from alerts.journal import Journal
from alerts.routing import Routing, Wishes
from model.alert import SHORT, Alert
from model.ledger import Ledger
from tests.unit.alerts.scripted_target import ScriptedTarget


class Bed:
    """A book with one target; a second at a time."""

    def __init__(self, folder: Path, wishes: Wishes) -> None:
        self.journal = Journal(folder / "journal")
        self.ledger = Ledger()
        routing = Routing({"t": wishes})
        self.book = Book(self.journal, routing, lambda change: alert_of(change, Facts()), ledger=self.ledger)
        self.target = ScriptedTarget()
        self.now = 1000.0
        self.courier = Courier(self.book.outbox, {"t": self.target}, lambda: self.now)

    async def pass_(self, seconds: int, ill: range = range(0)) -> None:
        """So long these are ill: each is a workload of its own, in one of two namespaces."""
        troubles = tuple(trouble(number) for number in ill)
        for _ in range(seconds):
            self.book.tick(Tick(self.now, troubles))
            await self.courier.deliver("t")
            assert self.ledger.stage("alerts.t", "alerts").balanced
            self.now += 1

    @property
    def told(self) -> list[tuple[str, str]]:
        """Event and subject, in order."""
        return [(alert.event, alert.subject) for alert in self.target.alerts]

    def taken(self) -> list[Alert]:
        """What came since this was asked last."""
        alerts, self.target.alerts = self.target.alerts, []
        return alerts


def trouble(number: int) -> Trouble:
    name = f"{'shop' if number % 2 else 'bank'}/s{number}"
    return Trouble(str(number), name, "reset", 1000.0, 0.5, 0.0, 5, 10, frozenset({f"e{number}"}))


async def test_what_is_beyond_the_limit_is_one_summary_and_trickles(tmp_path: Path) -> None:
    """Thirty incidents at once, of which a target takes ten within three minutes: one more each 18 seconds."""
    bed = Bed(tmp_path, Wishes(limit=10, limit_seconds=180))
    await bed.pass_(30, range(30))
    first = bed.taken()
    assert [alert.event for alert in first] == ["open"] * 11
    assert first[-1].short.startswith("ERROR 20 more incidents wait for the limit of messages: bank/s10, ")
    assert len(first[-1].short) <= SHORT
    assert len(first[-1].text.splitlines()) == 22
    await bed.pass_(180, range(30))
    then = bed.taken()
    summaries = [alert for alert in then if alert.symptom == "limit"]
    assert len(then) - len(summaries) == 10
    assert {alert.event for alert in summaries} == {"update"}
    assert len(summaries) <= 4
    assert summaries[-1].short.startswith("ERROR 10 more incidents wait")


async def test_ends_are_told_at_once_and_what_nobody_heard_of_needs_none(tmp_path: Path) -> None:
    bed = Bed(tmp_path, Wishes(limit=10, limit_seconds=6000))
    await bed.pass_(40, range(30))
    opened = {alert.key for alert in bed.taken()}
    await bed.pass_(200)
    ended = bed.taken()
    assert {alert.event for alert in ended} == {"resolve"}
    assert {alert.key for alert in ended} == opened
    assert bed.book.outbox.counts["t", "folded"] == 20
    assert bed.book.outbox.counts["t", "summaries"] == 2
    assert bed.book.outbox.waiting("t") == 0
    await bed.pass_(800)
    assert [key for what in ("out/", "said/", "pace/") for key, _ in bed.journal.under(what)] == ["pace/t"]


async def test_a_summary_that_a_target_refuses_is_no_endless_try(tmp_path: Path) -> None:
    bed = Bed(tmp_path, Wishes(limit=1, limit_seconds=6000))
    bed.target.refuses = "tailrace-more-"
    await bed.pass_(100, range(3))
    assert bed.book.outbox.counts["t", "dead"] == 2


async def test_incidents_of_a_namespace_are_told_as_one(tmp_path: Path) -> None:
    """Opened with the first, changed with each, resolved with the last; over a restart, too."""
    bed = Bed(tmp_path, Wishes(group=("ns",)))
    await bed.pass_(30, range(2))
    assert bed.told == [("open", "ns bank"), ("open", "ns shop")]
    assert bed.target.alerts[0].short.startswith("ERROR bank/s0: 50 % of connections reset")
    bed.journal.close()
    again = Bed(tmp_path, Wishes(group=("ns",)))
    again.now = bed.now
    await again.pass_(30, range(6))
    assert again.told[-1] == ("update", "ns shop")
    assert again.target.alerts[-1].short.startswith("ERROR 3 incidents of ns shop: ERROR shop/s1: 50 %")
    assert len(again.target.alerts[-1].text.splitlines()) == 4
    await again.pass_(200, range(2, 4))
    assert {alert.event for alert in again.taken()} == {"update"}
    await again.pass_(200)
    assert again.told == [("resolve", "ns bank"), ("resolve", "ns shop")]
    assert {alert.key for alert in again.target.alerts} == {alert.key for alert in bed.target.alerts}
    await again.pass_(30, range(1))
    new = again.target.alerts[-1]
    assert (new.event, new.key in {alert.key for alert in bed.target.alerts}) == ("open", False)


async def test_what_is_sent_again_to_a_target_that_forgets_costs_nothing(tmp_path: Path) -> None:
    bed = Bed(tmp_path, Wishes(limit=1, limit_seconds=6000))
    bed.target.repeat_s = 10.0
    await bed.pass_(60, range(1))
    again = [alert for alert in bed.taken() if alert.event == "open"]
    assert len(again) > 3
    assert len({alert.id for alert in again}) == 1
    assert msgspec.convert(bed.journal["pace/t"], dict[str, float])["tokens"] < 1
