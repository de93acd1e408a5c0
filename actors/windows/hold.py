"""Holds the messages of each second until it is complete, and moves rows to where their connection is joined."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from actors.items import Chunk, Message, Receipt, Tick, Window
from actors.windows.completeness import Completeness
from actors.windows.cross_node import CrossNode
from model.actor import Actor
from model.batch import Batch
from model.kinds.delta import DELTA
from model.kinds.drop import DROP


@dataclass
class _Held:
    """What came of one window.

    :param unsettled: messages not yet looked at by who follows connections across nodes.
    """

    unsettled: list[Chunk] = field(default_factory=list)
    settled: list[Batch] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)


class WindowHold(Actor):
    """Gives each window once it is complete.

    :param completeness: says when that is.
    :param cross_node: moves rows to other partitions; all stay where they came without.
    """

    def __init__(self, completeness: Completeness, cross_node: CrossNode | None = None) -> None:
        self._completeness = completeness
        self._cross_node = cross_node
        self._windows: dict[int, _Held] = {}

    def handle(self, item: Any) -> Iterator[Any]:
        """Windows that a message or a tick completes, and rows that belong to other partitions, as messages."""
        match item:
            case Chunk() if item.batch.kind in (DELTA, DROP):
                held = self._windows.setdefault(item.batch.window, _Held())
                if item.batch.kind is DELTA:
                    held.unsettled.append(item)
                else:
                    held.settled.append(item.batch)
                held.receipts += item.receipts
                if self._completeness.came(item):
                    yield from self._pass_on(item.at)
            case Tick():
                yield from self._pass_on(item.now)
            case _:
                yield item

    def finish(self) -> Iterator[Any]:
        """All windows, however little they have waited."""
        yield from self._pass_on(math.inf)

    def _pass_on(self, now: float) -> Iterator[Any]:
        for number in self._completeness.settled(now):
            if number in self._windows:
                yield from self._settle(self._windows[number])
        for number in self._completeness.complete(now):
            if held := self._windows.pop(number, None):  # a clock that was put back names a window twice
                yield self._window(number, held)

    def _settle(self, held: _Held) -> Iterator[Message]:
        chunks, held.unsettled = held.unsettled, []
        for chunk in chunks:
            if self._cross_node is None:
                held.settled.append(chunk.batch)
                continue
            batch, moved = self._cross_node.divided(chunk.batch, chunk.partition)
            held.settled.append(batch)
            for partition, rows in moved:
                yield Message(rows.encode(), partition, len(rows))

    def _window(self, number: int, held: _Held) -> Window:
        batches = held.settled + [chunk.batch for chunk in held.unsettled]
        return Window(number, tuple(batches), tuple(held.receipts))
