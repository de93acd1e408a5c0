"""The actors of a node, one behind the other: frames in, numbered messages out; nothing that comes in stops them."""

import msgpack
import numpy as np
import pytest

from actors.items import Chunk, Message
from actors.nat.nat_resolver import NatResolver
from actors.nat.table import NatTable
from actors.node.enricher import NodeEnricher
from actors.node.frames import Frames
from actors.node.messages import Messages, Partitions
from actors.node.owners import WhoIs
from actors.node.socket_state import SocketState
from model.actor import Actor
from model.batch import Batch
from model.column import Column
from model.enricher import Entity
from model.frame_source import Origin
from model.kind import Kind
from model.kinds.delta import DELTA
from model.kinds.ledger import LEDGER
from model.ledger import Ledger
from model.partition import partition_of
from probes.kernel.frames import EventFrame
from probes.kernel.layout import structs
from tests.chain import through
from tests.declared import EVENT_TYPES, KIND
from tests.kernel_model import ModelKernel


class Node:
    """All actors of a node with eight slots."""

    def __init__(
        self, ledger: Ledger | None = None, who: WhoIs | None = None, partitions: Partitions | None = None
    ) -> None:
        self.ledger = ledger or Ledger()
        self._actors: list[Actor] = [
            Frames(self.ledger, EVENT_TYPES),
            SocketState(Origin("n1", "b1", 8), self.ledger),
            NatResolver(8, NatTable(64, self.ledger.stage("nat", "entries")), self.ledger),
            NodeEnricher(8, who),
            Messages(self.ledger, partitions),
        ]

    def handle(self, frame: bytes) -> list[Batch]:
        """The batches that a frame gives rise to."""
        return [chunk.batch for chunk in self.chunks(frame)]

    def chunks(self, frame: bytes) -> list[Chunk]:
        """The same with their partitions."""
        return [item for item in through(self._actors, Message(frame)) if isinstance(item, Chunk)]

    def behind_frames(self, batch: Batch) -> list[Chunk]:
        """What comes of rows that somebody makes of frames himself."""
        return [item for item in through(self._actors[1:], batch) if isinstance(item, Chunk)]


def test_a_snapshot_gives_one_second() -> None:
    """First its ledger with the open sockets, then its rows, both under the name of the node."""
    kernel, ledger = ModelKernel(8), Ledger()
    node = Node(ledger)
    kernel.connect()
    kernel.connect()
    kernel.move(0, 500)
    said, message = node.handle(kernel.snapshot().encode())
    assert [(one.node, one.boot, one.window) for one in (said, message)] == [("n1", "b1", said.window)] * 2
    assert (said.kind, message.kind) == (LEDGER, DELTA)
    assert (said.head["open_sockets"], said.head["stages"]["deltas"]["queued"]) == (2, 2)
    assert sorted(message.columns["tx_bytes"].tolist()) == [0, 500]
    assert ledger.stages["deltas"].delivered == 2
    assert all(stage.balanced for stage in ledger.stages.values())


def test_an_idle_second_still_has_a_message() -> None:
    """Sinks see every second pass, also one in which nothing happened."""
    kernel, node = ModelKernel(8), Node()
    kernel.connect()
    node.handle(kernel.snapshot().encode())
    said, message = node.handle(kernel.snapshot().encode())
    assert len(message) == 0
    assert said.head["open_sockets"] == 1


def test_messages_are_numbered_without_gaps() -> None:
    """Of each kind: a subscriber can tell that it missed none."""
    kernel, node = ModelKernel(8), Node()
    numbers: dict[str, list[int]] = {"delta": [], "ledger": []}
    for _ in range(4):
        kernel.connect()
        for batch in node.handle(kernel.snapshot().encode()):
            numbers[batch.kind.name].append(batch.seq)
    assert numbers == {"delta": [0, 1, 2, 3], "ledger": [0, 1, 2, 3]}


class Two:
    """A bus of two partitions."""

    partitions, max_bytes = 2, 100_000


