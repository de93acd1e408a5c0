"""Following tuples from entry to entry: what connections became on their way, or came from."""

import numpy as np

from actors.nat.lives import Spans
from actors.nat.table import NatTable
from actors.nat.tuple_index import NOWHERE, hashed, make_keys
from model.addresses import loopback
from model.arrays import Columns
from model.chains import HOP, REWRITES
from model.kinds.delta import NatEvidence


class EntrySearch:
    """Follows entries from the tuples of some rows; columns of the result are by place in ``rows``."""

    def __init__(
        self,
        table: NatTable,
        columns: Columns,
        calls: np.ndarray,
        own: np.ndarray,
        rows: np.ndarray,
        spans: Spans,
    ) -> None:
        self._table = table
        self._transport = columns["network.transport"][rows]
        self._netns = columns["netns.id"][rows]
        self._calls = calls[rows]
        self._numbers = rows
        self._spans = spans
        self.far = own.view("V36")[rows].view(HOP)
        self.rewrites = np.zeros(len(rows), np.uint8)
        self.hashes = np.zeros(len(rows), np.uint64)  # of the tuple at which each look-up ended
        self.evidence = self._of_unseen()
        self.between: dict[int, np.ndarray] = {}
        for ahead in (True, False):
            self._follow(np.flatnonzero(self._calls == ahead), ahead=ahead)

    def _of_unseen(self) -> np.ndarray:
        """``NatEvidence`` of rows that may have been rewritten where that cannot be seen."""
        local = loopback(self.far["source_address"]) | loopback(self.far["destination_address"])
        unseen = self._table.gaps.unseen(self._netns, local, self._spans.called_ns)
        return np.where(unseen, NatEvidence.UNSEEN, NatEvidence.COMPLETE).astype(np.uint8)

    def _follow(self, here: np.ndarray, *, ahead: bool) -> None:
        passed: dict[int, list[np.ndarray]] = {}
        for step in range(REWRITES):
            keys = make_keys(self.far.take(here), self._transport[here], self._netns[here])
            self.hashes[here] = hashes = hashed(keys)
            look = self._table.rewritten if ahead else self._table.behind
            places, evidence = look(keys, hashes, self._spans.take(here))
            self.evidence[here] = np.maximum(self.evidence[here], evidence)
            found = places != NOWHERE
            here, places = here[found], places[found]
            if not len(here):
                break
            if step:
                for row in here.tolist():
                    passed.setdefault(row, []).append(self.far[row : row + 1].copy())
            if ahead:
                self._table.claim(places)
            hops = self._table.seen(places) if ahead else self._table.called(places)
            self.far.view("V36")[here] = hops.view("V36")
            self.rewrites[here] += 1
        for row, hops_passed in passed.items():
            chain = hops_passed if ahead else hops_passed[::-1]
            self.between[int(self._numbers[row])] = np.concatenate(chain)
