"""Judges what several engines counted: each edge once, by all that was seen of it."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from actors.detect.edges import EdgeRows
from actors.detect.observations import Findings, Observations, summed
from actors.detect.symptoms import SYMPTOMS
from actors.incidents.items import Tick
from actors.rules.grammar import Rule
from actors.rules.rules import Rules
from actors.trouble.counted import Counted, CountedRows
from actors.trouble.counting import names_of
from actors.trouble.deafness import LATE_TICKS, Deafness
from actors.trouble.gathered import Gathered, Gathering
from actors.trouble.instances import Instance
from actors.trouble.items import Look
from actors.trouble.judge import Judge
from actors.trouble.leaf_keys import Whats
from actors.trouble.losses import Silences
from model.kinds.workload import FAILURES, Workload
from model.ledger import Ledger

#: What is known of edges and nodes is kept in so many parts, by the first bits of their ids, each once in so many
#: ticks: five minutes. A part of 200,000 edges is half a megabyte.
SHARDS: Final = 64
_ROUND: Final = 30
#: Of ill ones state is kept each tick: of so many at most.
_MOST_ILL: Final = 4096
#: Keys of state that is kept.
ILL: Final = "ill"
RULES: Final = "rules"


class KeptState(NamedTuple):
    """State to be kept, in place of what was kept under the same key."""

    key: str
    data: bytes


class Ill(NamedTuple):
    """Edges with findings, for those who count; uint64."""

    edges: np.ndarray


class SharedWatch:
    """Of the engine that leads.

    :param kept: what ``KeptState`` held, by key.
    :param tick_s: seconds of a tick.
    :param rules: of the user.
    :raises ValueError: if that cannot be read.
    """

    def __init__(self, ledger: Ledger, kept: Mapping[str, bytes], tick_s: int, rules: Rules) -> None:
        newest_first = sorted(kept, key=lambda key: (key != ILL, key))
        states = [kept[key] for key in newest_first if key != RULES]
        self._tick_s = tick_s
        if RULES in kept:
            rules.adopt(kept[RULES])
        self._judge = Judge(ledger, states, tick_s, rules)
        self._gathering = Gathering()
        self._silences = Silences()
        self._deafness = Deafness(tick_s)
        self._stage = ledger.stage("detector", "edges")
        self._names = names_of(rules)
        self._last: int | None = None
        self._ticks = 0
        self._ill: deque[np.ndarray] = deque(maxlen=_ROUND)
        self._next_rules: Rules | None = None

    def replace(self, rules: Sequence[Rule]) -> None:
        """Watch these rules as soon as an engine counts for them."""
        self._next_rules = Rules(rules)

    def add(self, who: str, counted: Counted) -> Iterator[Look | KeptState | Ill]:
        """What an engine counted; ticks that are whole, or were waited for long enough, are judged."""
        self._deafness.heard()
        if self._last is not None and counted.tick < self._last - LATE_TICKS:
            self._gathering, self._last = Gathering(), None  # the clock was put back
        late = self._gathering.late
        for gathered in self._gathering.add(who, counted):
            yield from self._end(gathered)
        self._stage.note("late_counts", self._gathering.late - late)

    def time(self, now: float) -> Iterator[Look]:
        """Nothing at all may have come: there is no data.

        :param now: of the monotonic clock, in seconds.
        """
        if self._last is not None and (ticks := self._deafness.ticks(now)):
            yield Look(Tick(self._judge.at(self._last + ticks), blind=True))

    def _end(self, gathered: Gathered) -> Iterator[Look | KeptState | Ill]:
        tick = gathered.tick
        if self._last is not None and tick > self._last + 1:
            yield Look(Tick(self._judge.at(tick), blind=True))
        self._last = tick
        self._take_rules(gathered)
        parts = [part for part in gathered.parts if list(part.names) == self._names]
        others = len(gathered.parts) - len(parts)
        self._stage.note("counts_of_other_rules", others)
        said: dict[str, bool] = {}
        for part in parts:
            for node, lossy in part.said.items():
                said[node] = said.get(node, False) or lossy
        complete = not gathered.missing and not others and all(part.complete for part in parts)
        seen = [self._seen(part, rows) for part in parts for rows in (part.connections, part.requests)]
        heard = self._silences.heard(said)
        self._judge.drops.add_counted(each for part in parts for each in part.drops)
        self._judge.answers.add_counted(each for part in parts for each in part.answers)
        if not seen:
            yield Look(Tick(self._judge.at(tick + 1), blind=True))
            return
        before = self._judge.ill
        look, findings = self._judge.end_tick(tick, summed(seen), heard, complete=complete)
        yield look
        if len(before) or len(self._judge.ill):
            yield Ill(self._judge.ill)
        yield from self._kept(findings)

    def _take_rules(self, gathered: Gathered) -> None:
        """Those that are next, once there are counts of them."""
        rules = self._next_rules
        if rules is not None and any(list(part.names) == names_of(rules) for part in gathered.parts):
            self._judge.watch(rules)
            self._names, self._next_rules = names_of(rules), None

    def _seen(self, part: Counted, rows: CountedRows) -> Observations:
        """What rows say of edges; beside, rules and explanations hear of them."""
        judge, requests = self._judge, rows is part.requests
        table: Sequence[Any] = [_end(end) for end in part.ends]  # each has the fields of a workload
        port = np.array([int(what[0]) for what in part.whats] or [0], np.uint16)[rows.what]
        width = len(SYMPTOMS) + len(judge.rules)
        counts, symptoms = rows.counts.astype(np.float64), np.arange(len(SYMPTOMS))
        values = counts[:, [*symptoms, *(width + symptoms), 2 * width + len(FAILURES)]]
        if requests:  # failed requests are those of workloads here, and those of endpoints where they explain
            values[:, [_FAILED_REQUESTS, len(SYMPTOMS) + _FAILED_REQUESTS]] = 0
        edges = judge.edges.ids(table, rows.client, rows.server, port)
        ends = EdgeRows(table, rows.client, rows.server, port, edges, values)
        of_rules = np.arange(len(SYMPTOMS), width)
        judge.rules.take(ends, counts[:, [*of_rules, *(width + of_rules)]])
        whats = Whats(part.whats, rows.what, part.tick * self._tick_s)
        judge.recent.add_counted(ends, whats, counts[:, :-1], requests=requests)
        return judge.edges.observed([ends])

    def _kept(self, findings: Findings) -> Iterator[KeptState]:
        """A part of all state; and that of edges which are ill, or were in the last round."""
        self._ticks += 1
        for shard in range(self._ticks % _ROUND, SHARDS, _ROUND):
            yield KeptState(f"{shard:02d}", self._judge.detector.encode_part(shard, SHARDS))
        if self._ticks % _ROUND == 0 and len(self._judge.rules):
            yield KeptState(RULES, self._judge.rules.encode())
        was_ill = any(len(each) for each in self._ill)
        self._ill.append(findings.key)
        if was_ill or len(findings):
            keys = np.unique(np.concatenate(self._ill))[:_MOST_ILL]
            yield KeptState(ILL, self._judge.detector.encode(keys))


def _end(fields: tuple[str, ...]) -> Workload | Instance:
    return Instance(*fields) if len(fields) > len(Workload._fields) else Workload(*fields)


_FAILED_REQUESTS: Final = [symptom.name for symptom in SYMPTOMS].index("failed requests")
