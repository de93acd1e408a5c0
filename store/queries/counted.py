"""What causes are looked for in: bad of all by the values of attributes, out of edges or endpoints of a window."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from actors.explain.leaves import (
    UNKNOWN,
    Either,
    Leaves,
    dispersion_of,
    expected_by_rate,
    expected_of_rate,
    healthy_rate,
)
from store.measures import Measures
from store.queries.dropped import DROPS, OTHER_KIND, Kind, kinds_of
from store.queries.groups import workload_key
from store.queries.pairs import Side
from store.queries.parameters import FailureKind, WhereParameters
from store.queries.requested import counted_once
from store.queries.scope import Scope
from store.queries.tables import selected_rows
from store.reading import Drops, Edges, Instance, Window

#: Parts of requests in which causes are looked for. The status is none of them: it says what failed, not where.
_PARTS: Final = ("method", "route", "host")
#: The same of dropped packets: the kind of reason, the chain and the machine that dropped them.
_OF_DROPS: Final = ("drop.reason", "drop.chain", "drop.node")
#: Kinds of drops that are told apart; packets of the others are together in the last.
_KINDS: Final = 8
#: Attributes of instances, and how each is called. The coarser name stands first: it is told first.
_OF_INSTANCES: Final = ("region", "node", "image", "instance", "process")
#: Attributes that a cause may have at either end.
_AT_EITHER_END: Final = ("region", "zone", "node")


@dataclass(frozen=True)
class Rows:
    """Edges, or endpoints, of a window; arrays of the same length.

    :param ids: of edges or endpoints; ``edges`` of the edges that they are of.
    :param clients: workload ids; ``servers`` likewise.
    :param parts: what requests were of, or why packets were dropped; empty for connects.
    """

    ids: np.ndarray
    edges: np.ndarray
    clients: np.ndarray
    servers: np.ndarray
    ports: np.ndarray
    bad: np.ndarray
    total: np.ndarray
    parts: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Counted:
    """Leaves with the rows that they were made of.

    :param leaf: of each row of the window.
    :param vague: values of which the store does not know one from another: sums of a workload that has several.
    :param unsure: attributes with so many vague values that nothing can be said against them.
    """

    leaves: Leaves
    either: Sequence[Either]
    rows: Rows
    leaf: np.ndarray
    vague: frozenset[tuple[str, str]]
    unsure: frozenset[str]

    def inside(self, where: Mapping[str, str]) -> np.ndarray:
        """Rows that have these values; places."""
        leaves, mask = self.leaves, np.ones(len(self.leaves), np.bool_)
        ends = {each.name: (each.first, each.second) for each in self.either}
        for name, value in where.items():
            places = ends.get(name) or (leaves.names.index(name),)
            code = leaves.values[places[0]].index(value)
            mask &= np.any(leaves.codes[:, list(places)] == code, axis=1)
        return np.flatnonzero(mask[self.leaf])


def counted_failures(measures: Measures, of: FailureKind) -> tuple[np.ndarray, np.ndarray]:
    """What failed of each row, of how many."""
    if of == "requests":
        return measures["requests.failed"].astype(np.int64), measures["requests"].astype(np.int64)
    if of == "drops":
        dropped, *sent = (measures[name].astype(np.int64) for name in DROPS)
        return dropped, dropped + sum(sent)
    failed = measures["connections.failed"].astype(np.int64)
    return failed, failed + measures["connections.opened"].astype(np.int64)


_Sides = Sequence[tuple[Side, Window]]


def counted(scope: Scope, asked: WhereParameters) -> Counted | None:
    """Those that are meant; None if there is nothing to explain."""
    sides = [(scope.pairs.now, scope.when.window)]
    if scope.pairs.before is not None and scope.when.against is not None:
        sides.append((scope.pairs.before, scope.when.against))
    read = _dropped_rows if asked.of == "drops" else _failed_rows
    now, before = (*read(scope, asked, sides), None)[:2]
    assert now is not None
    if not now.bad.any():
        return None
    return _Made(scope, bool({"region", "node", "instance", "process"} & set(asked.by))).of(now, before)


def _failed_rows(scope: Scope, asked: WhereParameters, sides: _Sides) -> list[Rows]:
    """Of each window: edges, or the endpoints of their requests."""
    return [_rows(scope, asked, side, window) for side, window in sides]


def _edges(scope: Scope, asked: WhereParameters, side: Side) -> Edges:
    """Those that are meant."""
    rows = selected_rows(scope, asked.select, asked.edge)
    return side.edges.take(np.flatnonzero(np.isin(side.pairs, rows)))


def _dropped_rows(scope: Scope, asked: WhereParameters, sides: _Sides) -> list[Rows]:
    """Of each window: each edge once for each kind of drop, of all of its packets.

    A kind is a value like others then: of the packets that it could have hit some were dropped for it.
    """
    edges = [_edges(scope, asked, side) for side, _ in sides]
    told = [scope.store.drops(window, each.ids) for each, (_, window) in zip(edges, sides, strict=True)]
    kinds = [kinds_of(each) for each in told]
    packets: Counter[Kind] = Counter()
    for mine, each in zip(kinds, told, strict=True):
        for kind, count in zip(mine, each.packets.tolist(), strict=True):
            packets[kind] += count
    names = [kind for kind, _ in packets.most_common(_KINDS - 1)]
    if len(packets) > len(names):
        names.append(OTHER_KIND)
    places = {kind: place for place, kind in enumerate(names)}
    return [
        _by_kind(each, mine, names, np.array([places.get(kind, len(names) - 1) for kind in of], np.int64))
        for each, mine, of in zip(edges, told, kinds, strict=True)
    ]


def _by_kind(edges: Edges, told: Drops, names: Sequence[Kind], kind: np.ndarray) -> Rows:
    """:param kind: of each row of ``told``, its place in ``names``."""
    count, many = len(edges), max(1, len(names))
    bad = np.zeros((many, count), np.int64)
    place = np.minimum(np.searchsorted(edges.ids, told.edges), max(0, count - 1))
    mine = np.flatnonzero(edges.ids[place] == told.edges) if count else place[:0]
    np.add.at(bad, (kind[mine], place[mine]), told.packets[mine])
    _, total = counted_failures(edges.measures, "drops")
    parts = {
        name: np.repeat(np.array([each[at] for each in names] or [""], object).astype(str), count)
        for at, name in enumerate(_OF_DROPS)
    }
    ids, clients, servers, ports, total = (
        np.tile(each, many) for each in (edges.ids, edges.clients, edges.servers, edges.ports, total)
    )
    return Rows(ids, ids, clients, servers, ports, bad.reshape(-1), total, parts)


def _rows(scope: Scope, asked: WhereParameters, side: Side, window: Window) -> Rows:
    edges = _edges(scope, asked, side)
    if asked.of != "requests":
        bad, total = counted_failures(edges.measures, asked.of)
        return Rows(edges.ids, edges.ids, edges.clients, edges.servers, edges.ports, bad, total, {})
    found = counted_once(scope.endpoints(window, edges.ids, histograms=False), scope.words)
    bad, total = counted_failures(found.measures, asked.of)
    parts = {name: found.parts[name].astype(str) for name in _PARTS}
    return Rows(found.ids, found.edges, found.clients, found.servers, found.ports, bad, total, parts)


@dataclass(frozen=True)
class _Column:
    """An attribute: the values, and the code of each row of both windows."""

    name: str
    values: list[str]
    codes: np.ndarray


class _Made:
    """Makes leaves of rows.

    :param of_instances: whether attributes of instances are looked at.
    """

    def __init__(self, scope: Scope, of_instances: bool) -> None:
        self._scope, self._of_instances = scope, of_instances
        self._vague: set[tuple[str, str]] = set()
        self._unsure: set[str] = set()

    def of(self, now: Rows, before: Rows | None) -> Counted:
        """Rows that agree in all attributes are one leaf, in both windows."""
        sides = [now] if before is None else [now, before]
        total = np.concatenate([now.total, np.zeros(sum(map(len, sides)) - len(now))])
        columns = [column for column in self._columns(sides, total) if len(column.values) > 1]
        codes = np.stack([column.codes for column in columns] or [np.zeros(len(total), np.int64)], axis=1)
        codes, leaf = np.unique(codes, axis=0, return_inverse=True)
        leaf = leaf.reshape(-1)
        names = [column.name for column in columns] or ["all"]
        values = [column.values for column in columns] or [[""]]
        leaves = _leaves(names, values, codes, sides, leaf)
        there = np.flatnonzero(leaves.total > 0)
        place = np.zeros(len(leaves), np.int64)
        place[there] = np.arange(len(there))
        either = [
            Either(name, names.index(f"client.{name}"), names.index(f"server.{name}"))
            for name in _AT_EITHER_END
            if {f"client.{name}", f"server.{name}"} <= set(names)
        ]
        kept = replace(leaves.take(there), codes=leaves.codes[there])
        return Counted(
            kept, either, now, place[leaf[: len(now)]], frozenset(self._vague), frozenset(self._unsure)
        )

    def _columns(self, sides: Sequence[Rows], total: np.ndarray) -> Iterator[_Column]:
        clients, servers = (
            np.concatenate([getattr(each, name) for each in sides]) for name in ("clients", "servers")
        )
        ids, place = np.unique(np.concatenate([clients, servers]), return_inverse=True)
        ends = {"server": place[len(clients) :], "client": place[: len(clients)]}
        for name, texts in self._texts(ids):
            values, codes = np.unique(np.array(texts, object).astype(str), return_inverse=True)
            several = np.isin(values, [value for of, value in self._vague if of == name])
            for end, rows in ends.items():
                if name not in _AT_EITHER_END and len(np.unique(codes[rows])) < 2:
                    continue
                if total[several[codes[rows]]].sum() > _MOST_VAGUE * total.sum():
                    self._unsure |= {f"{end}.{name}", name}
                yield _Column(f"{end}.{name}", values.tolist(), codes[rows])
        ports = np.concatenate([each.ports for each in sides])
        values, codes = np.unique(ports, return_inverse=True)
        yield _Column("server.port", [str(port) for port in values.tolist()], codes)
        for name in sides[0].parts:
            values, codes = np.unique(
                np.concatenate([each.parts[name] for each in sides]), return_inverse=True
            )
            yield _Column(name, values.tolist(), codes)

    def _texts(self, ids: np.ndarray) -> Iterator[tuple[str, list[str]]]:
        """Of each attribute its value of these workloads."""
        workloads = self._scope.groups.workloads
        parts = [workloads.parts[place] for place in workloads.rows(ids).tolist()]
        yield "workload", [workload_key(part) for part in parts]
        yield "version", [part.version or UNKNOWN for part in parts]
        yield "zone", [part.zone or UNKNOWN for part in parts]
        if not self._of_instances:
            return
        held = self._instances(ids)
        for name in _OF_INSTANCES:
            yield name, [self._one(name, {_value(name, part) for part in of}) for of in held]

    def _instances(self, ids: np.ndarray) -> list[list[Instance]]:
        instances = self._scope.instances
        held: list[list[Instance]] = [[] for _ in ids]
        mine = np.flatnonzero(np.isin(instances.workloads, ids))
        places = np.searchsorted(ids, instances.workloads[mine])
        for row, place in zip(mine.tolist(), places.tolist(), strict=True):
            held[place].append(instances.parts[row])
        return held

    def _one(self, name: str, values: set[str]) -> str:
        known = sorted(values - {""})
        if len(known) < 2:
            return known[0] if known else UNKNOWN
        rest = f" or {len(known) - 2} more" if len(known) > 3 else f" or {known[-1]}"
        text = ", ".join(known[: 2 if len(known) > 3 else len(known) - 1]) + rest
        self._vague.add((name, text))
        return text


#: Part of the traffic that may be of vague values before nothing is said against an attribute.
_MOST_VAGUE: Final = 0.1


def _value(name: str, part: Instance) -> str:
    if name == "instance":
        return part.pod or part.container or part.address
    text: str = getattr(part, name)
    return text


def _leaves(
    names: list[str], values: list[list[str]], codes: np.ndarray, sides: Sequence[Rows], leaf: np.ndarray
) -> Leaves:
    now, count = sides[0], len(codes)
    bad, total = (
        np.bincount(leaf[: len(now)], column, count).astype(np.float64) for column in (now.bad, now.total)
    )
    if len(sides) > 1:
        before = [np.bincount(leaf[len(now) :], each, count) for each in (sides[1].bad, sides[1].total)]
        expected = expected_by_rate(total, before[0], before[1])
    else:
        there = total > 0
        expected = expected_of_rate(total, healthy_rate(codes[there], bad[there], total[there]))
    dispersion = dispersion_of(bad, total, expected)
    return Leaves(names, values, codes, bad, total, expected, dispersion, supposed=len(sides) == 1)
