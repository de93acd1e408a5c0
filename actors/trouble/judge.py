"""Judges ticks: findings of the detector and broken rules become a look at everything, with what explains it."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from actors.detect.detector import Detector
from actors.detect.edges import Edges
from actors.detect.observations import Event, Findings, Known, Observations, State
from actors.detect.symptoms import SYMPTOMS
from actors.incidents.items import EdgeEvent, Tick
from actors.rules.rules import Broken, Rules
from actors.trouble.answers import Answers
from actors.trouble.drops import Drops
from actors.trouble.items import Look
from actors.trouble.leaf_keys import name_of
from actors.trouble.losses import Heard
from actors.trouble.recent import Recent
from actors.trouble.troubles import Troubles, key_of
from model.ledger import Ledger

#: Events of edges that one look names at most.
MOST_EVENTS: Final = 200
#: A tick is bad that has so many times the bad ones that are normal.
_BAD: Final = 2.0


class Judge:
    """Knows what is usual. Whoever has it gives names to ``edges``, rows to ``recent`` and counts to ``rules``.

    :param kept: what ``detector.encode`` gave, the newest first.
    :param tick_s: seconds of a tick.
    :raises ValueError: if that cannot be read.
    :ivar ill: edges and nodes with findings; uint64, ascending.
    :ivar heard: of nodes, in the last tick.
    """

    def __init__(self, ledger: Ledger, kept: Sequence[bytes], tick_s: int, rules: Rules) -> None:
        self.edges = Edges()
        self.detector = Detector(ledger=ledger)
        for data in kept:
            self.detector.adopt(data)
        self.rules = rules
        self.recent = Recent(len(SYMPTOMS) + len(rules), {len(SYMPTOMS) + at for at in rules.of_requests})
        self.ill = np.zeros(0, np.uint64)
        self.heard = Heard(False, 0, 0)
        self._tick_s = tick_s
        self._stage = ledger.stage("detector", "edges")
        self.drops, self.answers = Drops(), Answers()
        why = (self.drops, self.answers)
        self._troubles = Troubles(self.edges, self.recent, why, tick_s, self.detector.usual)
        self._counts: dict[str, tuple[float, float]] = {}  # bad and all of findings so far, by key
        self._away: dict[str, frozenset[str]] = {}  # keys of troubles, by the node that is silent
        self._edges_on: dict[str, np.ndarray] = {}  # ids of edges, likewise

    def at(self, tick: int) -> float:
        """When it begins, in Unix seconds."""
        return float(tick * self._tick_s)

    def watch(self, rules: Rules) -> None:
        """These from the next tick on; what is known of those that read as before stays."""
        if kept := self.rules.encode():
            rules.adopt(kept)
        before, first = self.rules.texts, len(SYMPTOMS)
        places = [first + before.index(text) if text in before else -1 for text in rules.texts]
        self.recent.measure([*range(first), *places], {first + at for at in rules.of_requests})
        self._troubles.forget_rules()
        self.rules = rules

    def end_tick(
        self, tick: int, seen: Observations, heard: Heard, *, complete: bool
    ) -> tuple[Look, Findings]:
        """What is ill after a tick.

        :param complete: whether all its seconds came; of one that is not nothing is learnt.
        """
        self.heard = heard
        complete = complete and not heard.lossy
        before = self.recent.forgotten
        self.recent.end_tick()
        for counts, name in ((self.drops, "drop_reasons_left_out"), (self.answers, "answers_left_out")):
            left_out = counts.left_out
            counts.end_tick()
            self._stage.note(name, counts.left_out - left_out)
        self._stage.note("leaves_forgotten", self.recent.forgotten - before)
        findings = self.detector.step(tick, seen, Known(all=complete, unheard=self._edges_away()))
        self._troubles.seen(seen)
        broken = self._broken(tick, complete=complete)
        return self._look(tick, findings, broken, complete=complete), findings

    def _broken(self, tick: int, *, complete: bool) -> list[Broken]:
        """Rules that are, as the tick ends."""
        before = self.rules.refused
        broken = self.rules.end_tick(self.at(tick), self.at(tick + 1), complete=complete)
        self._stage.note("rule_series_refused", self.rules.refused - before)
        return broken

    def _edges_away(self) -> np.ndarray:
        """Edges of machines that say nothing any more: what nobody reports of them is no silence."""
        away = self.heard.away
        for node in away - self._edges_on.keys():
            self._edges_on[node] = self.recent.edges_on(node)
        self._edges_on = {node: ids for node, ids in self._edges_on.items() if node in away}
        return self._of_machines_away

    @property
    def _of_machines_away(self) -> np.ndarray:
        return np.concatenate([np.zeros(0, np.uint64), *self._edges_on.values()])

    def _withheld(self, findings: Findings, going_on: np.ndarray) -> frozenset[str]:
        """Troubles of machines that say nothing any more: that others of the edge are well ends none of them."""
        silent = self.heard.silent
        self._away = {node: keys for node, keys in self._away.items() if node in silent}
        for node in silent - self._away.keys():
            rows = np.flatnonzero(going_on & np.isin(findings.key, self._edges_on[node]))
            self._away[node] = frozenset(key_of(findings, row) for row in rows.tolist())
        return frozenset().union(*self._away.values())

    def _only_going_on(
        self, findings: Findings, going_on: np.ndarray, withheld: frozenset[str]
    ) -> np.ndarray:
        """Of those that are withheld, findings of which nothing bad was counted in this tick: what others of the edge
        see is well, and a finding takes its time to end; bool."""
        before, self._counts = self._counts, {}
        only = np.zeros(len(going_on), np.bool_)
        for row in np.flatnonzero(going_on).tolist():
            key, bad, total = key_of(findings, row), float(findings.bad[row]), float(findings.total[row])
            self._counts[key] = bad, total
            was_bad, was_total = before.get(key, (0.0, 0.0))
            normal = _BAD * float(findings.expected[row]) * (total - was_total)
            only[row] = key in withheld and bad - was_bad <= normal
        return only

    def _look(self, tick: int, findings: Findings, broken: Sequence[Broken], *, complete: bool) -> Look:
        going_on = findings.state != State.ENDED
        self.ill = np.unique(findings.key[going_on])
        withheld = self._withheld(findings, going_on)
        certain = findings.certain & ~self._only_going_on(findings, going_on, withheld)
        unknown = frozenset(key_of(findings, row) for row in np.flatnonzero(going_on & ~certain).tolist())
        troubles, told = self._troubles.of(tick, findings, np.flatnonzero(going_on & certain))
        of_rules, why = self._troubles.of_rules(tick, [each for each in broken if not each.silent])
        unknown |= {each.key for each in broken if each.silent} | withheld
        return Look(
            Tick(self.at(tick + 1), (*troubles, *of_rules), not complete, unknown),
            told | why,
            (self.heard.whole, self.heard.nodes),
            self._events(tick, findings),
        )

    def _events(self, tick: int, findings: Findings) -> tuple[EdgeEvent, ...]:
        """What happened to edges and is no alarm; beyond the limit it is counted only."""
        less = (findings.event == Event.LESS) & np.isin(findings.event_key, self._of_machines_away)
        keys, events = findings.event_key[~less].tolist(), findings.event[~less].tolist()
        self._stage.note("edge_events", len(keys))
        self._stage.note("edge_events_not_named", max(len(keys) - MOST_EVENTS, 0))
        named = [(self.edges.name(key), Event(event)) for key, event in zip(keys, events, strict=True)]
        return tuple(
            EdgeEvent(
                self.at(tick + 1), what.name.lower(), name_of(name.client), name_of(name.server), name.port
            )
            for name, what in named[:MOST_EVENTS]
            if name
        )
