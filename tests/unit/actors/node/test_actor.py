"""The node's actor: frames in, numbered messages out; nothing that comes in stops it."""

import msgpack
import numpy as np
import pytest

from actors.node.actor import NodeActor
from model.enricher import Entity
from model.ledger import Ledger
from model.message import decode
from probes.kernel.event_types import EventTypes
from probes.kernel.frames import EventFrame
from probes.kernel.layout import structs
from probes.registry import PROBES
from tests.kernel_model import KIND, ModelKernel

EVENT_TYPES = EventTypes(PROBES)


def test_a_snapshot_gives_one_second() -> None:
    """Rows, open sockets, ledger and identity of the node are in the message."""
    kernel, ledger = ModelKernel(8), Ledger()
    node = NodeActor("n1", "b1", 8, ledger, EVENT_TYPES)
    kernel.connect()
    kernel.connect()
    kernel.move(0, 500)
    (message,) = [decode(data) for data in node.handle(kernel.snapshot().encode())]
    assert (message.node, message.boot, message.head["open_sockets"]) == ("n1", "b1", 2)
    assert sorted(message.columns["tx_bytes"].tolist()) == [0, 500]
    assert message.head["ledger"]["deltas"]["queued"] == 2
    assert ledger.stages["deltas"].delivered == 2
    assert all(stage.balanced for stage in ledger.stages.values())


def test_an_idle_second_still_has_a_message() -> None:
    """Sinks see every second pass, also one in which nothing happened."""
    kernel, node = ModelKernel(8), NodeActor("n", "b", 8, Ledger(), EVENT_TYPES)
    kernel.connect()
    list(node.handle(kernel.snapshot().encode()))
    (message,) = [decode(data) for data in node.handle(kernel.snapshot().encode())]
    assert len(message) == 0
    assert message.head["open_sockets"] == 1


def test_messages_are_numbered_without_gaps() -> None:
    """A subscriber can tell that it missed none."""
    kernel, node = ModelKernel(8), NodeActor("n", "b", 8, Ledger(), EVENT_TYPES)
    numbers = []
    for _ in range(4):
        kernel.connect()
        numbers += [decode(data).seq for data in node.handle(kernel.snapshot().encode())]
    assert numbers == [0, 1, 2, 3]


def broken_frames() -> list[bytes]:
    whole = ModelKernel(8).snapshot().encode()
    message = msgpack.unpackb(whole)
    changes: list[dict[str, object]] = [{"v": 2}, {"account": {}}, {"account": 3}, {"cells": b"x"}]
    without = [
        {key: value for key, value in message.items() if key != name} for name in message.keys() - {"feeds"}
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
    node = NodeActor("n", "b", 8, ledger, EVENT_TYPES)
    assert list(node.handle(data)) == []
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

    def attributes(self, pid: int, cgroup_path: str, at_ns: int) -> Entity:
        """Its number."""
        return {"process.owner": f"{pid} in {cgroup_path} at {at_ns}"}


def test_each_event_goes_to_who_learns_from_its_kind() -> None:
    """Executions reach the learner of processes, with the clock; sockets' ends still reach the table; unknown kinds
    are counted."""
    kernel, ledger, who = ModelKernel(8), Ledger(), Everybody()
    node = NodeActor("n", "b", 8, ledger, EVENT_TYPES, who=who)
    kernel.connect()
    kernel.close(0)
    events = np.concatenate((kernel.drain(1).events, np.zeros(3, structs()["socket_event"])))
    executions = events.view(structs()["exec_event"])
    executions["header"]["kind"][1:] = KIND["KIND_EXEC"], 99, KIND["KIND_EXEC"]
    executions["pid"][1:] = 41, 42, 43
    assert list(node.handle(EventFrame(7, events).encode())) == []
    (taken, offset), *more = who.learnt
    assert (taken["pid"].tolist(), offset, more) == ([41, 43], 7, [])
    (message,) = [decode(data) for data in node.handle(kernel.snapshot().encode())]
    assert message.columns["connection.closed"].tolist() == [1]
    stage = ledger.stages["sockets"]
    assert (stage.received, stage.delivered, stage.dropped) == (2, 1, {"unknown_kind": 1})


def test_executions_need_no_learner() -> None:
    """Without one they are left aside, and are no ends of sockets."""
    ledger, events = Ledger(), np.zeros(2, structs()["socket_event"])
    events["header"]["kind"] = KIND["KIND_EXEC"]
    list(NodeActor("n", "b", 8, ledger, EVENT_TYPES).handle(EventFrame(0, events).encode()))
    assert (ledger.stages["sockets"].received, ledger.lost) == (0, 0)
