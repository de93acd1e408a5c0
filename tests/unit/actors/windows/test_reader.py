"""Messages of the bus become batches: each once, those of older and newer programs, too."""

from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from actors.items import Chunk, Message, Unreadable, Window
from actors.windows.own_ledger import OwnLedger
from actors.windows.reader import SPAN, Reader
from model.batch import Batch
from model.column import Column
from model.kind import Kind
from model.kinds.delta import DELTA
from model.kinds.ledger import LEDGER
from model.ledger import Ledger, Stage
from tailrace.testing.batches import make_ledger
from tailrace.testing.deltas import make_deltas

RECORDED = Path(__file__).parents[3] / "recordings" / "messages"


class Bus:
    """A reader, and what it acknowledged."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.reader = Reader(self.ledger)
        self.acknowledged: list[int] = []
        self._sent = 0

    def send(self, data: bytes) -> list[Any]:
        """What a message becomes."""
        number, self._sent = self._sent, self._sent + 1
        return list(self.reader.handle(Message(data, acknowledge=lambda: self.acknowledged.append(number))))

    def batches(self, data: bytes) -> list[Batch]:
        """The batches in it."""
        return [item.batch for item in self.send(data) if isinstance(item, Chunk)]

    @property
    def stage(self) -> Stage:
        """The stage of messages."""
        return self.ledger.stages["deltas"]


def test_a_message_of_an_unknown_kind_is_left_aside_and_counted() -> None:
    """It is acknowledged, so that the bus forgets it, and no dead letter: nothing is wrong with it."""
    bus, weather = Bus(), Kind("weather", "weathers", (Column("rain", "<u4"),))
    sent = Batch(weather, "n", "b", 0, 1, {"rain": np.ones(3, "<u4")}).encode()
    assert bus.send(sent) == []
    assert bus.acknowledged == [0]
    assert (bus.stage.dropped, bus.stage.balanced) == ({"unknown_kind": 1}, True)


def test_unknown_columns_are_left_aside_and_counted() -> None:
    """The rows come through without them."""
    bus, sent = Bus(), make_deltas(3)
    message = msgpack.unpackb(sent.encode())
    message["columns"] |= {"weather": bytes(12), "mood": b""}
    (batch,) = bus.batches(msgpack.packb(message))
    assert list(batch.rows()) == list(sent.rows())
    assert bus.stage.noted == {"unknown_columns": 2}
    assert not bus.stage.dropped


def test_what_is_no_batch_is_a_dead_letter() -> None:
    """With the reason; who puts it aside acknowledges it."""
    bus = Bus()
    (dead,) = bus.send(b"\x00 no batch")
    assert isinstance(dead, Unreadable)
    assert (dead.reason[:8], bus.acknowledged, bus.stage.dropped) == ("no batch", [], {"unreadable": 1})


def test_the_ledger_within_deltas_of_an_older_agent_goes_on() -> None:
    """It comes with the last message of a window, ahead of its rows."""
    bus = Bus()
    (first,) = bus.batches((RECORDED / "delta_first.msgpack").read_bytes())
    ledger, last = bus.batches((RECORDED / "delta_last.msgpack").read_bytes())
    assert [batch.kind for batch in (first, ledger, last)] == [DELTA, LEDGER, DELTA]
    assert (ledger.node, ledger.boot, ledger.window) == ("node-a", "boot-1", last.window)
    assert ledger.head["open_sockets"] == 3
    assert ledger.head["stages"]["kernel"]["dropped"] == {"ring_full": 1}


def test_an_older_agents_idle_node_is_heard_of() -> None:
    """Of a second without rows the ledger is what there is to say."""
    ledger, rows = Bus().batches((RECORDED / "delta_empty.msgpack").read_bytes())
    assert (ledger.kind, ledger.head["open_sockets"], len(rows)) == (LEDGER, 12, 0)


def test_rows_that_another_engine_moved_bring_no_ledger() -> None:
    """Whoever read them first has handed it on."""
    (rows,) = Bus().batches((RECORDED / "delta_rekeyed.msgpack").read_bytes())
    assert (rows.kind, rows.via) == (DELTA, 3)


def test_a_message_that_comes_again_is_taken_once() -> None:
    """Kinds are numbered apart: a ledger and rows of the same number are two messages."""
    bus = Bus()
    rows, ledger = make_deltas(3, seq=7), make_ledger({}, seq=7)
    assert [len(bus.batches(batch.encode())) for batch in (ledger, rows, ledger, rows)] == [1, 1, 0, 0]
    assert bus.stage.noted["duplicates"] == 2


def test_numbers_that_come_in_another_order_are_taken_once_each() -> None:
    """What is behind the newest by so much that it is not remembered came before."""
    bus, order = (
        Bus(),
        [5000, 4990, 4995, 4990, 5000, 5001, 4995, 4991, 5001 - SPAN, 5002 - SPAN, 5002 - SPAN],
    )
    taken = [number for number in order if bus.batches(make_deltas(1, seq=number).encode())]
    assert taken == [5000, 4990, 4995, 5001, 4991, 5002 - SPAN]
    assert bus.stage.noted["duplicates"] == len(order) - len(taken)


def test_an_engine_says_what_it_lost_itself() -> None:
    """Its own ledger goes ahead of each window, numbered; what is no window is passed on."""
    ledger = Ledger()
    ledger.stage("deltas", "messages").drop("unknown_kind", 3)
    actor = OwnLedger(ledger, "engine", "e1")
    for number in range(2):
        chunk, window = actor.handle(Window(100 + number, ()))
        assert isinstance(chunk, Chunk)
        assert window == Window(100 + number, ())
        said = chunk.batch
        assert (said.kind, said.node, said.boot, said.seq, said.window) == (
            *(LEDGER, "engine", "e1"),
            *(number, 100 + number),
        )
        assert said.head["stages"]["deltas"]["dropped"] == {"unknown_kind": 3}
    rows = Chunk(make_deltas(1))
    assert list(actor.handle(rows)) == [rows]
