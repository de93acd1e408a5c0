"""The actor ``detect``: a tick of windows makes a look at all edges: what is ill, and what explains it."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from actors.detect.observations import TICK_S, Findings, Observations, State, summed
from actors.incidents.items import Tick
from actors.items import Chunk, Window
from actors.items import Tick as Time
from actors.rules.grammar import Rule
from actors.rules.rules import Rules
from actors.trouble.broken import beside
from actors.trouble.deafness import LATE_TICKS, Deafness
from actors.trouble.instances import Instances
from actors.trouble.items import Look, Remembered
from actors.trouble.judge import Judge
from actors.trouble.listened import Listened
from actors.trouble.losses import Losses
from model.actor import Actor
from model.batch import Batch
from model.kinds.ledger import LEDGER
from model.kinds.listener import LISTENER
from model.ledger import Ledger

#: Ticks after which all state is kept: five minutes. That of ill edges is kept whenever it changes.
_KEPT_TICKS: Final = 30


class Watch(Actor):
    """Sums windows up to ticks. Ledgers of nodes say whether data is missing.

    A tick is complete if all its seconds came, and hardly anything of them was lost; of others nothing is learnt,
    and nothing is said to be well.

    :param kept: what ``Remembered`` held, the newest first.
    :param tick_s: seconds of a tick.
    :param rules: of the user, that are watched beside.
    :raises ValueError: if that cannot be read.
    """

    def __init__(
        self,
        ledger: Ledger,
        kept: Sequence[bytes] = (),
        tick_s: int = TICK_S,
        rules: Rules = Rules(()),  # noqa: B008 - holds nothing
    ) -> None:
        self._tick_s = tick_s
        self._judge = Judge(ledger, kept, tick_s, rules)
        self._instances = Instances(ledger)
        self._stage = ledger.stage("detector", "edges")
        self._losses = Losses()
        self._listened = Listened()
        self._tick: int | None = None
        self._seconds: set[int] = set()
        self._parts: list[Observations] = []
        self._ill_since_kept = np.zeros(0, np.uint64)
        self._unkept = 0
        self._deafness = Deafness(tick_s)
        self._next_rules: Rules | None = None

    def replace(self, rules: Sequence[Rule]) -> None:
        """Watch these rules from the next tick on."""
        self._next_rules = Rules(rules)

    def adopt_habits(self, data: bytes) -> None:
        """Go on with what ``Remembered`` held of how fast pairs usually are.

        :raises ValueError: if it cannot be read.
        """
        self._judge.edges.adopt_habits(data)

    def handle(self, item: Any) -> Iterator[Any]:
        """A look when a tick ends; nothing is passed on."""
        match item:
            case Window():
                yield from self._window(item)
            case Chunk() if item.batch.kind is LEDGER:
                self._losses.take(item.batch)
            case Chunk() if item.batch.kind is LISTENER:
                self._listened.take(item)
            case Time():
                yield from self._time(item.now)

    def finish(self) -> Iterator[Any]:
        """The state, for the next start; the tick under way is not whole, and says nothing."""
        yield self._whole()

    def _window(self, window: Window) -> Iterator[Any]:
        tick = window.number // self._tick_s
        self._deafness.heard()
        if self._tick is None or tick < self._tick - LATE_TICKS:
            self._begin(tick)
        elif tick < self._tick:
            self._stage.note("late_windows")
            return
        elif tick > self._tick:
            yield from self._end(self._tick)
            if tick > self._tick:
                yield Look(Tick(self._judge.at(tick), blind=True))
                self._begin(tick)
        self._seconds.add(window.number)
        self._judge.drops.add(window.batches)
        batches = [*self._instances.of(window), *self._listened.until(window.number)]
        self._judge.answers.add(batches)
        self._parts.append(self._judge.edges.observe(batches, self._judge.ill, self._told))
        if len(self._seconds) == self._tick_s and (window.number + 1) % self._tick_s == 0:
            yield from self._end(tick)

    def _told(self, batch: Batch, edges: np.ndarray, counts: np.ndarray) -> None:
        """Rows of a second, and what they count of each symptom."""
        self._judge.recent.add(batch, edges, beside(counts, self._judge.rules.add(batch, edges)))

    def _time(self, now: float) -> Iterator[Look]:
        if self._tick is not None and (ticks := self._deafness.ticks(now)):
            yield Look(Tick(self._judge.at(self._tick + ticks), blind=True))

    def _begin(self, tick: int) -> None:
        self._tick, self._seconds, self._parts = tick, set(), []
        if self._next_rules is not None:
            self._judge.watch(self._next_rules)
            self._next_rules = None

    def _end(self, tick: int) -> Iterator[Any]:
        """A look; the next tick begins."""
        heard = self._losses.since_last()
        if self._parts:
            whole = len(self._seconds) == self._tick_s
            look, findings = self._judge.end_tick(tick, summed(self._parts), heard, complete=whole)
            yield look
            yield from self._kept(findings)
        self._begin(tick + 1)

    def _whole(self) -> Remembered:
        judge = self._judge
        return Remembered(judge.detector.encode(), True, judge.rules.encode(), judge.edges.encode_habits())

    def _kept(self, findings: Findings) -> Iterator[Remembered]:
        """All state once in a while; that of edges which are ill, or were, when some are so or no more."""
        self._unkept += 1
        self._ill_since_kept = np.union1d(self._ill_since_kept, findings.key)
        if self._unkept >= _KEPT_TICKS:
            yield self._whole()
            self._unkept, self._ill_since_kept = 0, self._judge.ill
        elif (findings.state != State.ONGOING).any():
            yield Remembered(self._judge.detector.encode(self._ill_since_kept), whole=False)
