"""One node's second, summed up as its chunks arrive: totals, losses, and the top connections."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from model.arrays import Array
from model.batch import Batch
from model.traffic import RowTraffic

Sort = Literal["bytes", "tx", "rx", "retransmits", "rtt"]

_SORT_BY: Final[dict[Sort, tuple[str, ...]]] = {
    "bytes": ("tx_bytes", "rx_bytes"),
    "tx": ("tx_bytes",),
    "rx": ("rx_bytes",),
    "retransmits": ("retransmitted_segments",),
    "rtt": ("rtt_ns",),
}

#: What may happen to a connection in a second; the last counts most.
LIVES: Final = ("opened", "closed", "failed")

#: Far above any sum of one second, and small enough that a score of four times it fits into 64 bits.
_LARGEST: Final = np.uint64(1 << 61)


@dataclass
class Totals:
    """Sums over the rows of a second; ``open``: sockets open at its end, also without a row.

    Of flows and workloads, ``tx_bytes`` went from clients to servers, ``rx_bytes`` back.
    """

    rows: int = 0
    open: int = 0
    opened: int = 0
    closed: int = 0
    failed: int = 0
    tx_bytes: int = 0
    rx_bytes: int = 0
    retransmitted_segments: int = 0


@dataclass(frozen=True)
class Loss:
    """Units that one stage dropped for one reason since the node started."""

    stage: str
    unit: str
    reason: str
    count: int


class WindowSummary:
    """What the console shows of one window of one node.

    :param first: any chunk of it; add it, too.
    :param limit: how many connections are kept.
    :param ledger: of the node, as far as one came.
    """

    def __init__(self, first: Batch, limit: int, sort: Sort, ledger: Batch | None = None) -> None:
        self.node = first.node
        self.window = first.window
        self.kind = first.kind
        self.publication = publication(first)
        self.chunks = first.chunks
        self.chunks_seen = 0
        self.totals = Totals(open=ledger.head["open_sockets"] if ledger is not None else 0)
        self.losses = losses(ledger.head["stages"]) if ledger is not None else []
        self._limit = limit
        self._sort = sort
        self._top: list[tuple[int, dict[str, Any]]] = []
        failed = f"{self.kind.rank}.failed"
        #: The column that counts failed ones, of kinds that rank rows by a count; empty without.
        self.failed = failed if any(column.name == failed for column in self.kind.columns) else ""

    def add(self, batch: Batch) -> None:
        """Sum up another chunk of the same window."""
        self.chunks_seen += 1
        if not len(batch):
            return
        self.totals.rows += len(batch)
        score = np.zeros(len(batch), np.uint64)
        if traffic := self.kind.figures:
            figures = traffic.moved(batch.columns)
            lives = {life: traffic.lives(batch.columns, life) for life in LIVES}
            self._sum(figures, lives)
            score = _scores(figures, lives, self._sort)
        elif rank := self.kind.rank:
            self.totals.opened += int(batch.columns[rank].sum())
            self.totals.failed += int(batch.columns[self.failed].sum()) if self.failed else 0
        if self.kind.rank and self._sort == "bytes":
            score = batch.columns[self.kind.rank].astype(np.uint64)
        self._keep(batch, score)

    def top(self) -> list[dict[str, Any]]:
        """The top rows as JSON lines have them, the first one first."""
        return [row for _, row in self._top]

    def _sum(self, figures: RowTraffic, lives: Mapping[str, Array]) -> None:
        totals = self.totals
        for life, counts in lives.items():
            setattr(totals, life, getattr(totals, life) + int(counts.sum()))
        for name in ("tx_bytes", "rx_bytes", "retransmitted_segments"):
            setattr(totals, name, getattr(totals, name) + int(getattr(figures, name).sum()))

    def _keep(self, batch: Batch, score: npt.NDArray[np.uint64]) -> None:
        """The best of ``batch`` join those of the chunks before, which come first among equals."""
        where = np.arange(len(score))
        if len(score) > self._limit:
            where = np.argpartition(score, len(score) - self._limit)[-self._limit :]
        where = where[np.lexsort((where, ~score[where]))]
        found = zip(score[where].tolist(), batch.take(where).rows(), strict=True)
        self._top = sorted([*self._top, *found], key=lambda each: -each[0])[: self._limit]


def publication(batch: Batch) -> tuple[str, int, int]:
    """What the chunks of one publication of a node have in common; ``seq`` numbers messages, not seconds."""
    return batch.boot, batch.window, batch.seq - batch.chunk


def losses(ledger: Mapping[str, Any]) -> list[Loss]:
    """What the stages of ``ledger`` (as ``Ledger.as_dict`` gives it) dropped, the most first."""
    found = [
        Loss(name, str(stage.get("unit", "")), str(reason), int(count))
        for name, stage in ledger.items()
        for reason, count in stage.get("dropped", {}).items()
        if count
    ]
    return sorted(found, key=lambda loss: (-loss.count, loss.stage, loss.reason))


def _scores(figures: RowTraffic, lives: Mapping[str, Array], sort: Sort) -> npt.NDArray[np.uint64]:
    """What rows are ordered by: the sort column, and where that is equal: failed, closed, opened, others."""
    score = np.zeros(len(figures.tx_bytes), np.uint64)
    for name in _SORT_BY[sort]:
        score += np.minimum(getattr(figures, name).astype(np.uint64), _LARGEST >> np.uint64(1))
    score <<= np.uint64(2)
    event = np.zeros(len(score), np.uint64)
    for number, counts in enumerate(lives.values(), 1):
        event[counts != 0] = number
    return score | event
