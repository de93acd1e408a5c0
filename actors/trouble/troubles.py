"""Troubles out of findings: whom each hits, what explains it, why it fails, and what began just before."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from actors.detect.edges import Edges, Name
from actors.detect.observations import TICK_S, Findings, Observations
from actors.detect.symptoms import SYMPTOMS
from actors.explain.causes import Explanation
from actors.incidents.items import Trouble
from actors.incidents.message import span_words, where_words
from actors.rules.rules import Broken
from actors.trouble.answers import Answers
from actors.trouble.broken import rule_trouble
from actors.trouble.drops import Drops
from actors.trouble.explained import Ill, explanations
from actors.trouble.leaf_keys import Who
from actors.trouble.nodes import IllNode, IllNodes, Usual, edge_text, subject_of
from actors.trouble.recent import TICKS, Recent
from model.alert import Severity

#: Ticks whose traffic explains a trouble at least.
_LEAST_TICKS: Final = 3
#: Ticks for which the explanation of the same edges holds.
_SAME_TICKS: Final = 3
#: What began so many seconds before trouble, or after it was seen first, may be its cause.
_JUST_BEFORE_S: Final = 900
#: What is bad, as incidents call it, by the detector's symptoms.
SPOKEN: Final = {
    "failed connects": "connect_failed",
    "retransmitted segments": "retransmitted",
    "lost datagrams": "datagram_lost",
    "dropped datagrams": "datagram_dropped",
    "slow connects": "connect_slow",
    "slow round trips": "slow",
    "reset connections": "reset",
    "failed requests": "request_failed",
    "gRPC errors": "grpc_error",
    "full accept queue": "backlog",
    "dropped packets": "drop",
    "failed queries": "dns_error",
}
#: The symptom of which reasons are known.
_WITH_REASON: Final = "connect_failed"
#: Symptoms that packets which a kernel dropped may explain.
_OF_PACKETS: Final = frozenset(
    {"connect_failed", "connect_slow", "retransmitted", "slow", "drop", "datagram_lost", "datagram_dropped"}
    | {"dns_error", "bad_connects", "bad_segments"}
)
#: Symptoms of requests, whose answers are told.
_OF_REQUESTS: Final = frozenset({"request_failed", "grpc_error", "bad_requests", "bad_calls"})
#: Symptoms that hurt nobody yet, and the share of others from which on it is critical.
_SLOW: Final = frozenset(
    {"retransmitted", "datagram_lost", "datagram_dropped", "drop", "connect_slow", "slow"}
)
_CRITICAL: Final = 0.25


class _Same(NamedTuple):
    """What was said of the same ill edges, and at which tick."""

    ids: frozenset[int]
    tick: int
    told: Mapping[int, Explanation]


class Troubles:
    """Says what findings are.

    :param edges: knows names; ``recent`` what they carried of late.
    :param why: packets of them were dropped; how requests of them that failed were answered.
    :param tick_s: seconds of a tick. The detector takes each for ``TICK_S``.
    :param usual: the share that is normal for edges, by the symptom's place.
    """

    def __init__(
        self, edges: Edges, recent: Recent, why: tuple[Drops, Answers], tick_s: int, usual: Usual
    ) -> None:
        self._edges = edges
        self._drops, self._answers = why
        self._recent = recent
        self._tick_s = tick_s
        self._said: dict[int, _Same] = {}  # by symptom
        self._nodes = IllNodes(edges, recent, usual)

    def forget_rules(self) -> None:
        """There are others now: what was said of their edges is no more."""
        self._said = {place: said for place, said in self._said.items() if place < len(SYMPTOMS)}

    def seen(self, observations: Observations) -> None:
        """What was counted in the tick of the findings that are next."""
        self._nodes.parts = observations.parts

    def of(
        self, tick: int, findings: Findings, rows: np.ndarray
    ) -> tuple[tuple[Trouble, ...], dict[str, Explanation]]:
        """Troubles, and explanations by their keys.

        :param rows: findings that go on and are certain.
        """
        named = {row: name for row in rows.tolist() if (name := self._edges.name(int(findings.key[row])))}
        edges = {row: name for row, name in named.items() if name.what == "edge"}
        told = self._explained(tick, findings, edges)
        reasons = self._reasons(tick, findings, edges)
        hit = _hit(edges)
        whose = {row: hit[name.server] for row, name in edges.items()}
        known: dict[int, list[Explanation]] = defaultdict(list)
        for row in edges:
            if explanation := told.get(key_of(findings, row)):
                known[int(findings.symptom[row])].append(explanation)
        thin = self._thin(tick, findings, named, edges)
        for row, node in sorted(thin.items(), key=lambda item: item[1].order):
            key = key_of(findings, row)
            whose[row] = node.hit
            if explanation := self._nodes.explanation(key, tick, node, known[node.symptom]):
                known[node.symptom].append(explanation)
                told[key] = self._with_beginning(explanation, self._since(findings, row))
            if key.endswith(f"/{_WITH_REASON}"):
                reasons[int(findings.key[row])] = self._nodes.reason(node)
        troubles = (self._trouble(findings, row, whose[row], told, reasons) for row in whose)
        return tuple(self._with_why(tick, each) for each in troubles), told

    def _thin(
        self, tick: int, findings: Findings, named: Mapping[int, Name], edges: Mapping[int, Name]
    ) -> dict[int, IllNode]:
        """Nodes that say more than findings of their edges, by row."""
        of_symptom: dict[int, set[str]] = defaultdict(set)
        for row, name in edges.items():
            of_symptom[int(findings.symptom[row])].add(edge_text(name))
        self._nodes.begin()
        told = {}
        for row in named.keys() - edges.keys():
            node = self._node(tick, findings, row)
            if not node.is_told_by(of_symptom[node.symptom]):
                told[row] = node
        return told

    def _node(self, tick: int, findings: Findings, row: int) -> IllNode:
        id_, symptom = int(findings.key[row]), int(findings.symptom[row])
        return self._nodes.of(key_of(findings, row), id_, symptom, _ticks(tick, int(findings.since[row])))

    def of_rules(self, tick: int, broken: Sequence[Broken]) -> tuple[list[Trouble], dict[str, Explanation]]:
        """The same of rules of the user that are broken: the traffic that a rule counts explains it."""
        told: dict[str, Explanation] = {}
        for place in sorted({each.place for each in broken}):
            mine = [each for each in broken if each.place == place]
            ill = {edge.id: edge for each in mine for edge in self._beyond(tick, each)}
            found = self._explanations(tick, len(SYMPTOMS) + place, list(ill.values()))
            for each in mine:
                if explanation := next((found[id_] for id_ in each.edges if id_ in found), None):
                    told[each.key] = self._with_beginning(explanation, each.since)
        troubles = [rule_trouble(each, self._names(each.edges), told.get(each.key)) for each in broken]
        return [self._with_why(tick, each) for each in troubles], told

    def _beyond(self, tick: int, broken: Broken) -> Iterator[Ill]:
        """Edges beyond what is allowed; if none is by itself, all of them."""
        ids = [id_ for id_, share in broken.edges.items() if share > broken.rule.limit] or list(broken.edges)
        ticks = _ticks(tick, int(broken.since // self._tick_s * TICK_S))
        for id_ in ids:
            if name := self._edges.name(id_):
                yield Ill(id_, name.client, name.server, broken.normal, ticks)

    def _names(self, ids: Iterable[int]) -> frozenset[str]:
        """Of edges, as incidents have them."""
        return frozenset(edge_text(name) for id_ in ids if (name := self._edges.name(id_)))

    def _trouble(
        self,
        findings: Findings,
        row: int,
        edges: frozenset[str],
        told: Mapping[str, Explanation],
        reasons: Mapping[int, str],
    ) -> Trouble:
        key, id_, share = key_of(findings, row), int(findings.key[row]), float(findings.share[row])
        name, symptom = self._edges.name(id_), key.partition("/")[2]
        assert name is not None
        explanation = told.get(key)
        where = explanation.causes[0].where if explanation else {}
        return Trouble(
            key,
            subject_of(name, edges, where),
            symptom,
            self._since(findings, row),
            share,
            float(findings.expected[row]),
            float(findings.bad[row]),
            float(findings.total[row]),
            edges,
            where,
            _severity(symptom, share),
            reasons.get(id_, "") if symptom == _WITH_REASON else "",
            everywhere=explanation is not None and explanation.everywhere,
        )

    def _with_why(self, tick: int, trouble: Trouble) -> Trouble:
        """With the reason for which kernels dropped its packets, or with the answers of requests that failed."""
        ticks = _ticks(tick, int(trouble.since // self._tick_s * TICK_S))
        if trouble.symptom in _OF_PACKETS:
            return replace(trouble, dropped=self._drops.words(trouble.edges, ticks, trouble.bad))
        if trouble.symptom in _OF_REQUESTS:
            return replace(trouble, answered=self._answers.words(trouble.edges, ticks))
        return trouble

    def _since(self, findings: Findings, row: int) -> float:
        return float(findings.since[row] // TICK_S * self._tick_s)

    def _explained(self, tick: int, findings: Findings, rows: Mapping[int, Name]) -> dict[str, Explanation]:
        """By the key of the trouble."""
        ill: dict[int, list[Ill]] = {}
        for row, name in rows.items():
            ticks = _ticks(tick, int(findings.since[row]))
            each = Ill(int(findings.key[row]), name.client, name.server, float(findings.expected[row]), ticks)
            ill.setdefault(int(findings.symptom[row]), []).append(each)
        told = {symptom: self._explanations(tick, symptom, edges) for symptom, edges in ill.items()}
        return {
            key_of(findings, row): self._with_beginning(explanation, self._since(findings, row))
            for row in rows
            if (explanation := told[int(findings.symptom[row])].get(int(findings.key[row])))
        }

    def _explanations(self, tick: int, symptom: int, edges: Sequence[Ill]) -> Mapping[int, Explanation]:
        """By edge; the same edges are explained anew once in a while."""
        ids = frozenset(each.id for each in edges)
        before = self._said.get(symptom)
        if before and before.ids == ids and tick - before.tick < _SAME_TICKS:
            return before.told
        told = explanations(self._recent, symptom, edges)
        self._said[symptom] = _Same(ids, tick, told)
        return told

    def _with_beginning(self, explanation: Explanation, since: float) -> Explanation:
        """With what is new in its first cause."""
        where = explanation.causes[0].where
        first = self._recent.keys.first_seen(where)
        if first is None or abs(since - first) > _JUST_BEFORE_S:
            return explanation
        words = f"{span_words(max(since - first, 0))} after {where_words(where)} was first seen"
        return replace(explanation, just_before=[words])

    def _reasons(self, tick: int, findings: Findings, rows: Mapping[int, Name]) -> dict[int, str]:
        """By edge, of those whose connects fail."""
        failed = [row for row in rows if key_of(findings, row).endswith(f"/{_WITH_REASON}")]
        if not failed:
            return {}
        ticks = _ticks(tick, int(min(findings.since[row] for row in failed)))
        return self._recent.reasons([int(findings.key[row]) for row in failed], ticks)


def key_of(findings: Findings, row: int) -> str:
    """Of a trouble: its edge and symptom."""
    return f"{int(findings.key[row]):016x}/{SPOKEN[SYMPTOMS[int(findings.symptom[row])].name]}"


def _ticks(tick: int, since: int) -> int:
    """How many of the last explain a trouble.

    :param since: as the detector says it, in seconds.
    """
    return int(np.clip(tick + 1 - since // TICK_S, _LEAST_TICKS, TICKS))


def _hit(rows: Mapping[int, Name]) -> dict[Who, frozenset[str]]:
    """By server, whom it fails: edges with findings. They are one incident, even if nothing explains them."""
    hit: dict[Who, set[str]] = {}
    for name in rows.values():
        hit.setdefault(name.server, set()).add(edge_text(name))
    return {server: frozenset(edges) for server, edges in hit.items()}


def _severity(symptom: str, share: float) -> Severity:
    if symptom in _SLOW:
        return "warning"
    return "critical" if share >= _CRITICAL else "error"