def test_a_bus_gets_the_ledger_once_and_rows_where_their_connection_is_joined() -> None:
    """Also in a second without rows, so that whoever watches knows that the node counts."""
    kernel, node = ModelKernel(8), Node(partitions=Two())
    quiet = node.chunks(kernel.snapshot().encode())
    assert [chunk.batch.kind for chunk in quiet] == [LEDGER]
    for _ in range(6):
        kernel.connect()
    said, *rows = node.chunks(kernel.snapshot().encode())
    assert (said.batch.kind, said.partition, sum(map(len, rows))) == (LEDGER, quiet[0].partition, 6)
    for chunk in rows:
        assert set(partition_of(chunk.batch.columns, 2).tolist()) == {chunk.partition}


def broken_frames() -> list[bytes]:
    whole = ModelKernel(8).snapshot().encode()
    message = msgpack.unpackb(whole)
    changes: list[dict[str, object]] = [{"v": 2}, {"account": {}}, {"account": 3}, {"cells": b"x"}]
    without = [
        {key: value for key, value in message.items() if key != name}
        for name in message.keys() - {"feeds", "missed"}
    ]
    return [
        b"",
        b"\x00garbage",
        whole[:-7],
        *map(msgpack.packb, [message | change for change in changes] + without),
    ]


@pytest.mark.parametrize("data", broken_frames())
def test_a_broken_frame_is_counted_and_left_out(data: bytes) -> None:
    """Bytes that are no frame do not end the actor."""
    ledger = Ledger()
    node = Node(ledger)
    assert node.handle(data) == []
    assert ledger.stages["frames"].dropped == {"unreadable": 1}
    assert ledger.stages["frames"].balanced


class Everybody:
    """Knows every process by its number."""

    version = 1

    def __init__(self) -> None:
        self.learnt: list[tuple[np.ndarray, int]] = []

    def learn(self, events: np.ndarray, offset_ns: int) -> None:
        """Remembers."""
        self.learnt.append((events, offset_ns))

    def attributes(self, pid: int, program: int, cgroup_path: str, at_ns: int) -> Entity:
        """Its number."""
        return {"process.owner": f"{pid} in {cgroup_path} at {at_ns}"}


def test_each_event_goes_to_who_learns_from_its_kind() -> None:
    """Executions reach the learner of processes, with the clock; sockets' ends still reach the table; unknown kinds
    are counted."""
    kernel, ledger, who = ModelKernel(8), Ledger(), Everybody()
    node = Node(ledger, who)
    kernel.connect()
    kernel.close(0)
    events = np.concatenate((kernel.drain(1).events, np.zeros(3, structs("tcp")["socket_event"])))
    executions = events.view(structs("process")["exec_event"])
    executions["header"]["kind"][1:] = KIND["KIND_EXEC"], 99, KIND["KIND_EXEC"]
    executions["pid"][1:] = 41, 42, 43
    assert node.handle(EventFrame(7, events).encode()) == []
    (taken, offset), *more = who.learnt
    assert (taken["pid"].tolist(), offset, more) == ([41, 43], 7, [])
    _, message = node.handle(kernel.snapshot().encode())
    assert message.columns["connection.closed"].tolist() == [1]
    stage = ledger.stages["sockets"]
    assert (stage.received, stage.delivered, stage.dropped) == (2, 1, {"unknown_kind": 1})


def test_executions_need_no_learner() -> None:
    """Without one they are left aside, and are no ends of sockets."""
    ledger, events = Ledger(), np.zeros(2, structs("tcp")["socket_event"])
    events["header"]["kind"] = KIND["KIND_EXEC"]
    Node(ledger).handle(EventFrame(0, events).encode())
    assert (ledger.stages["sockets"].received, ledger.lost) == (0, 0)


def test_rows_of_other_kinds_pass_through() -> None:
    """Numbered apart, all of a node in one partition, however many seconds there are."""
    kind = Kind("ping", "pings", (Column("hops", "<u1"),))
    node = Node(partitions=Two())
    chunks = [
        chunk
        for window in range(3)
        for chunk in node.behind_frames(Batch(kind, "n1", "b1", 0, window, kind.empty(4)))
    ]
    assert [(chunk.batch.kind, chunk.batch.seq, len(chunk)) for chunk in chunks] == [
        (kind, seq, 4) for seq in range(3)
    ]
    assert len({chunk.partition for chunk in chunks}) == 1
