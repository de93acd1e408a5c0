"""All rules: what rows count goes in, and what breaks a rule comes out as each tick ends."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from actors.detect.edges import EdgeRows
from actors.rules.grammar import BURNS, Rule
from actors.rules.series import Kept, Series
from model.alert import Severity
from model.batch import Batch
from model.kinds.endpoint import ENDPOINT
from model.kinds.workload import Workload

#: The edges whose traffic is bad that are named of one series.
MOST_EDGES: Final = 1000
#: Names by workload that are remembered.
_NAMES: Final = 100_000


class Broken(NamedTuple):
    """A rule that is broken.

    :param place: of the rule among all.
    :param subject: a workload, an edge, or the rule's name.
    :param share: of bad ones, since it is broken or in the objective's window; ``normal`` when it is not.
    :param edges: ids of those whose traffic is bad, the worst first, and the share of each.
    :param silent: whether nothing was heard of it just now.
    """

    place: int
    rule: Rule
    subject: str
    since: float
    share: float
    normal: float
    bad: float
    total: float
    severity: Severity
    says: str
    edges: Mapping[int, float]
    silent: bool

    @property
    def key(self) -> str:
        """The same as long as it lasts."""
        return f"rule/{self.rule.name}/{self.subject}"


class _Edges(NamedTuple):
    """Traffic of a tick with bad ones in it: series, edge, bad and total; shape (n,)."""

    series: np.ndarray
    ids: np.ndarray
    counts: np.ndarray


class Rules:
    """Of a configuration.

    :ivar refused: series that there was no room for so far.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._series = [Series(rule) for rule in rules]
        self._edges: list[list[_Edges]] = [[] for _ in rules]
        self._worst: list[dict[int, dict[int, float]]] = [{} for _ in rules]
        self._names: dict[Workload, str] = {}

    def __len__(self) -> int:
        return len(self._rules)

    @property
    def texts(self) -> list[str]:
        """What tells them from others: name and words."""
        return [f"{rule.name}: {rule.text}" for rule in self._rules]

    @property
    def of_requests(self) -> list[int]:
        """Places of rules that count requests."""
        return [place for place, rule in enumerate(self._rules) if rule.ratio.kind is ENDPOINT]

    @property
    def refused(self) -> int:
        """Rows of tables for which no series was free."""
        return sum(series.refused for series in self._series)

    def add(self, batch: Batch, edges: np.ndarray) -> np.ndarray:
        """Rows of a second.

        :param edges: the id of each row's edge.
        :returns: as ``counts`` does.
        """
        told = self.counts(batch)
        client, server = (batch.columns[f"{side}.workload.index"] for side in _SIDES)
        ends = EdgeRows(batch.tables["workloads"], client, server, batch.columns["server.port"], edges, told)
        self.take(ends, told)
        return told

    def counts(self, batch: Batch) -> np.ndarray:
        """Bad ones of each rule that rows count, then all of each; shape (n, 2 rules)."""
        told = np.zeros((len(batch), 2 * len(self)))
        for place, rule in enumerate(self._rules):
            if rule.ratio.kind is batch.kind:
                told[:, [place, len(self) + place]] = rule.ratio.counts(batch)
        return told

    def take(self, ends: EdgeRows, told: np.ndarray) -> None:
        """Rows of the tick under way, as ``counts`` counted them."""
        names = self._table(ends.table) if self._rules else []
        for place in range(len(self)):
            counts = told[:, [place, len(self) + place]]
            rows = np.flatnonzero(counts[:, 1] > 0)
            if not len(rows):
                continue
            numbers = self._numbers(place, ends, rows, names)
            rows, numbers = rows[numbers >= 0], numbers[numbers >= 0]
            self._series[place].add(numbers, counts[rows])
            bad = counts[rows, 0] > 0
            self._edges[place].append(_Edges(numbers[bad], ends.edges[rows[bad]], counts[rows[bad]]))

    def end_tick(self, begin: float, end: float, *, complete: bool) -> list[Broken]:
        """What is broken now; the next tick begins."""
        broken: list[Broken] = []
        for place, rule in enumerate(self._rules):
            series = self._series[place]
            found = series.end_tick(begin, end, complete=complete)
            self._note_edges(place, found.rows)
            for at, number in enumerate(found.rows.tolist()):
                since, share, normal, bad, total = (float(column[at]) for column in found[1:6])
                burn = int(found.burn[at])
                each = Broken(
                    place=place,
                    rule=rule,
                    subject=series.names[number],
                    since=since,
                    share=share,
                    normal=normal,
                    bad=bad,
                    total=total,
                    severity=rule.severity_of(BURNS[burn]) if rule.slo else rule.severity,
                    says=_says(rule, burn, share),
                    edges=self._worst[place].get(number, {}),
                    silent=bool(found.silent[at]),
                )
                broken.append(each)
        return broken

    def encode(self) -> bytes:
        """All that is to be known after a restart; empty without rules."""
        pairs = zip(self._rules, self._series, strict=True)
        kept = {rule.name: series.kept() for rule, series in pairs}
        return zlib.compress(msgspec.msgpack.encode(kept), 1) if kept else b""

    def adopt(self, data: bytes) -> None:
        """What ``encode`` returned; rules that are new or read otherwise begin anew.

        :raises ValueError: if that cannot be read.
        """
        try:
            kept = msgspec.msgpack.decode(zlib.decompress(data), type=dict[str, Kept])
        except (zlib.error, msgspec.DecodeError) as error:
            raise ValueError(f"what was kept of rules is damaged ({error})") from None
        for rule, series in zip(self._rules, self._series, strict=True):
            if rule.name in kept:
                series.adopt(kept[rule.name])

    def _table(self, table: Sequence[Workload]) -> list[str]:
        """Names of workloads, as incidents have them."""
        if len(self._names) > _NAMES:
            self._names.clear()
        return [self._name(workload) for workload in table]

    def _name(self, workload: Workload) -> str:
        if workload not in self._names:
            space, name = workload.namespace, workload.name
            self._names[workload] = f"{space}/{name}" if space else name or "other"
        return self._names[workload]

    def _numbers(self, place: int, ends: EdgeRows, rows: np.ndarray, names: list[str]) -> np.ndarray:
        """The series of each row; each different name is looked up once."""
        by, series = self._rules[place].by, self._series[place]
        if by == "all":
            return np.full(len(rows), series.number(self._rules[place].name))
        client, server = (column[rows].astype(np.int64) for column in (ends.client, ends.server))
        if by != "edge":
            used, same = np.unique(client if by == "client" else server, return_inverse=True)
            return np.array([series.number(names[index]) for index in used.tolist()], np.int64)[same]
        port = ends.port[rows].astype(np.int64)
        keys = ((client * len(names) + server) << 16) | port
        _, first, same = np.unique(keys, return_index=True, return_inverse=True)
        told = zip(client[first].tolist(), server[first].tolist(), port[first].tolist(), strict=True)
        said = [f"{names[one]} > {names[other]}:{number}" for one, other, number in told]
        return np.array([series.number(each) for each in said], np.int64)[same]

    def _note_edges(self, place: int, rows: np.ndarray) -> None:
        """The bad edges of series that are bad; those of before where none was in this tick."""
        parts, self._edges[place] = self._edges[place], []
        before, self._worst[place] = self._worst[place], {}
        for number in rows.tolist():
            now = _worst([_Edges(*(column[part.series == number] for column in part)) for part in parts])
            self._worst[place][number] = now or before.get(number, {})


_SIDES: Final = ("client", "server")


def _worst(parts: Sequence[_Edges]) -> dict[int, float]:
    """The share of bad ones by edge, those with the most first."""
    if not parts:
        return {}
    ids, same = np.unique(np.concatenate([part.ids for part in parts]), return_inverse=True)
    counts = np.concatenate([part.counts for part in parts])
    bad, total = (np.bincount(same, counts[:, column], len(ids)) for column in (0, 1))
    order = np.argsort(-bad, kind="stable")[:MOST_EDGES]
    return dict(zip(ids[order].tolist(), (bad[order] / total[order]).tolist(), strict=True))


def _says(rule: Rule, burn: int, share: float) -> str:
    """What stands behind the share in the message."""
    ratio = rule.ratio
    what = f"of {ratio.things.replace('_', ' ')} {ratio.text.replace('slower:', 'slower than ')}"
    if not rule.slo:
        return f"{what} (rule {rule.name}: at most {_percent(rule.limit)})"
    hours = BURNS[burn].long // 60
    times = share / rule.limit
    return f"{what} in {hours} h, {times:,.0f} times the budget (rule {rule.name}: {_percent(rule.limit)})"


def _percent(share: float) -> str:
    return f"{100 * share:.6g} %"
