"""Edges and nodes of the graph, as columns of what workload and endpoint rows count of them.

An edge is who calls whom on which port, without zone and version: a deploy begins no new habit. Each row also counts
for nodes: its client, its server, the zones and machines of both, and the instance of either, or what has its version
and zone.
Ids are hashes of names, the same in every engine and run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

import msgpack
import numpy as np

from actors.detect.habits import Habits
from actors.detect.observations import NODES, Observations, Parts
from actors.detect.symptoms import SYMPTOMS, Above, Ratio, Symptom
from model.batch import Batch
from model.kinds.workload import Workload

#: Names remembered at most: of edges and nodes, and of workloads in tables.
LIMIT: Final = 200_000
#: Odd numbers (fractions of the golden ratio and of roots) that spread bits.
_SPREAD: Final = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))

_NONE: Final = np.zeros(0, np.uint64)

#: Gets a batch, the edge of each row, and what rows count: bad of each symptom, then all of each.
Told = Callable[[Batch, np.ndarray, np.ndarray], None]


@dataclass(frozen=True)
class Name:
    """Who an id is.

    :param what: ``edge``, ``client``, ``server``, ``zone`` or ``machine``; ``client part`` and ``server part`` are an
        instance, or what has one version and zone.
    :param client: kind, namespace and name; of a part also what tells it apart; of a zone or machine the name alone.
    :param server: likewise; empty for a client, zone or machine, as ``client`` is for a server.
    """

    what: str
    client: tuple[str, ...] = ()
    server: tuple[str, ...] = ()
    port: int = 0


class EdgeRows(NamedTuple):
    """Rows of who calls whom, and what they count.

    :param table: of workloads or instances; ``client`` and ``server`` are places in it, 0: nobody that has a name.
    :param port: of the server; shape (n,), as ``edges``: their ids.
    :param values: bad of each symptom, all of each, bytes; shape (n, 2 symptoms + 1).
    """

    table: Sequence[Workload]
    client: np.ndarray
    server: np.ndarray
    port: np.ndarray
    edges: np.ndarray
    values: np.ndarray


def text_id(*parts: str) -> int:
    """64 bits of a name's parts."""
    return int.from_bytes(blake2b("\0".join(parts).encode(), digest_size=8).digest(), "little")


def mixed(*columns: np.ndarray) -> np.ndarray:
    """One id of several, in this order; uint64."""
    told = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        told = (told ^ column.astype(np.uint64)) * _SPREAD[0]
        told ^= told >> np.uint64(31)
        told *= _SPREAD[1]
        told ^= told >> np.uint64(29)
    return told * _SPREAD[2]


def _who(workload: Workload) -> tuple[str, str, str]:
    return workload.kind, workload.namespace, workload.name


