"""What probes of other packages make of their events: rows ahead of the deltas of the same second."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from actors.items import Chunk, Events
from actors.node.messages import Messages
from actors.node.receivers import Receivers
from model.arrays import Columns
from model.batch import Batch
from model.column import Column
from model.kind import Kind
from model.kinds.delta import DELTA
from model.kinds.ledger import LEDGER
from model.ledger import Ledger
from tests.chain import through

SUM = Kind("sum", "sums", (Column("sum", "<u8"), Column("note", "S4", default=b"none")))
ROW = np.dtype([("number", "<u2")])


class Sums:
    """Adds numbers up; one row a second if there was one."""

    name, kind = "sums", SUM

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.offsets: list[int] = []

    def take(self, events: np.ndarray, offset_ns: int) -> None:
        if 13 in events["number"]:
            raise ValueError("thirteen")
        self.numbers += events["number"].tolist()
        self.offsets.append(offset_ns)

    def rows(self) -> Columns:
        numbers, self.numbers = self.numbers, []
        if 77 in numbers:
            raise ValueError("seventy-seven")
        return {"sum": np.array([sum(numbers)], np.int16)} if numbers else {}


def events(*numbers: int, receiver: str = "sums") -> Events:
    """Events with these numbers."""
    return Events(receiver, np.array([(number,) for number in numbers], ROW), 5)


def second(window: int) -> Batch:
    """The deltas of a second without any."""
    return Batch(DELTA, "n", "b", 0, window, DELTA.empty(), head={"open_sockets": 0, "ledger": {}})


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def handled(ledger: Ledger) -> Callable[..., list[Any]]:
    """What the actor gives for these items."""
    actor = Receivers([Sums()], ledger)
    return lambda *items: [made for item in items for made in actor.handle(item)]


def test_rows_come_before_the_deltas_of_their_second(
    handled: Callable[..., list[Any]], ledger: Ledger
) -> None:
    """As the kind lays them out, columns that were left out with their defaults; then the receiver begins anew."""
    rows, deltas, next_deltas = handled(events(3, 4), events(5), second(9), second(10))
    assert (rows.kind, rows.node, rows.boot, rows.window) == (SUM, "n", "b", 9)
    assert (rows.columns["sum"].tolist(), rows.columns["sum"].dtype.str) == ([12], "<u8")
    assert rows.columns["note"].tolist() == [b"none"]
    assert [batch.kind for batch in (deltas, next_deltas)] == [DELTA, DELTA]
    assert ledger.stages["receiver.sums"].delivered == 3


def test_what_is_for_others_is_passed_on(handled: Callable[..., list[Any]]) -> None:
    """Events of another receiver, and whatever else comes."""
    others = events(1, receiver="nobody")
    assert handled(others, "anything") == [others, "anything"]


def test_a_receiver_that_fails_is_counted_and_asked_again(
    handled: Callable[..., list[Any]], ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """Events of the failed call are lost under a reason; the log says it once; deltas come all the same."""
    made = handled(events(13, 1), events(13), second(1), events(2), second(2), events(77), second(3))
    assert [batch.kind for batch in made] == [DELTA, SUM, DELTA, DELTA]
    stage = ledger.stages["receiver.sums"]
    assert (stage.received, stage.delivered, stage.dropped, stage.noted["failures"]) == (
        5,
        2,
        {"receiver_failed": 3},
        3,
    )
    assert stage.balanced
    assert [record.getMessage() for record in caplog.records] == [
        "receiver sums failed (ValueError: thirteen)"
    ]


def test_rows_are_numbered_without_gaps(ledger: Ledger) -> None:
    """Node, boot, kind and number name one message for good; stages of receivers go with those of the node."""
    actors = [Receivers([Sums()], ledger), Messages(ledger)]
    made = [item for window in (1, 2) for item in (events(window), second(window))]
    chunks = [chunk for item in made for chunk in through(actors, item) if isinstance(chunk, Chunk)]
    sums = [(chunk.batch.seq, chunk.batch.window) for chunk in chunks if chunk.batch.kind is SUM]
    assert sums == [(0, 1), (1, 2)]
    stages = [chunk.batch.head["stages"] for chunk in chunks if chunk.batch.kind is LEDGER]
    assert [(list(each), each["receiver.sums"]["delivered"]) for each in stages] == [
        (["deltas", "receiver.sums"], 1),
        (["deltas", "receiver.sums"], 2),
    ]
