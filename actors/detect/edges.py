"""Edges and nodes of the graph, as columns of what workload and endpoint rows count of them.

An edge is who calls whom on which port, without zone and version: a deploy begins no new habit. Where it is wanted,
each row also counts for nodes: its client, its server, and the zones of both. Ids are hashes of names, the same in
every engine and run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np

from actors.detect.habits import Habits
from actors.detect.observations import Observations
from actors.detect.symptoms import SYMPTOMS, Above, Ratio, Symptom
from model.batch import Batch
from model.kinds.workload import Workload

#: Names remembered at most: of edges and nodes, and of workloads in tables.
LIMIT: Final = 200_000
#: Odd numbers (fractions of the golden ratio and of roots) that spread bits.
_SPREAD: Final = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))

#: Gets a batch, the edge of each row, and what rows count: bad of each symptom, then all of each.
Told = Callable[[Batch, np.ndarray, np.ndarray], None]


@dataclass(frozen=True)
class Name:
    """Who an id is.

    :param what: ``edge``, ``client``, ``server`` or ``zone``.
    :param client: kind, namespace and name; of a zone the name alone.
    :param server: likewise; empty for a client or zone.
    """

    what: str
    client: tuple[str, ...] = ()
    server: tuple[str, ...] = ()
    port: int = 0


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

    :param nodes: whether rows also count for nodes. Their shares change when traffic moves between edges of which
        some always fail, so that findings of nodes are less sure.

    :ivar forgotten: names beyond ``limit`` so far, the oldest first.
    """

    def __init__(
        self, symptoms: Sequence[Symptom] = SYMPTOMS, limit: int = LIMIT, *, nodes: bool = False
    ) -> None:
        self._symptoms = symptoms
        self._limit = limit
        self._nodes = nodes
        self._workloads: dict[Workload, tuple[int, int]] = {}
        self._names: dict[int, Name] = {}
        self._named = np.zeros(0, np.uint64)
        self._habits = {s.source.measure: Habits(2 * limit) for s in symptoms if isinstance(s.source, Above)}
        self.forgotten = 0

    def name(self, id_: int) -> Name | None:
        """Who that is, if it was seen of late."""
        return self._names.get(id_)

    def observe(
        self, batches: Sequence[Batch], ill: np.ndarray | None = None, told: Told | None = None
    ) -> Observations:
        """What batches of workload and endpoint rows count, by edges and nodes; others say nothing.

        :param ill: edges with findings, or whose data is not complete: what is slow there becomes no habit.
        :param told: is told of each batch.
        """
        parts = [
            part
            for batch in batches
            if batch.kind.name in ("workload", "endpoint") and len(batch)
            for part in self._counted(batch, np.zeros(0, np.uint64) if ill is None else ill, told)
        ]
        width = len(self._symptoms)
        if not parts:
            none = np.zeros((0, width), np.float32)
            return Observations(np.zeros(0, np.uint64), none, none, np.zeros(0, np.float32))
        ids, same = np.unique(np.concatenate([ids for ids, _ in parts]), return_inverse=True)
        values = np.concatenate([values for _, values in parts])
        summed = np.stack([np.bincount(same, column, len(ids)) for column in values.T], axis=1)
        bad, total = summed[:, :width], summed[:, width : 2 * width]
        traffic = summed[:, -1].astype(np.float32)
        return Observations(ids, bad.astype(np.float32), total.astype(np.float32), traffic)

    def _counted(
        self, batch: Batch, ill: np.ndarray, told: Told | None
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Ids of rows and what they count: bad of each symptom, total of each, bytes; for the edge and for nodes."""
        columns, width = batch.columns, len(self._symptoms)
        table = batch.tables["workloads"]
        who, zone = self._hashes(table)
        index = [columns[f"{side}.workload.index"] for side in ("client", "server")]
        port = columns["server.port"]
        edge = mixed(who[index[0]], who[index[1]], port)
        values = np.zeros((len(batch), 2 * width + 1))
        strata = mixed(edge, zone[index[0]], zone[index[1]])
        learn = ~np.isin(edge, ill)
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
        if told is not None:
            told(batch, edge, values[:, : 2 * width])
        named = (index[0] != 0) | (index[1] != 0)
        parts = [(edge, named)]
        if not self._nodes:
            self._learn_names(table, index, port, [edge])
            return [(edge[named], values[named])]
        parts += [
            (mixed(who[part], np.full(len(part), number)), part != 0) for number, part in enumerate(index, 1)
        ]
        places = [zone[part] for part in index]
        parts += [
            (mixed(places[0], np.full(len(edge), 3)), places[0] != 0),
            (mixed(places[1], np.full(len(edge), 3)), (places[1] != 0) & (places[1] != places[0])),
        ]
        self._learn_names(table, index, port, [ids for ids, _ in parts])
        return [(ids[rows], values[rows]) for ids, rows in parts]

    def _hashes(self, table: Sequence[Workload]) -> tuple[np.ndarray, np.ndarray]:
        """Of each workload and of its zone (0: not known)."""
        if len(self._workloads) > self._limit:
            self._workloads.clear()
        known = self._workloads
        for workload in table:
            if workload not in known:
                zone = text_id(workload.zone) if workload.zone else 0
                known[workload] = (text_id(*_who(workload)), zone)
        pairs = np.array([known[workload] for workload in table], np.uint64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def _learn_names(
        self, table: Sequence[Workload], index: list[np.ndarray], port: np.ndarray, ids: list[np.ndarray]
    ) -> None:
        """Names of ids that have none yet."""
        whats = ("edge", "client", "server", "zone", "zone")
        for place, (what, column) in enumerate(zip(whats, ids, strict=False)):
            new, rows = np.unique(column, return_index=True)
            wanted = np.isin(new, self._named, invert=True)
            for id_, row in zip(new[wanted].tolist(), rows[wanted].tolist(), strict=True):
                ends = [table[int(part[row])] for part in index]
                self._names[id_] = _name(what, ends, int(port[row]), place)
        if len(self._names) > len(self._named):
            excess = max(0, len(self._names) - self._limit)
            for id_ in list(self._names)[:excess]:
                del self._names[id_]
            self.forgotten += excess
            self._named = np.sort(np.fromiter(self._names, np.uint64, len(self._names)))


def _name(what: str, ends: Sequence[Workload], port: int, place: int) -> Name:
    if what == "zone":
        return Name(what, (ends[place - 3].zone,))
    if what == "edge":
        return Name(what, _who(ends[0]), _who(ends[1]), port)
    return Name(what, _who(ends[place - 1]))