class Edges:
    """Makes observations of batches; remembers names of ids, and how fast pairs usually are.

    :param nodes: whether rows also count for nodes.

    :ivar forgotten: names beyond ``limit`` so far, the oldest first.
    """

    def __init__(
        self, symptoms: Sequence[Symptom] = SYMPTOMS, limit: int = LIMIT, *, nodes: bool = True
    ) -> None:
        self._symptoms = symptoms
        self._limit = limit
        self._nodes = nodes
        self._workloads: dict[Workload, tuple[int, ...]] = {}
        self._names: dict[int, Name] = {}
        self._named = np.zeros(0, np.uint64)
        self._habits = {s.source.measure: Habits(2 * limit) for s in symptoms if isinstance(s.source, Above)}
        self.forgotten = 0

    def name(self, id_: int) -> Name | None:
        """Who that is, if it was seen of late."""
        return self._names.get(id_)

    def encode_habits(self) -> bytes:
        """How fast pairs usually are, for a restart."""
        told: bytes = msgpack.packb({measure: habits.encode() for measure, habits in self._habits.items()})
        return told

    def adopt_habits(self, data: bytes) -> None:
        """Goes on with what ``encode_habits`` gave.

        :raises ValueError: if it cannot be read.
        """
        try:
            told = dict(msgpack.unpackb(data))
        except (TypeError, ValueError, msgpack.UnpackException) as error:
            raise ValueError(f"bytes that are no habits of slowness: {error}") from error
        for measure, habits in self._habits.items():
            if measure in told:
                habits.adopt(told[measure])

    def observe(
        self, batches: Sequence[Batch], ill: np.ndarray | None = None, told: Told | None = None
    ) -> Observations:
        """What batches of workload and endpoint rows count, by edges and nodes; others say nothing.

        :param ill: edges with findings, or whose data is not complete: what is slow there becomes no habit.
        :param told: is told of each batch.
        """
        rows = []
        for batch in batches:
            if batch.kind.name in ("workload", "endpoint") and len(batch):
                rows.append(self.counted(batch, ill))
                if told is not None:
                    told(batch, rows[-1].edges, rows[-1].values[:, :-1])
        return self.observed(rows)

    def counted(self, batch: Batch, ill: np.ndarray | None = None) -> EdgeRows:
        """Rows of workloads or endpoints, and what each counts.

        :param ill: as ``observe`` has it.
        """
        columns, width = batch.columns, len(self._symptoms)
        table = batch.tables["workloads"]
        client, server = (columns[f"{side}.workload.index"] for side in ("client", "server"))
        port = columns["server.port"]
        edge = self.ids(table, client, server, port)
        values = np.zeros((len(batch), 2 * width + 1))
        zone = self._hashes(table)[1]
        strata = mixed(edge, zone[client], zone[server])
        learn = ~np.isin(edge, _NONE if ill is None else ill)
        for place, symptom in enumerate(self._symptoms):
            source = symptom.source
            if isinstance(source, Ratio):
                if source.kind == batch.kind.name:
                    values[:, place], values[:, width + place] = source.bad(columns), source.total(columns)
            elif batch.kind.name == "workload":
                numbers = columns[f"{source.measure}.index"].astype(np.int64)
                values[:, place], values[:, width + place] = self._habits[source.measure].counts(
                    strata, numbers, batch.tables["histograms"], learn
                )
        if batch.kind.name == "workload":
            values[:, -1] = columns["bytes"].astype(np.float64) + columns["reply_bytes"].astype(np.float64)
        return EdgeRows(table, client, server, port, edge, values)

    def ids(
        self, table: Sequence[Workload], client: np.ndarray, server: np.ndarray, port: np.ndarray
    ) -> np.ndarray:
        """Edges of rows, whose ends are places in a table; uint64."""
        who = self._hashes(table)[0]
        return mixed(who[client], who[server], port)

    def observed(self, rows: Sequence[EdgeRows]) -> Observations:
        """What rows count, by edges and nodes; their names are learnt."""
        told_of = [self._told(each) for each in rows]
        width = len(self._symptoms)
        keys, edges, nodes, values = (
            np.concatenate([part[place] for part in told_of] or [none])
            for place, none in enumerate(
                (_NONE, _NONE, np.zeros((0, NODES), np.uint64), np.zeros((0, 2 * width + 1)))
            )
        )
        parts = None
        if self._nodes:
            ids, first, summed = _summed(keys, values)
            parts = Parts(ids, edges[first], nodes[first], summed[:, :width], summed[:, width : 2 * width])
        ids, _, summed = _summed(edges, values)
        return Observations(ids, summed[:, :width], summed[:, width : 2 * width], summed[:, -1], parts)

    def _told(self, rows: EdgeRows) -> tuple[np.ndarray, ...]:
        """Of rows: what tells them apart, their edges and nodes, and what they count."""
        who, zone, machine, part = self._hashes(rows.table)
        named = np.flatnonzero((rows.client != 0) | (rows.server != 0))
        ends = [column[named] for column in (rows.client, rows.server)]
        nodes = (
            _nodes(ends, who, (zone, machine), part)
            if self._nodes
            else np.zeros((len(named), NODES), np.uint64)
        )
        edge = rows.edges[named]
        self._learn_names(rows.table, ends, rows.port[named], edge, nodes)
        return mixed(edge, part[ends[0]], part[ends[1]]), edge, nodes, rows.values[named]

    def _hashes(self, table: Sequence[Workload]) -> np.ndarray:
        """Of each workload, of its zone and machine (0: not known), and of its instance; shape (4, n), uint64."""
        if len(self._workloads) > self._limit:
            self._workloads.clear()
        known = self._workloads
        for workload in table:
            if workload not in known:
                places = (text_id(place) if place else 0 for place in (workload.zone, _machine(workload)))
                known[workload] = (text_id(*_who(workload)), *places, text_id(*_part(workload)))
        return np.array([known[workload] for workload in table], np.uint64).reshape(-1, 4).T

    def _learn_names(
        self,
        table: Sequence[Workload],
        ends: Sequence[np.ndarray],
        port: np.ndarray,
        edge: np.ndarray,
        nodes: np.ndarray,
    ) -> None:
        """Names of ids that have none yet."""
        for place, column in enumerate((edge, *nodes.T)):
            new, rows = np.unique(column, return_index=True)
            wanted = (new != 0) & np.isin(new, self._named, invert=True)
            for id_, row in zip(new[wanted].tolist(), rows[wanted].tolist(), strict=True):
                self._names[id_] = _name(place, [table[int(end[row])] for end in ends], int(port[row]))
        if len(self._names) > len(self._named):
            excess = max(0, len(self._names) - self._limit)
            for id_ in list(self._names)[:excess]:
                del self._names[id_]
            self.forgotten += excess
            self._named = np.sort(np.fromiter(self._names, np.uint64, len(self._names)))


