"""The node's actor: frames in, numbered messages out; nothing that comes in stops it."""

import msgpack
import pytest

from actors.node import NodeActor
from engine.batch import DeltaBatch
from engine.ledger import Ledger
from tests.kernel_model import ModelKernel


def test_a_snapshot_gives_one_second() -> None:
    """Rows, open sockets, ledger and identity of the node are in the message."""
    kernel, ledger = ModelKernel(8), Ledger()
    node = NodeActor("n1", "b1", 8, ledger)
    kernel.connect()
    kernel.connect()
    kernel.move(0, 500)
    (message,) = [DeltaBatch.decode(data) for data in node.handle(kernel.snapshot().encode())]
    assert (message.node, message.boot, message.open_sockets) == ("n1", "b1", 2)
    assert sorted(message.columns["tx_bytes"].tolist()) == [0, 500]
    assert message.ledger["deltas"]["queued"] == 2
    assert ledger.stages["deltas"].delivered == 2
    assert all(stage.balanced for stage in ledger.stages.values())


def test_an_idle_second_still_has_a_message() -> None:
    """Sinks see every second pass, also one in which nothing happened."""
    kernel, node = ModelKernel(8), NodeActor("n", "b", 8, Ledger())
    kernel.connect()
    list(node.handle(kernel.snapshot().encode()))
    (message,) = [DeltaBatch.decode(data) for data in node.handle(kernel.snapshot().encode())]
    assert len(message) == 0
    assert message.open_sockets == 1


def test_messages_are_numbered_without_gaps() -> None:
    """A subscriber can tell that it missed none."""
    kernel, node = ModelKernel(8), NodeActor("n", "b", 8, Ledger())
    numbers = []
    for _ in range(4):
        kernel.connect()
        numbers += [DeltaBatch.decode(data).seq for data in node.handle(kernel.snapshot().encode())]
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
    node = NodeActor("n", "b", 8, ledger)
    assert list(node.handle(data)) == []
    assert ledger.stages["frames"].dropped == {"unreadable": 1}
    assert ledger.stages["frames"].balanced
