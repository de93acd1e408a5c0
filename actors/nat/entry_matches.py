"""Which entry of conntrack is a connection's own, of those of its tuple that may be."""

import numpy as np

from actors.nat.gaps import NatGaps
from actors.nat.lives import BEFORE, Claim, Lives, Spans
from actors.nat.tuple_index import NOWHERE, TupleIndex
from model.kinds.delta import NatEvidence
from model.ledger import Stage


class EntryMatches:
    """Matches connections with entries of a table.

    :param lives: of its entries.
    :param gaps: when entries may have been missed.
    :param stage: where it is noted how often nothing could be decided.
    """

    def __init__(self, lives: Lives, gaps: NatGaps, stage: Stage) -> None:
        self._lives = lives
        self._gaps = gaps
        self._stage = stage

    def find(
        self, index: TupleIndex, other: TupleIndex, newest: np.ndarray, spans: Spans
    ) -> tuple[np.ndarray, np.ndarray]:
        """The entry of each connection, NOWHERE if none is surely its own, and ``NatEvidence``; both of shape (n,).

        :param index: of the tuples that connections have.
        :param other: of what the entries make of them.
        :param newest: of the entries of each connection's tuple.
        """
        places, claims, undecided = self._best(index, other, newest, spans)
        lost = self._uncertain(places, claims, spans)
        evidence = np.where(lost, NatEvidence.LOST, NatEvidence.COMPLETE)
        evidence = np.where(undecided, NatEvidence.UNDECIDED, evidence).astype(np.uint8)
        self._stage.note("undecided", int(np.count_nonzero(undecided)))
        places[evidence != NatEvidence.COMPLETE] = NOWHERE
        return self._newest_of_dumped(places, evidence, spans)

    def _best(
        self, index: TupleIndex, other: TupleIndex, newest: np.ndarray, spans: Spans
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the entries of each tuple the newest with the best claim, its ``Claim``, and where others have as good a
        claim and differ in what they rewrite; each of shape (n,)."""
        best, claims = np.full(len(newest), NOWHERE, np.int32), np.zeros(len(newest), np.int8)
        differ = np.zeros(len(newest), np.bool_)
        rows, places = np.arange(len(newest)), self._fitting(index, newest, spans)
        while len(left := np.flatnonzero(places != NOWHERE)):
            rows, places = rows[left], places[left]
            now, then = self._lives.claims(places, spans.take(rows)), claims[rows]
            rival = np.flatnonzero((now == then) & (now > Claim.EARLIER))
            unlike = other.keys(places[rival]).view("V48") != other.keys(best[rows[rival]]).view("V48")
            differ[rows[rival[unlike]]] = True
            better = now > then
            best[rows[better]], claims[rows[better]] = places[better], now[better]
            differ[rows[better]] = False
            places = self._fitting(index, index.older(places), spans.take(rows))
        return best, claims, differ

    def _uncertain(self, places: np.ndarray, claims: np.ndarray, spans: Spans) -> np.ndarray:
        """Where another entry than that at ``places``, or any at all, may have been missed; shape (n,), bool."""
        lost = self._gaps.end_of_loss(spans.called_ns, spans.until_ns)
        found = places != NOWHERE
        here = np.maximum(places, 0)
        stale = found & (claims == Claim.EARLIER) & (self._lives.lasted[here] < spans.since_ns)
        known = np.where(
            found,
            (claims == Claim.MADE) | (self._lives.begin[here] >= lost) | self._lives.there(here, spans, lost),
            self._gaps.dumped_within(lost, spans.alive_ns),
        )
        uncertain: np.ndarray = stale | ((lost != 0) & ~known)
        return uncertain

    def _newest_of_dumped(
        self, places: np.ndarray, evidence: np.ndarray, spans: Spans
    ) -> tuple[np.ndarray, np.ndarray]:
        """The same, but undecided for connections that found the same entry of a dump as a later one.

        A dump has the last entry of each tuple, and not when it began: of several connections it is the newest's.
        """
        found = np.flatnonzero(places != NOWHERE)
        found = found[self._lives.begin[places[found]] == BEFORE]
        order = found[np.lexsort((spans.began_ns[found], places[found]))]
        earlier = order[:-1][places[order[:-1]] == places[order[1:]]]
        places[earlier], evidence[earlier] = NOWHERE, NatEvidence.UNDECIDED
        self._stage.note("undecided", len(earlier))
        return places, evidence

    def _fitting(self, index: TupleIndex, places: np.ndarray, spans: Spans) -> np.ndarray:
        """From ``places`` on, newest first, the first entry that may have been there at its time, or NOWHERE."""
        while True:
            rows = np.flatnonzero(places != NOWHERE)
            here = places[rows]
            fits = self._lives.fit(here, spans.take(rows))
            if fits.all():
                return places
            places[rows[~fits]] = index.older(here[~fits])