def _machine(workload: Sequence[str]) -> str:
    """Of an instance (``actors.trouble.instances``); empty for a workload."""
    return workload[5] if len(workload) > 5 else ""


def _part(workload: Sequence[str]) -> tuple[str, ...]:
    """Kind, namespace and name, and what tells it from others of them."""
    name, kind, namespace, *rest = workload
    return kind, namespace, name, *rest


def _nodes(
    ends: Sequence[np.ndarray], who: np.ndarray, places: Sequence[np.ndarray], part: np.ndarray
) -> np.ndarray:
    """Ids of client, server, zones, machines and instances of both; 0: none, or the same as another; shape (n, 8)."""
    _, same, times = np.unique(who, return_inverse=True, return_counts=True)
    columns = [mixed(who[end], np.full(len(end), number)) * (end != 0) for number, end in enumerate(ends, 1)]
    for number, place in enumerate(places, 3):
        first, second = (mixed(place[end], np.full(len(end), number)) * (place[end] != 0) for end in ends)
        columns += [first, second * (first != second)]
    columns += [
        mixed(part[end], np.full(len(end), number)) * ((end != 0) & (times[same[end]] > 1))
        for number, end in enumerate(ends, 5)
    ]
    return np.stack(columns, axis=1)


def _summed(ids: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ids once each, ascending, where each is first, and sums of the values; float32."""
    once, first, same = np.unique(ids, return_index=True, return_inverse=True)
    columns = [np.bincount(same, column, len(once)) for column in values.T]
    return once, first, np.stack(columns, axis=1).astype(np.float32)


def _name(place: int, ends: Sequence[Workload], port: int) -> Name:
    """Of an edge (0), or of one of the nodes."""
    client, server = ends
    match place:
        case 0:
            return Name("edge", _who(client), _who(server), port)
        case 1:
            return Name("client", _who(client))
        case 2:
            return Name("server", server=_who(server))
        case 3 | 4:
            return Name("zone", (ends[place - 3].zone,))
        case 5 | 6:
            return Name("machine", (_machine(ends[place - 5]),))
        case 7:
            return Name("client part", _part(client))
    return Name("server part", server=_part(server))
