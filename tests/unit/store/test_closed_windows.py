"""An answer that is said to stay as it is does, byte for byte, whatever becomes of the store's steps."""

import itertools
from pathlib import Path
from typing import Final

from actors.workloads.workloads import Workloads
from model.ledger import Ledger
from store.queries.questions import QUESTIONS
from store.reading import Window
from store.segments.limits import Limits
from store.segments.reader import SegmentStore
from store.segments.writer import Writer
from tailrace.testing.batches import make_ledger
from tests.unit.store.segments.made import BEGIN
from tests.unit.store.segments.made_flows import flows
from web.answering import FORMS, Answering

MINUTE: Final = 60
EVERY_S: Final = 5
#: Closed; it ends five minutes before the first questions.
TIMES: Final = {"from": [str(BEGIN + 2 * MINUTE)], "to": [str(BEGIN + 5 * MINUTE)]}
AGAINST: Final = {"against": [f"{BEGIN}/{BEGIN + 2 * MINUTE}"]}
#: Question, words: what the page and programs ask of a window.
ASKED: Final[list[tuple[str, dict[str, list[str]]]]] = [
    ("map", {}),
    ("map", {**AGAINST, "select": ["shop/cart"], "rank": ["change"]}),
    ("map", {"group": ["version"]}),
    ("map", {"group": ["node"]}),
    ("edges", {"sort": ["p99"]}),
    ("edges", {"q": ["pod:cart-7d9"]}),
    ("series", {"metrics": ["bytes,p99,failed,active"]}),
    ("series", {"step": ["1"]}),
    ("diff", AGAINST),
    ("where", {"by": ["version,zone,port"]}),
    ("where", {}),
    ("nat", {}),
    ("instances", {}),
    ("moments", {}),
    ("search", {"q": ["cart"]}),
    ("attributes", {"key": ["zone"]}),
]
#: Those that rest on sums alone, which stay.
STAY: Final = {0, 1, 2, 4, 6, 8, 9}


def write(writer: Writer, actor: Workloads, seconds: range) -> None:
    """Now and then a few connections, by ways through NAT, of a pod that changes."""
    for at in seconds:
        batch = flows(at, at, [1 + at % 3, 0], **{"connection.failed": int(at % 11 == 0)})
        for each in (batch, *actor.of([batch])):
            writer.take(each)
        writer.take(make_ledger({"kernel": {"dropped": {}}}, node="n1", seq=at, window=BEGIN + at))
        writer.sync()
    writer.rotate()
    writer.drained()


def bodies(folder: Path, now: int) -> list[tuple[bytes, bool]]:
    """Of all questions and forms, by a server that has just started."""
    store = SegmentStore(folder)
    try:
        answering = Answering(store, lambda: BEGIN + now)
        return [
            (body.body, body.settled)
            for (name, words), form in itertools.product(ASKED, (FORMS["json"], FORMS["csv"]))
            for body in [answering.body(QUESTIONS[name], {**TIMES, **words}, form)]
        ]
    finally:
        store.close()


def test_answers_that_stay_are_the_same_after_each_rollup(tmp_path: Path) -> None:
    writer = Writer(tmp_path, Limits({1: 120, 10: 240, 60: 86_400}))  # recorded seconds
    actor = Workloads(Ledger())
    write(writer, actor, range(0, 10 * MINUTE, EVERY_S))
    first = bodies(tmp_path, 10 * MINUTE)
    assert {place // 2 for place, (_, settled) in enumerate(first) if settled} == STAY
    steps = []
    for begin, end in ((10, 18), (18, 36)):
        write(writer, actor, range(begin * MINUTE, end * MINUTE, EVERY_S))
        store = SegmentStore(tmp_path)
        window = Window(BEGIN + 2 * MINUTE, BEGIN + 5 * MINUTE)
        steps.append(store.series(window, 1).step_s)
        store.close()
        again = bodies(tmp_path, end * MINUTE)
        for place, ((body, settled), (later, _)) in enumerate(zip(first, again, strict=True)):
            assert not settled or body == later, ASKED[place // 2]
    assert steps == [10, 60], "in which the seconds of the window are kept by then"
    writer.close()
