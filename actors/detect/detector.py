"""Finds what is worse than it used to be, tick by tick: which edge or node, by which symptom, since when."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgpack
import numpy as np

from actors.detect.evidence import Counted, Symptoms, Tuning, expected, judge, learn_quiet
from actors.detect.findings import GIVEN_UP, Listed, findings_of, joined
from actors.detect.node_rows import Told
from actors.detect.nodes import Nodes
from actors.detect.observations import Event, Findings, Known, Observations
from actors.detect.presence import Habits, silences
from actors.detect.state import Memory, blocks, found
from actors.detect.symptoms import SYMPTOMS, Symptom
from model.ledger import Ledger

#: Edges and nodes remembered at most, if nothing else is said: 160 bytes each.
LIMIT: Final = 200_000
#: Ticks after which the fleet's shares are looked at again; before which no edge is called new.
_PRIOR_TICKS: Final = 60
_NEW_AFTER: Final = 360


class Detector:
    """Call ``step`` once for each tick of 10 s, in their order.

    :param limit: edges and nodes remembered at most. Beyond it the least recently active leave
        (``edges_forgotten`` in the ledger), those with findings last.
    """

    def __init__(
        self,
        symptoms: Sequence[Symptom] = SYMPTOMS,
        limit: int = LIMIT,
        ledger: Ledger | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        self._names = [symptom.name for symptom in symptoms]
        self._memory = Memory(self._names)
        self._symptoms = Symptoms(symptoms)
        self._habits = Habits()
        self._tuning = tuning or Tuning()
        self._nodes = Nodes(self._names, self._symptoms, self._tuning)
        self._limit = limit
        self._stage = (ledger or Ledger()).stage("detector", "edges")
        self._ticks = 0

    def __len__(self) -> int:
        return len(self._memory)

    @property
    def nbytes(self) -> int:
        """Of what is remembered."""
        return self._memory.nbytes + self._nodes.memory.nbytes

    def encode(self, of: np.ndarray | None = None) -> bytes:
        """What is remembered of these ids, or of all, for a restart or for another engine."""
        parts = [
            memory.encode(None if of is None else np.isin(memory.ids, of))
            for memory in (self._memory, self._nodes.memory)
        ]
        packed: bytes = msgpack.packb([*parts, self._of_all()])
        return packed

    def _of_all(self) -> dict[str, Any]:
        """What no edge has for itself: the worth of each hour of the week, and for how long there is one."""
        return {"ticks": self._ticks, "hours": self._habits.hours.astype("<f4").tobytes()}

    def _adopt_of_all(self, told: Mapping[str, Any]) -> None:
        """In place of what was learnt in fewer ticks."""
        ticks, hours = int(told["ticks"]), np.frombuffer(told["hours"], "<f4")
        if ticks > self._ticks and hours.shape == self._habits.hours.shape and np.isfinite(hours).all():
            self._ticks, self._habits.hours = ticks, hours.copy()

    def encode_part(self, number: int, of: int) -> bytes:
        """What is remembered of one of so many parts of all ids, which are parted by their first bits."""
        width = (1 << 64) // of
        first, last = np.uint64(number * width), np.uint64((number + 1) * width - 1)
        parts = [
            memory.encode((memory.ids >= first) & (memory.ids <= last))
            for memory in (self._memory, self._nodes.memory)
        ]
        packed: bytes = msgpack.packb([*parts, self._of_all()])
        return packed

    def adopt(self, data: bytes) -> int:
        """Goes on with what ``encode`` gave, but for ids that are here already.

        :return: how many edges came.
        :raises ValueError: if it cannot be read.
        """
        try:
            edges, nodes, *more = msgpack.unpackb(data)
            for of_all in more:  # there was none in version 1
                self._adopt_of_all(of_all)
        except (KeyError, TypeError, ValueError, msgpack.UnpackException) as error:
            raise ValueError(f"bytes that are no state of a detector: {error}") from error
        came = self._memory.adopt(edges)
        self._nodes.memory.adopt(nodes)
        self._bound(np.zeros(len(self._memory), np.bool_))
        self._learn_prior()
        return came

    def usual(self, ids: np.ndarray, symptom: int) -> np.ndarray:
        """The share that is normal for each of these edges; that of all for one that is not known."""
        memory = self._memory
        share = np.full(len(ids), self._symptoms.prior[symptom])
        known = np.flatnonzero(memory.has(ids))
        rows = np.searchsorted(memory.ids, ids[known])
        series = {name: memory.baseline[name][rows, symptom] for name in ("bad", "total")}
        of = np.full(len(rows), symptom)
        share[known] = expected(series, of, self._symptoms, self._tuning)
        return share

    def step(self, tick: int, observations: Observations, known: Known) -> Findings:
        """What is ill after this tick.

        Of ids whose data is not complete nothing is learnt, begun or ended; their findings go on as not certain.

        :param tick: seconds since the epoch, divided by 10.
        """
        seen = observations.take(known.of(observations.ids))
        self._stage.received += len(observations)
        self._stage.delivered += len(seen)
        self._stage.drop("not_known", len(observations) - len(seen))
        memory = self._memory
        rows, new = self._rows(seen.ids)
        certain = known.of(memory.ids)
        here = np.zeros(len(memory), np.bool_)
        here[rows] = True
        heard = known.heard(memory.ids)
        events = self._events(tick, seen, rows, (here, heard | here), new)
        memory.count_unseen(heard)
        ongoing = memory.ill
        nodes = self._judge_nodes(tick, seen, rows, known)
        started, ended = self._judge(tick, seen, rows)
        given_up = memory.give_up(GIVEN_UP)
        ended = np.concatenate((ended, given_up))
        ongoing = ongoing[np.isin(ongoing, ended, invert=True)]
        listed = [np.divmod(places, memory.width) for places in (started, ongoing, ended)]
        findings = findings_of(tick, memory, listed, certain & here, (self._symptoms, self._tuning), events)
        if nodes is not None:
            findings = joined((findings, nodes))
        memory.drop_rested()
        age = memory.edges["age"]
        age[rows] += age[rows] < np.iinfo(np.uint8).max
        self._ticks += bool(len(seen))
        if self._ticks % _PRIOR_TICKS == 0:
            self._learn_prior()
        self._bound(here)
        return findings

    def _rows(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places of edges in the memory, which gets room for those that are new; and the ids of these."""
        rows, here = found(self._memory.ids, ids)
        if here.all():
            return rows, ids[:0]
        self._memory.add(ids[~here])
        return np.searchsorted(self._memory.ids, ids), ids[~here]

    def _events(
        self, tick: int, seen: Observations, rows: np.ndarray, present: Listed, new: np.ndarray
    ) -> Listed:
        """Ids and events."""
        edges, ids = self._memory.edges, self._memory.ids
        far, which = self._habits.step(edges, tick, rows, seen.traffic)
        moved, how = silences(edges, *present)
        if self._ticks < _NEW_AFTER:
            new = new[:0]
        keys = np.concatenate((new, ids[moved], ids[far]))
        return keys, np.concatenate((np.full(len(new), Event.NEW), how, which)).astype(np.uint8)

    def _judge_nodes(self, tick: int, seen: Observations, rows: np.ndarray, known: Known) -> Findings | None:
        """Those of nodes, by what was normal for their edges until now.

        :param rows: places of the edges in the memory.
        """
        if seen.parts is None:
            return None
        told = Told(self._memory, rows, seen, seen.parts, self._symptoms, self._tuning)
        return self._nodes.step(tick, told, known)

    def _judge(self, tick: int, seen: Observations, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places of series that began and ended to be ill.

        Those without evidence of which no bad one was counted are most, and only learn.
        """
        memory = self._memory
        doubted = np.zeros((len(memory), memory.width), np.bool_)
        doubted.reshape(-1)[memory.doubted] = True
        loud = [np.zeros(0, np.int64)]
        for block in blocks(len(rows)):
            bad, total, here = seen.bad[block], seen.total[block], rows[block]
            speaks = (bad > 0) | doubted.take(here, axis=0)
            loud.append(np.flatnonzero((total > 0) & speaks) + block.start * memory.width)
            self._learn(*self._counted(tick, bad, total, here, np.flatnonzero((total > 0) & ~speaks)))
        places, told = self._counted(tick, seen.bad, seen.total, rows, np.concatenate(loud))
        judged = judge(memory.series(places), told, self._symptoms, self._tuning)
        memory.put(places, judged.series)
        return places[judged.started], places[judged.ended]

    def _counted(
        self, tick: int, bad: np.ndarray, total: np.ndarray, rows: np.ndarray, flat: np.ndarray
    ) -> tuple[np.ndarray, Counted]:
        """Places of series in the memory, and what was counted of them.

        :param bad: of some edges; shape (edges, symptoms), as ``total``.
        :param rows: places of these edges in the memory.
        :param flat: places of the series among theirs.
        """
        width = self._memory.width
        line = flat // width
        of, row = flat - line * width, rows.take(line)
        age = self._memory.edges["age"].take(row)
        return row * width + of, Counted(tick & 0xFFFF, of, bad.take(flat), total.take(flat), age)

    def _learn(self, places: np.ndarray, counted: Counted) -> None:
        before = {name: column.take(places) for name, column in self._memory.baseline.items()}
        for name, values in learn_quiet(before, counted, self._symptoms, self._tuning).items():
            self._memory.baseline[name].reshape(-1)[places] = values

    def _learn_prior(self) -> None:
        baseline = self._memory.baseline
        self._symptoms.learn_prior(baseline["bad"], baseline["total"], self._tuning.warm)

    def _bound(self, here: np.ndarray) -> None:
        """Forgets the least recently active beyond the limit."""
        excess = len(self._memory) - self._limit
        if excess > 0:
            ill = np.zeros(len(self._memory), np.bool_)
            ill[self._memory.ill // self._memory.width] = True
            silent = self._memory.edges["silent"].astype(np.int64)
            kept = np.ones(len(self._memory), np.bool_)
            kept[np.lexsort((-silent, here, ill))[:excess]] = False
            self._memory.keep(kept)
            self._stage.note("edges_forgotten", excess)
