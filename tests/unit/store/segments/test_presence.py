"""What is not known is said: nodes that are away, a store that did not run or could not write, and losses."""

from pathlib import Path

from model.batch import Batch
from store.reading import Gap, Window
from store.segments.reader import SegmentStore
from store.segments.writer import Writer
from tailrace.testing.batches import make_ledger
from tests.unit.store.segments.made import BEGIN, second

ALWAYS = Window(0, 1 << 40)


def ledger(node: str, at: int, seq: int, dropped: int = 0) -> Batch:
    """Of a node, which has lost so many events so far."""
    kernel = {"unit": "events", "dropped": {"ring_full": dropped} if dropped else {}}
    other = {"unit": "rows", "dropped": {"queue_full": 7 * seq}}
    return make_ledger({"kernel": kernel, "sink.jsonl": other}, node=node, seq=seq, window=BEGIN + at)


def store_of(folder: Path, seconds: list[tuple[int, dict[str, int]]], first_seq: int = 0) -> Writer:
    """A store of some seconds; each has the nodes that report, and what they have lost so far."""
    writer = Writer(folder)
    for seq, (at, nodes) in enumerate(seconds, first_seq):
        for node, dropped in nodes.items():
            writer.take(ledger(node, at, seq, dropped))
        writer.take(second(BEGIN + at, [{"client": 1, "server": 2, "port": 1, "bytes": 1}], seq))
        writer.sync()
    return writer


def gaps_of(folder: Path, window: Window = ALWAYS) -> list[Gap]:
    store = SegmentStore(folder)
    try:
        return store.gaps(window)
    finally:
        store.close()


def test_a_node_that_stops_to_report_is_away(tmp_path: Path) -> None:
    """Between two reports, and at the end; one missing second is no gap, and who came later was not away before."""
    here = [(at, {"a": 0} | ({"b": 0} if at < 10 or 30 <= at < 40 else {})) for at in range(60)]
    writer = store_of(tmp_path, [(at, nodes) for at, nodes in here if at != 50] + [(60, {"a": 0, "c": 0})])
    truth = [Gap("b", BEGIN + 10, BEGIN + 30, "away"), Gap("b", BEGIN + 40, BEGIN + 61, "away")]
    assert gaps_of(tmp_path) == truth
    writer.rotate()
    writer.drained()
    assert gaps_of(tmp_path) == truth, "and when it is sealed"
    cut = gaps_of(tmp_path, Window(BEGIN + 20, BEGIN + 25))
    assert cut == [Gap("b", BEGIN + 20, BEGIN + 25, "away")]
    writer.close()


def test_a_store_that_did_not_run_knows_of_nobody(tmp_path: Path) -> None:
    """One gap of the whole store, and none of each node."""
    store_of(tmp_path, [(at, {"a": 0}) for at in range(5)]).close()
    store_of(tmp_path, [(at, {"a": 0}) for at in range(100, 105)], first_seq=5).close()
    assert gaps_of(tmp_path) == [Gap("", BEGIN + 5, BEGIN + 100, "not_stored")]


def test_losses_of_ledgers_are_gaps(tmp_path: Path) -> None:
    """What a ledger counts more than the one before, with stage and reason; other sinks' losses are not ours."""
    writer = store_of(tmp_path, [(0, {"a": 2}), (1, {"a": 2}), (2, {"a": 5}), (3, {"a": 5})])
    writer.close()
    store_of(tmp_path, [(4, {"a": 6}), (5, {"a": 10})], first_seq=4).close()  # lost meanwhile: said by nobody
    found = gaps_of(tmp_path)
    assert {gap.reason for gap in found} == {"lost"}
    assert {gap.detail for gap in found} == {"kernel ring_full"}
    assert sum(gap.lost for gap in found) == 5 + 4
    assert (found[0].from_s, found[-1].to_s) == (BEGIN, BEGIN + 6)
