"""The actor ``detect``: a tick of windows makes a look at all edges: what is ill, and what explains it."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from actors.detect.detector import Detector
from actors.detect.edges import Edges
from actors.detect.observations import TICK_S, Event, Findings, Known, Observations, State, summed
from actors.detect.symptoms import SYMPTOMS
from actors.incidents.items import EdgeEvent, Tick
from actors.items import Chunk, Window
from actors.items import Tick as Time
from actors.rules.rules import Broken, Rules
from actors.trouble.broken import beside
from actors.trouble.instances import Instances
from actors.trouble.items import Look, Remembered
from actors.trouble.leaf_keys import name_of
from actors.trouble.losses import Heard, Losses
from actors.trouble.recent import Recent
from actors.trouble.troubles import Troubles, key_of
from actors.workloads.listening import Listening
from model.actor import Actor
from model.batch import Batch
from model.kinds.ledger import LEDGER
from model.kinds.listener import LISTENER
from model.ledger import Ledger

#: Ticks after which all state is kept: five minutes. That of ill edges is kept whenever it changes.
_KEPT_TICKS: Final = 30
#: A window that is older than the open tick by fewer ticks is late; else the clock was put back.
_LATE_TICKS: Final = 6
#: Batches of listeners that wait for their second; of more the oldest are let go.
_LISTENED: Final = 4096
#: Events of edges that one look names at most.
MOST_EVENTS: Final = 200
#: Ticks without any window after which that is said.
_DEAF_TICKS: Final = 2


class _Deaf(NamedTuple):
    """How long nothing has come.

    :param windows: that came, ``counted`` when time was told last.
    :param since: when the last of them was counted; of the monotonic clock, in seconds.
    :param told: ticks of silence that were told.
    """

    windows: int = 0
    counted: int = 0
    since: float = 0.0
    told: int = 0


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
        self._edges = Edges()
        self._detector = Detector(ledger=ledger)
        for data in kept:
            self._detector.adopt(data)
        self._rules = rules
        self._recent = Recent(len(SYMPTOMS) + len(rules), {len(SYMPTOMS) + at for at in rules.of_requests})
        self._instances = Instances(ledger)
        self._stage = ledger.stage("detector", "edges")
        self._losses = Losses()
        self._listening = Listening(Ledger())  # the graph's accounts for the same rows
        self._listened: deque[Batch] = deque(maxlen=_LISTENED)  # of listeners, until their second is joined
        self._heard = Heard(False, 0, 0)
        self._tick: int | None = None
        self._seconds: set[int] = set()
        self._parts: list[Observations] = []
        self._ill = np.zeros(0, np.uint64)
        self._ill_since_kept = np.zeros(0, np.uint64)
        self._unkept = 0
        self._troubles = Troubles(self._edges, self._recent, tick_s, self._detector.usual)
        self._deaf = _Deaf()
        self._away: dict[str, frozenset[str]] = {}  # keys of troubles, by the node that is silent

    def handle(self, item: Any) -> Iterator[Any]:
        """A look when a tick ends; nothing is passed on."""
        match item:
            case Window():
                yield from self._window(item)
            case Chunk() if item.batch.kind is LEDGER:
                self._losses.take(item.batch)
            case Chunk() if item.batch.kind is LISTENER:
                self._listened.extend(made.batch for made in self._listening.handle(item))
            case Time():
                yield from self._time(item.now)

    def finish(self) -> Iterator[Any]:
        """The state, for the next start; the tick under way is not whole, and says nothing."""
        yield Remembered(self._detector.encode(), True, self._rules.encode())

    def _window(self, window: Window) -> Iterator[Any]:
        tick = window.number // self._tick_s
        self._deaf = self._deaf._replace(windows=self._deaf.windows + 1)
        if self._tick is None or tick < self._tick - _LATE_TICKS:
            self._begin(tick)
        elif tick < self._tick:
            self._stage.note("late_windows")
            return
        elif tick > self._tick:
            yield from self._end(self._tick)
            if tick > self._tick:
                yield Look(Tick(self._at(tick), blind=True))
                self._begin(tick)
        self._seconds.add(window.number)
        batches = [*self._instances.of(window), *self._of_listeners(window.number)]
        self._parts.append(self._edges.observe(batches, self._ill, self._told))
        if len(self._seconds) == self._tick_s and (window.number + 1) % self._tick_s == 0:
            yield from self._end(tick)

    def _of_listeners(self, window: int) -> Iterator[Batch]:
        """What listeners dropped until the end of this second."""
        for _ in range(len(self._listened)):
            batch = self._listened.popleft()
            if batch.window <= window:
                yield batch
            else:
                self._listened.append(batch)

    def _told(self, batch: Batch, edges: np.ndarray, counts: np.ndarray) -> None:
        """Rows of a second, and what they count of each symptom."""
        self._recent.add(batch, edges, beside(counts, self._rules.add(batch, edges)))

    def _time(self, now: float) -> Iterator[Look]:
        """Nothing at all comes: there is no data. Once for each tick that is missing."""
        if self._tick is None or self._deaf.windows != self._deaf.counted:
            self._deaf = _Deaf(self._deaf.windows, self._deaf.windows, now)
            return
        ticks = int((now - self._deaf.since) / self._tick_s)
        if ticks >= _DEAF_TICKS and ticks > self._deaf.told:
            self._deaf = self._deaf._replace(told=ticks)
            yield Look(Tick(self._at(self._tick + ticks), blind=True))

    def _at(self, tick: int) -> float:
        return float(tick * self._tick_s)

    def _begin(self, tick: int) -> None:
        self._tick, self._seconds, self._parts = tick, set(), []

    def _end(self, tick: int) -> Iterator[Any]:
        """A look; the next tick begins."""
        self._heard = self._losses.since_last()
        if self._parts:
            complete = len(self._seconds) == self._tick_s and not self._heard.lossy
            before = self._recent.forgotten
            self._recent.end_tick()
            self._stage.note("leaves_forgotten", self._recent.forgotten - before)
            seen = summed(self._parts)
            findings = self._detector.step(tick, seen, Known(all=complete))
            self._troubles.seen(seen)
            yield self._look(tick, findings, self._broken(tick, complete=complete), complete=complete)
            yield from self._kept(findings)
        self._begin(tick + 1)

    def _broken(self, tick: int, *, complete: bool) -> list[Broken]:
        """Rules that are, as the tick ends."""
        before = self._rules.refused
        broken = self._rules.end_tick(self._at(tick), self._at(tick + 1), complete=complete)
        self._stage.note("rule_series_refused", self._rules.refused - before)
        return broken

    def _withheld(self, findings: Findings, going_on: np.ndarray) -> frozenset[str]:
        """Troubles of machines that say nothing any more: that others of the edge are well ends none of them."""
        silent = self._heard.silent
        self._away = {node: keys for node, keys in self._away.items() if node in silent}
        for node in silent - self._away.keys():
            rows = np.flatnonzero(going_on & np.isin(findings.key, self._recent.edges_on(node)))
            self._away[node] = frozenset(key_of(findings, row) for row in rows.tolist())
        return frozenset().union(*self._away.values())

    def _look(self, tick: int, findings: Findings, broken: Sequence[Broken], *, complete: bool) -> Look:
        going_on = findings.state != State.ENDED
        self._ill = np.unique(findings.key[going_on])
        rows = np.flatnonzero(going_on & ~findings.certain)
        unknown = frozenset(key_of(findings, row) for row in rows.tolist())
        troubles, told = self._troubles.of(tick, findings, np.flatnonzero(going_on & findings.certain))
        of_rules, why = self._troubles.of_rules(tick, [each for each in broken if not each.silent])
        unknown |= {each.key for each in broken if each.silent} | self._withheld(findings, going_on)
        return Look(
            Tick(self._at(tick + 1), (*troubles, *of_rules), not complete, unknown),
            told | why,
            (self._heard.whole, self._heard.nodes),
            self._events(tick, findings),
        )

    def _events(self, tick: int, findings: Findings) -> tuple[EdgeEvent, ...]:
        """What happened to edges and is no alarm; beyond the limit it is counted only."""
        keys, events = findings.event_key.tolist(), findings.event.tolist()
        self._stage.note("edge_events", len(keys))
        self._stage.note("edge_events_not_named", max(len(keys) - MOST_EVENTS, 0))
        named = [(self._edges.name(key), Event(event)) for key, event in zip(keys, events, strict=True)]
        return tuple(
            EdgeEvent(
                self._at(tick + 1), what.name.lower(), name_of(name.client), name_of(name.server), name.port
            )
            for name, what in named[:MOST_EVENTS]
            if name
        )

    def _kept(self, findings: Findings) -> Iterator[Remembered]:
        """All state once in a while; that of edges which are ill, or were, when some are so or no more."""
        self._unkept += 1
        self._ill_since_kept = np.union1d(self._ill_since_kept, findings.key)
        if self._unkept >= _KEPT_TICKS:
            yield Remembered(self._detector.encode(), True, self._rules.encode())
            self._unkept, self._ill_since_kept = 0, self._ill
        elif (findings.state != State.ONGOING).any():
            yield Remembered(self._detector.encode(self._ill_since_kept), whole=False)
