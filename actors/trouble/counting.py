"""The actor ``count`` of one of several engines: a tick of windows becomes what it counts, for whoever judges."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np

from actors.detect.edges import Edges
from actors.detect.symptoms import SYMPTOMS
from actors.items import Chunk, Window
from actors.rules.grammar import Rule
from actors.rules.rules import Rules
from actors.trouble.answers import Answers
from actors.trouble.broken import beside
from actors.trouble.counted import Counted, CountedRows
from actors.trouble.deafness import LATE_TICKS
from actors.trouble.drops import Drops
from actors.trouble.instances import Instances
from actors.trouble.leaf_keys import Keys
from actors.trouble.listened import Listened
from actors.trouble.losses import Losses
from actors.trouble.recent import with_reasons
from model.actor import Actor
from model.batch import Batch
from model.kinds.endpoint import ENDPOINT
from model.kinds.ledger import LEDGER
from model.kinds.listener import LISTENER
from model.kinds.workload import FAILURES, OTHER, WORKLOAD
from model.ledger import Ledger

#: Rows of a tick and kind at most: those that count least are left out beyond it, and the tick is not complete.
MOST: Final = 100_000


class _Sums(NamedTuple):
    """Rows by key, ascending; shape (n,), and (n, width)."""

    keys: np.ndarray
    counts: np.ndarray


def names_of(rules: Rules) -> list[str]:
    """What tells counts of these symptoms and rules from others."""
    return [*(symptom.name for symptom in SYMPTOMS), *rules.texts]


class Counting(Actor):
    """Counts windows up to ticks; knows how fast pairs usually are, and nothing else of what is usual.

    :param tick_s: seconds of a tick.
    :param rules: of the user: what they count is counted beside.
    :ivar ill: edges with findings, as whoever judges says; what is slow there becomes no habit.
    """

    def __init__(self, ledger: Ledger, tick_s: int, rules: Rules, most: int = MOST) -> None:
        self.ill = np.zeros(0, np.uint64)
        self._tick_s = tick_s
        self._rules = self._next_rules = rules
        self._most = most
        self._edges = Edges(nodes=False)
        self._instances = Instances(ledger)
        self._keys = Keys()
        self._losses = Losses()
        self._listened = Listened()
        self._drops, self._answers = Drops(), Answers()
        self._stage = ledger.stage("detector", "edges")
        self._begin(None)

    def encode_habits(self) -> bytes:
        """How fast pairs usually are, for a restart."""
        return self._edges.encode_habits()

    def adopt_habits(self, data: bytes) -> None:
        """Go on with what ``encode_habits`` gave.

        :raises ValueError: if it cannot be read.
        """
        self._edges.adopt_habits(data)

    def replace(self, rules: Sequence[Rule]) -> None:
        """Count for these rules from the next tick on."""
        self._next_rules = Rules(rules)

    def handle(self, item: Any) -> Iterator[Counted]:
        """What was counted, when a tick ends; nothing is passed on."""
        match item:
            case Window():
                yield from self._window(item)
            case Chunk() if item.batch.kind is LEDGER:
                self._losses.take(item.batch)
            case Chunk() if item.batch.kind is LISTENER:
                self._listened.take(item)

    def _window(self, window: Window) -> Iterator[Counted]:
        tick = window.number // self._tick_s
        if self._tick is None or tick < self._tick - LATE_TICKS:
            self._begin(tick)
        elif tick < self._tick:
            self._stage.note("late_windows")
            return
        elif tick > self._tick:
            yield from self._end()
            self._begin(tick)
        self._seconds.add(window.number)
        self._drops.add(window.batches)
        batches = [*self._instances.of(window), *self._listened.until(window.number)]
        self._answers.add(batches)
        for batch in batches:
            if batch.kind in self._sums and len(batch):
                self._add(batch)
        if len(self._seconds) == self._tick_s and (window.number + 1) % self._tick_s == 0:
            yield from self._end()
            self._begin(tick + 1)

    def _begin(self, tick: int | None) -> None:
        self._tick, self._seconds, self._whole = tick, set[int](), True
        self._rules = self._next_rules
        self._width = 2 * (len(SYMPTOMS) + len(self._rules)) + len(FAILURES) + 1
        if self._keys.full:
            self._keys = Keys()
        none = _Sums(np.zeros(0, np.int64), np.zeros((0, self._width), np.float32))
        self._sums = {WORKLOAD: none, ENDPOINT: none}

    def _add(self, batch: Batch) -> None:
        """Rows of a second."""
        rows = self._edges.counted(batch, self.ill)
        counts = with_reasons(batch, beside(rows.values[:, :-1], self._rules.counts(batch)))
        counts = np.concatenate((counts, rows.values[:, -1:]), axis=1)
        named = (rows.client != 0) | (rows.server != 0)
        before = self._sums[batch.kind]
        sums = _summed(
            np.concatenate((before.keys, self._keys.of(batch)[named])),
            np.concatenate((before.counts, counts[named])),
        )
        if len(sums.keys) > self._most:
            left_out = len(sums.keys) - self._most
            self._whole = False
            self._stage.note("rows_not_counted", left_out)
            kept = np.sort(np.argpartition(sums.counts[:, :-1].sum(axis=1), left_out)[left_out:])
            sums = _Sums(sums.keys[kept], sums.counts[kept])
        self._sums[batch.kind] = sums

    def _end(self) -> Iterator[Counted]:
        if not self._seconds or self._tick is None:
            return
        both = list(self._sums.values())
        told = self._keys.told(np.concatenate([sums.keys for sums in both]))
        connections, requests = (
            CountedRows(told.client[part], told.server[part], told.what[part], sums.counts)
            for sums, part in zip(
                both, (slice(len(both[0].keys)), slice(len(both[0].keys), None)), strict=True
            )
        )
        complete = self._whole and len(self._seconds) == self._tick_s
        yield _named(
            Counted(
                tick=self._tick,
                complete=complete,
                names=names_of(self._rules),
                said=self._losses.said(),
                ends=told.ends,
                whats=told.whats,
                connections=connections,
                requests=requests,
                drops=self._drops.end_tick(),
                answers=self._answers.end_tick(),
            )
        )


def _named(counted: Counted) -> Counted:
    """With ``OTHER`` in the first place of the ends, as in tables of batches."""
    places = np.array([0 if tuple(end) == _OTHER else 1 for end in counted.ends], np.int64)
    numbers = np.where(places > 0, np.cumsum(places), 0)
    ends = [tuple(OTHER), *(tuple(end) for end, place in zip(counted.ends, places, strict=True) if place)]
    connections, requests = (
        rows._replace(client=numbers[rows.client], server=numbers[rows.server])
        for rows in (counted.connections, counted.requests)
    )
    return replace(counted, ends=ends, connections=connections, requests=requests)


_OTHER: Final = tuple(OTHER)


def _summed(keys: np.ndarray, counts: np.ndarray) -> _Sums:
    once, same = np.unique(keys, return_inverse=True)
    columns = [np.bincount(same, column, len(once)) for column in counts.T]
    return _Sums(once, np.stack(columns, axis=1).astype(np.float32))
