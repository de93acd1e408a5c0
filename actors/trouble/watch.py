"""The actor ``detect``: ten windows make a look at all edges, which says what is ill, and what explains it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from actors.detect.detector import Detector
from actors.detect.edges import Edges, Name
from actors.detect.observations import TICK_S, Findings, Known, Observations, State, summed
from actors.detect.symptoms import SYMPTOMS
from actors.explain.causes import Explanation
from actors.incidents.items import Tick, Trouble
from actors.items import Chunk, Window
from actors.trouble.explained import Ill, explanations
from actors.trouble.items import Look, Remembered
from actors.trouble.losses import Losses
from actors.trouble.recent import TICKS, Recent, Who, name_of
from model.actor import Actor
from model.alert import Severity
from model.kinds.ledger import LEDGER
from model.ledger import Ledger

#: Ticks after which all state is kept: five minutes. That of ill edges is kept whenever it changes.
_KEPT_TICKS: Final = 30
#: A window that is older than the open tick by fewer ticks is late; else the clock was put back.
_LATE_TICKS: Final = 6
#: Ticks whose traffic explains a trouble at least.
_LEAST_TICKS: Final = 3
#: Ticks for which the explanation of the same edges holds.
_SAME_TICKS: Final = 3
#: What is bad, as incidents call it, by the detector's symptoms.
SPOKEN: Final = {
    "failed connects": "connect_failed",
    "retransmitted segments": "retransmitted",
    "slow connects": "connect_slow",
    "slow round trips": "slow",
    "reset connections": "reset",
    "failed requests": "request_failed",
    "gRPC errors": "grpc_error",
}
#: Symptoms that hurt nobody yet, and the share of others from which on it is critical.
_SLOW: Final = frozenset({"retransmitted", "connect_slow", "slow"})
_CRITICAL: Final = 0.25


class Watch(Actor):
    """Sums windows up to ticks. Ledgers of nodes say whether data is missing.

    A tick is complete if all its seconds came, and hardly anything of them was lost; of others nothing is learnt,
    and nothing is said to be well.

    :param kept: what ``Remembered`` held, the newest first.
    :raises ValueError: if that cannot be read.
    """

    def __init__(self, ledger: Ledger, kept: Sequence[bytes] = ()) -> None:
        self._edges = Edges()
        self._detector = Detector(ledger=ledger)
        for data in kept:
            self._detector.adopt(data)
        self._recent = Recent(len(SYMPTOMS))
        self._stage = ledger.stage("detector", "edges")
        self._losses = Losses()
        self._tick: int | None = None
        self._seconds: set[int] = set()
        self._parts: list[Observations] = []
        self._ill = np.zeros(0, np.uint64)
        self._ill_since_kept = np.zeros(0, np.uint64)
        self._unkept = 0
        self._explained_at: dict[int, tuple[frozenset[int], int, Mapping[int, Explanation]]] = {}

    def handle(self, item: Any) -> Iterator[Any]:
        """A look when a tick ends; nothing is passed on."""
        match item:
            case Window():
                yield from self._window(item)
            case Chunk() if item.batch.kind is LEDGER:
                self._losses.take(item.batch)

    def finish(self) -> Iterator[Any]:
        """The state, for the next start; the tick under way is not whole, and says nothing."""
        yield Remembered(self._detector.encode(), whole=True)

    def _window(self, window: Window) -> Iterator[Any]:
        tick = window.number // TICK_S
        if self._tick is None or tick < self._tick - _LATE_TICKS:
            self._begin(tick)
        elif tick < self._tick:
            self._stage.note("late_windows")
            return
        elif tick > self._tick:
            yield from self._end(self._tick)
            if tick > self._tick:
                yield Look(Tick(float(tick * TICK_S), blind=True))
                self._begin(tick)
        self._seconds.add(window.number)
        self._parts.append(self._edges.observe(window.batches, self._ill, self._recent.add))
        if len(self._seconds) == TICK_S and window.number % TICK_S == TICK_S - 1:
            yield from self._end(tick)

    def _begin(self, tick: int) -> None:
        self._tick, self._seconds, self._parts = tick, set(), []

    def _end(self, tick: int) -> Iterator[Any]:
        """A look; the next tick begins."""
        lossy = self._losses.since_last()
        if self._parts:
            complete = len(self._seconds) == TICK_S and not lossy
            before = self._recent.forgotten
            self._recent.end_tick()
            self._stage.note("leaves_forgotten", self._recent.forgotten - before)
            findings = self._detector.step(tick, summed(self._parts), Known(all=complete))
            yield self._look(tick, findings, complete=complete)
            yield from self._kept(findings)
        self._begin(tick + 1)

    def _look(self, tick: int, findings: Findings, *, complete: bool) -> Look:
        going_on = findings.state != State.ENDED
        self._ill = np.unique(findings.key[going_on])
        unknown = frozenset(
            _key(int(findings.key[row]), int(findings.symptom[row]))
            for row in np.flatnonzero(going_on & ~findings.certain).tolist()
        )
        rows = {
            row: name
            for row in np.flatnonzero(going_on & findings.certain).tolist()
            if (name := self._edges.name(int(findings.key[row])))
        }
        told = self._explained(tick, findings, rows)
        hit = _hit(rows)
        troubles = tuple(_trouble(findings, row, name, told, hit) for row, name in rows.items())
        return Look(Tick(float((tick + 1) * TICK_S), troubles, not complete, unknown), told)

    def _explained(self, tick: int, findings: Findings, rows: Mapping[int, Name]) -> dict[str, Explanation]:
        """By the key of the trouble."""
        ill: dict[int, list[Ill]] = {}
        for row, name in rows.items():
            ticks = int(np.clip(tick + 1 - findings.since[row] // TICK_S, _LEAST_TICKS, TICKS))
            each = Ill(int(findings.key[row]), name.client, name.server, float(findings.expected[row]), ticks)
            ill.setdefault(int(findings.symptom[row]), []).append(each)
        return {
            _key(id_, symptom): explanation
            for symptom, edges in ill.items()
            for id_, explanation in self._explanations(tick, symptom, edges).items()
        }

    def _explanations(self, tick: int, symptom: int, edges: Sequence[Ill]) -> Mapping[int, Explanation]:
        """By edge; the same edges are explained anew once in a while."""
        ids = frozenset(each.id for each in edges)
        before = self._explained_at.get(symptom)
        if before and before[0] == ids and tick - before[1] < _SAME_TICKS:
            return before[2]
        told = explanations(self._recent, symptom, edges)
        self._explained_at[symptom] = ids, tick, told
        return told

    def _kept(self, findings: Findings) -> Iterator[Remembered]:
        """All state once in a while; that of edges which are ill, or were, when some are so or no more."""
        self._unkept += 1
        self._ill_since_kept = np.union1d(self._ill_since_kept, findings.key)
        if self._unkept >= _KEPT_TICKS:
            yield Remembered(self._detector.encode(), whole=True)
            self._unkept, self._ill_since_kept = 0, self._ill
        elif (findings.state != State.ONGOING).any():
            yield Remembered(self._detector.encode(self._ill_since_kept), whole=False)


def _key(id_: int, symptom: int) -> str:
    return f"{id_:016x}/{SPOKEN[SYMPTOMS[symptom].name]}"


def _hit(rows: Mapping[int, Name]) -> dict[Who, frozenset[str]]:
    """By server, whom it fails: edges with findings. They are one incident, even if nothing explains them."""
    hit: dict[Who, set[str]] = {}
    for name in rows.values():
        edge = f"{name_of(name.client)} > {name_of(name.server)}:{name.port}"
        hit.setdefault(name.server, set()).add(edge)
    return {server: frozenset(edges) for server, edges in hit.items()}


def _trouble(
    findings: Findings,
    row: int,
    name: Name,
    told: Mapping[str, Explanation],
    hit: Mapping[Who, frozenset[str]],
) -> Trouble:
    key = _key(int(findings.key[row]), int(findings.symptom[row]))
    symptom, share = key.partition("/")[2], float(findings.share[row])
    explanation = told.get(key)
    return Trouble(
        key,
        name_of(name.server),
        symptom,
        float(findings.since[row]),
        share,
        float(findings.expected[row]),
        float(findings.bad[row]),
        float(findings.total[row]),
        hit[name.server],
        explanation.causes[0].where if explanation else {},
        _severity(symptom, share),
    )


def _severity(symptom: str, share: float) -> Severity:
    if symptom in _SLOW:
        return "warning"
    return "critical" if share >= _CRITICAL else "error"
