"""What is not known is said: nodes that are away, a store that did not run or could not write, and losses."""

import pytest

from model.batch import Batch
from model.kinds.ledger import LEDGER
from model.version import VERSION
from store.reading import Gap, Window
from tailrace.testing.batches import make_ledger
from tests.contract.store.sites import Site, Writing
from tests.unit.store.segments.made import BEGIN, second

ALWAYS = Window(0, 1 << 40)


def ledger(node: str, at: int, seq: int, dropped: int = 0) -> Batch:
    """Of a node, which has lost so many events so far."""
    kernel = {"unit": "events", "dropped": {"ring_full": dropped} if dropped else {}}
    other = {"unit": "rows", "dropped": {"queue_full": 7 * seq}}
    return make_ledger({"kernel": kernel, "sink.jsonl": other}, node=node, seq=seq, window=BEGIN + at)


def stored(site: Site, seconds: list[tuple[int, dict[str, int]]], first_seq: int = 0) -> Writing:
    """A writer that took some seconds; each has the nodes that report, and what they have lost so far."""
    writer = site.writer()
    for seq, (at, nodes) in enumerate(seconds, first_seq):
        for node, dropped in nodes.items():
            writer.take(ledger(node, at, seq, dropped))
        writer.take(second(BEGIN + at, [{"client": 1, "server": 2, "port": 1, "bytes": 1}], seq))
        writer.sync()
    return writer


def gaps_of(site: Site, window: Window = ALWAYS) -> list[Gap]:
    """Those of a reader that comes now."""
    store = site.store()
    try:
        return store.gaps(window)
    finally:
        store.close()


def test_a_node_that_stops_to_report_is_away(site: Site) -> None:
    """Between two reports, and at the end; one missing second is no gap, and who came later was not away before."""
    here = [(at, {"a": 0} | ({"b": 0} if at < 10 or 30 <= at < 40 else {})) for at in range(0, 130, 2)]
    writer = stored(site, [*here, (130, {"a": 0, "c": 0})])
    truth = [Gap("b", BEGIN + 9, BEGIN + 30, "away"), Gap("b", BEGIN + 39, BEGIN + 131, "away")]
    for _ in range(2):
        assert gaps_of(site) == truth
        for begin, end in ((20, 25), (60, 70), (61, 119)):
            cut = gaps_of(site, Window(BEGIN + begin, BEGIN + end))
            assert cut == [Gap("b", BEGIN + begin, BEGIN + end, "away")]
        writer.rotate()
        writer.drained()
    writer.close()


def test_a_store_that_did_not_run_knows_of_nobody(site: Site) -> None:
    """One gap of the whole store, and none of each node."""
    stored(site, [(at, {"a": 0}) for at in range(5)]).close()
    stored(site, [(at, {"a": 0}) for at in range(100, 105)], first_seq=5).close()
    assert gaps_of(site) == [Gap("", BEGIN + 5, BEGIN + 100, "not_stored")]


def test_losses_of_ledgers_are_gaps(site: Site) -> None:
    """What a ledger counts more than the one before, with stage and reason; other sinks' losses are not ours."""
    stored(site, [(0, {"a": 2}), (1, {"a": 2}), (2, {"a": 5}), (3, {"a": 5})]).close()
    stored(site, [(4, {"a": 6}), (5, {"a": 10})], first_seq=4).close()  # lost meanwhile: said by nobody
    found = gaps_of(site)
    assert {(gap.reason, gap.detail) for gap in found} == {("lost", "kernel ring_full")}
    assert sum(gap.lost for gap in found) == 5 + 4
    assert (found[0].from_s, found[-1].to_s) == (BEGIN, BEGIN + 6)


def test_what_a_store_could_not_write_is_a_gap(site: Site) -> None:
    """With the next rows that it can write."""
    writer = stored(site, [(0, {"a": 0})])
    writer.lost("disk_full", 70)
    writer.take(second(BEGIN + 1, [], 1))
    writer.sync()
    assert gaps_of(site) == [Gap("", BEGIN, BEGIN + 1, "lost", 70, "store disk_full")]
    writer.close()


@pytest.mark.parametrize(
    ("version", "said"),
    [("", "says no version"), ("0.0.9", "0.0.9"), ("0.1.0", None), ("1.0.0rc1", None), ("x", "x")],
)
def test_an_agent_that_does_not_report_all_is_a_gap_in_words(
    site: Site, version: str, said: str | None
) -> None:
    """While it is; one gap, however many minutes; it is there all the same."""
    writer = site.writer()
    for at in range(150):
        kernel = {"kernel": {"unit": "events", "dropped": {}}}
        now = version if at < 130 else VERSION
        writer.take(make_ledger(kernel, node="a", seq=at, window=BEGIN + at, version=now))
        writer.take(second(BEGIN + at, [{"client": 1, "server": 2, "port": 1, "bytes": 1}], at))
        if at % 50 == 49:
            writer.sync()
    truth = [] if said is None else [Gap("a", BEGIN, BEGIN + 130, "agent_too_old", 0, said)]
    assert gaps_of(site) == truth
    writer.rotate()
    writer.drained()
    assert gaps_of(site) == truth, "and when it is sealed"
    writer.close()
    store = site.store()
    assert store.reporters(Window(BEGIN + 5, BEGIN + 6)) == ["a"]
    assert store.reporters(Window(BEGIN - 60, BEGIN)) == []
    store.close()


def test_the_ledger_of_an_agent_without_a_version_is_one_that_is_too_old(site: Site) -> None:
    """Agents of before the kind ``ledger`` sent it with their rows."""
    writer = site.writer()
    old = Batch(LEDGER, "a", "boot-1", 0, BEGIN, {}, head={"stages": {"kernel": {"dropped": {}}}})
    for batch in (old, second(BEGIN, [{"client": 1, "server": 2, "port": 1, "bytes": 1}], 0)):
        writer.take(batch)
    writer.sync()
    writer.close()
    assert [gap.reason for gap in gaps_of(site)] == ["agent_too_old"]
