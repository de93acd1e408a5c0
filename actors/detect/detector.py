"""Finds what is worse than it used to be, tick by tick: which edge or node, by which symptom, since when."""

from collections.abc import Sequence
from typing import Final

import msgpack
import numpy as np

from actors.detect.evidence import Counted, Judged, Symptoms, Tuning, expected, judge
from actors.detect.findings import Listed, findings_of, joined
from actors.detect.nodes import Edges, Nodes
from actors.detect.observations import Event, Findings, Known, Observations
from actors.detect.presence import Habits, silences
from actors.detect.state import ILL, Memory, Series
from actors.detect.symptoms import SYMPTOMS, Symptom
from model.ledger import Ledger

#: Edges and nodes remembered at most, if nothing else is said: 260 bytes each.
LIMIT: Final = 200_000
#: Ticks after which the fleet's shares are looked at again; before which no edge is called new.
_PRIOR_TICKS: Final = 60
_NEW_AFTER: Final = 360
#: Ticks of known silence after which a finding ends for want of traffic: an hour.
_GIVEN_UP: Final = 360
#: Series that are judged at once: what fits the processor's cache.
_AT_ONCE: Final = 8192


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
        packed: bytes = msgpack.packb(parts)
        return packed

    def encode_part(self, number: int, of: int) -> bytes:
        """What is remembered of one of so many parts of all ids, which are parted by their first bits."""
        width = (1 << 64) // of
        first, last = np.uint64(number * width), np.uint64((number + 1) * width - 1)
        parts = [
            memory.encode((memory.ids >= first) & (memory.ids <= last))
            for memory in (self._memory, self._nodes.memory)
        ]
        packed: bytes = msgpack.packb(parts)
        return packed

    def adopt(self, data: bytes) -> int:
        """Goes on with what ``encode`` gave, but for ids that are here already.

        :return: how many edges came.
        :raises ValueError: if it cannot be read.
        """
        try:
            edges, nodes = msgpack.unpackb(data)
        except (TypeError, ValueError, msgpack.UnpackException) as error:
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
        series = {name: memory.series[name][rows, symptom] for name in ("bad", "total")}
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
        new = seen.ids[~memory.has(seen.ids)]
        memory.add(new)
        rows = np.searchsorted(memory.ids, seen.ids)
        certain = known.of(memory.ids)
        here = np.zeros(len(memory), np.bool_)
        here[rows] = True
        events = self._events(tick, seen, rows, (here, certain), new)
        ongoing = memory.series["streak"] >= ILL
        nodes = self._judge_nodes(tick, seen, rows, known)
        started, ended = self._judge(tick, seen, rows)
        given_up = ongoing & (memory.edges["silent"] == _GIVEN_UP)[:, None]
        memory.series["streak"][given_up] = 0
        ended = (
            np.concatenate((ended[0], given_up.nonzero()[0])),
            np.concatenate((ended[1], given_up.nonzero()[1])),
        )
        ongoing[ended] = False
        listed = (started, np.divmod(np.flatnonzero(ongoing), ongoing.shape[1]), ended)
        findings = findings_of(tick, memory, listed, certain & here, (self._symptoms, self._tuning), events)
        if nodes is not None:
            findings = joined((findings, nodes))
        age = memory.edges["age"]
        age[rows] += age[rows] < np.iinfo(np.uint8).max
        self._ticks += 1
        if self._ticks % _PRIOR_TICKS == 0:
            self._learn_prior()
        self._bound(here)
        return findings

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
        names = ("bad", "total", "dispersion", "streak")
        series = {name: self._memory.series[name][rows] for name in names}
        at = np.searchsorted(seen.ids, seen.parts.edges)
        edges = Edges(at, series, self._memory.edges["age"][rows], seen.total)
        return self._nodes.step(tick, seen.parts, edges, known)

    def _judge(self, tick: int, seen: Observations, rows: np.ndarray) -> tuple[Listed, Listed]:
        """Series that began and ended to be ill: rows and symptoms of each."""
        began, ended = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        width = seen.total.shape[1]
        flat = np.flatnonzero(seen.total > 0)
        series = {name: column.reshape(-1) for name, column in self._memory.series.items()}
        for begin in range(0, len(flat), _AT_ONCE):
            part = flat[begin : begin + _AT_ONCE]
            line, of = np.divmod(part, width)
            at = rows[line] * width + of
            bad, total = seen.bad.reshape(-1)[part], seen.total.reshape(-1)[part]
            counted = Counted(tick & 0xFFFF, of, bad, total, self._memory.edges["age"][rows[line]])
            judged = self._judged(series, at, counted)
            began.append(at[judged.started])
            ended.append(at[judged.ended])
        first, last = (np.divmod(np.concatenate(places), max(1, width)) for places in (began, ended))
        return first, last

    def _judged(self, series: Series, at: np.ndarray, counted: Counted) -> Judged:
        before = {name: column[at] for name, column in series.items()}
        judged = judge(before, counted, self._symptoms, self._tuning)
        for name, values in judged.series.items():
            series[name][at] = values
        return judged

    def _learn_prior(self) -> None:
        series = self._memory.series
        self._symptoms.learn_prior(series["bad"], series["total"], self._tuning.warm)

    def _bound(self, here: np.ndarray) -> None:
        """Forgets the least recently active beyond the limit."""
        excess = len(self._memory) - self._limit
        if excess > 0:
            ill = (self._memory.series["streak"] >= ILL).any(axis=1)
            silent = self._memory.edges["silent"].astype(np.int64)
            kept = np.ones(len(self._memory), np.bool_)
            kept[np.lexsort((-silent, here, ill))[:excess]] = False
            self._memory.keep(kept)
            self._stage.note("edges_forgotten", excess)
