"""Seconds on their way through an engine, all of its partitions at once: held, re-keyed, joined. Pure: it is told the
time."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from actors.join.cross_node import Rekeyer
from actors.join.joiner import Joiner
from model.batch import Batch
from model.kinds.flow import FLOW
from model.ledger import Stage
from model.partition import partition_of

#: The share of a window's wait in which other nodes' announcements of its rewrites come; what they make of rows has
#: the rest to get where it belongs.
SETTLE_SHARE: Final = 0.5
#: Windows, beside those of the wait itself, by which the newest messages are ahead of one that waits for no more:
#: what is behind is caught up with.
AHEAD: Final = 2
#: Rows held at most, about 300 bytes each; past it the oldest window is closed at once.
HELD_ROWS: Final = 4_000_000


@dataclass
class _Window:
    """What came of one window.

    :param since: when the first of it came.
    :param unsettled: batches not yet looked at, with their partitions.
    :param tokens: what acknowledges each message.
    :param partitions: of which something came.
    """

    since: float
    unsettled: list[tuple[int, Batch]] = field(default_factory=list)
    settled: list[Batch] = field(default_factory=list)
    tokens: list[Any] = field(default_factory=list)
    partitions: set[int] = field(default_factory=set)
    rows: int = 0


class WindowJoin:
    """Holds each window for ``wait_seconds`` from its first message, until all nodes' reports of it are there.

    :param partitions: of the deltas; a row goes to another one than it came in where an entry that its node did not
        know of says that its connection belongs there.
    :param stage: in rows; what goes to another partition is noted there.
    """

    def __init__(
        self, partitions: int, joiner: Joiner, rekeyer: Rekeyer, stage: Stage, wait_seconds: float
    ) -> None:
        self._partitions = partitions
        self._joiner = joiner
        self._rekeyer = rekeyer
        self._stage = stage
        self._wait = wait_seconds
        self._windows: dict[int, _Window] = {}
        self._ahead = AHEAD + math.ceil(wait_seconds)
        self._newest: dict[int, int] = {}  # window, by partition
        self._rows = 0

    def add(self, batch: Batch, partition: int, token: Any, now: float) -> None:
        """Takes a message of that partition in; ``token`` comes back when its rows are in flows."""
        window = self._windows.setdefault(batch.window, _Window(now))
        window.unsettled.append((partition, batch))
        window.tokens.append(token)
        window.partitions.add(partition)
        window.rows += len(batch)
        self._rows += len(batch)
        self._newest[partition] = max(self._newest.get(partition, 0), batch.window)

    def moving(self, now: float) -> Iterator[tuple[int, Batch]]:
        """Rows that belong to other partitions, with those, of windows that have settled."""
        for number, window in self._windows.items():
            if self._settled(number, window, now):
                batches, window.unsettled = window.unsettled, []
                for partition, batch in batches:
                    followed = self._rekeyer.follow(batch)
                    if followed is batch:  # where its node sent it, it belongs
                        window.settled.append(batch)
                        continue
                    mine, away = self._divided(followed, partition)
                    window.settled.append(mine)
                    yield from away

    def _settled(self, number: int, window: _Window, now: float) -> bool:
        patient = now - window.since < SETTLE_SHARE * self._wait and not self._hurried(number, window)
        return bool(window.unsettled) and not patient

    def _divided(self, batch: Batch, partition: int) -> tuple[Batch, list[tuple[int, Batch]]]:
        """The rows of this partition, and those of others. What came from another stays: no row wanders about."""
        if batch.via >= 0:
            return batch, []
        places = partition_of(batch.columns, self._partitions)
        away = np.unique(places[places != partition]).tolist()
        if not away:
            return batch, []
        self._stage.note("rekeyed", int(np.count_nonzero(places != partition)))
        parts = [(place, _some(batch, places == place, partition)) for place in away]
        return _some(batch, places == partition, batch.via), parts

    def due(self, now: float) -> list[int]:
        """Windows that wait for no more, the oldest first."""
        return [
            number
            for number, window in sorted(self._windows.items())
            if now - window.since >= self._wait or self._hurried(number, window)
        ]

    def _hurried(self, number: int, window: _Window) -> bool:
        behind = min(self._newest[partition] for partition in window.partitions)
        return number < behind - self._ahead or (self._rows > HELD_ROWS and number == min(self._windows))

    def close(self, number: int) -> tuple[list[Batch], list[Any]]:
        """The flows of a window, and the tokens of its messages. Nodes' books come as batches without rows."""
        window = self._windows.pop(number)
        self._rows -= window.rows
        batches = window.settled + [batch for _, batch in window.unsettled]
        for batch in batches:
            self._joiner.add(replace(batch, head={"open_sockets": 0}))
        flows = list(self._joiner.close(number))
        return flows + [
            _books(batch) for batch in batches if batch.head["ledger"] and batch.via < 0
        ], window.tokens


def _some(batch: Batch, rows: np.ndarray, via: int) -> Batch:
    columns = {name: column[rows] for name, column in batch.columns.items()}
    columns["nat.index"], chains = batch.tables["chains"].used(columns["nat.index"])
    return replace(batch, columns=columns, tables={**batch.tables, "chains": chains}, via=via)


def _books(batch: Batch) -> Batch:
    """A node's ledger on its way to the sinks; ``chunks`` is 0: it is no part of a window."""
    return Batch(
        FLOW, batch.node, batch.boot, batch.seq, batch.window, FLOW.empty(), head=batch.head, chunks=0
    )
