"""One node's second, summed up as its chunks arrive: totals, the loss ledger, and the top connections."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from engine.batch import DeltaBatch
from engine.schema import Columns, empty_columns

Sort = Literal["bytes", "tx", "rx", "retransmits", "rtt"]

_SORT_COLUMNS: Final[dict[Sort, tuple[str, ...]]] = {
    "bytes": ("tx_bytes", "rx_bytes"),
    "tx": ("tx_bytes",),
    "rx": ("rx_bytes",),
    "retransmits": ("retransmitted_segments",),
    "rtt": ("rtt_ns",),
}

#: Far above any sum of one second, and small enough that a score of four times it fits into 64 bits.
_LARGEST: Final = np.uint64(1 << 61)


@dataclass
class Totals:
    """Sums over the rows of a second; ``open``: connections open at its end, also without a row."""

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


class Second:
    """What the console shows of one window of one node.

    :param first: any chunk of it; add it, too.
    :param limit: how many connections are kept.
    """

    def __init__(self, first: DeltaBatch, limit: int, sort: Sort) -> None:
        self.node = first.node
        self.window = first.window
        self.publication = publication(first)
        self.chunks = first.chunks
        self.chunks_seen = 0
        self.totals = Totals()
        self.losses: list[Loss] = []
        self._limit = limit
        self._sort = sort
        self._top = DeltaBatch(first.node, first.boot, first.seq, first.window, empty_columns())

    def add(self, batch: DeltaBatch) -> None:
        """Sum up another chunk of the same window."""
        self.chunks_seen += 1
        self.totals.open = batch.open_sockets
        if batch.ledger:
            self.losses = losses(batch.ledger)
        if len(batch):
            self._sum(batch.columns)
            self._top = self._best(_joined(self._top, self._best(batch)))

    def top(self) -> list[dict[str, Any]]:
        """The top connections as rows of plain types, the first one first."""
        return list(self._top.rows())

    def _sum(self, columns: Columns) -> None:
        totals = self.totals
        rows = len(columns["socket.slot"])
        opened, closed, failed = (
            columns[f"connection.{life}"] != 0 for life in ("opened", "closed", "failed")
        )
        totals.rows += rows
        totals.opened += int(np.count_nonzero(opened))
        totals.closed += int(np.count_nonzero(closed))
        totals.failed += int(np.count_nonzero(failed))
        totals.tx_bytes += int(columns["tx_bytes"].sum())
        totals.rx_bytes += int(columns["rx_bytes"].sum())
        totals.retransmitted_segments += int(columns["retransmitted_segments"].sum())

    def _best(self, batch: DeltaBatch) -> DeltaBatch:
        """The top rows of ``batch`` in order, with a table of their own cgroups."""
        score = _scores(batch.columns, self._sort)
        where = np.arange(len(score))
        if len(score) > self._limit:
            where = np.argpartition(score, len(score) - self._limit)[-self._limit :]
        where = where[np.lexsort((where, ~score[where]))]
        columns = {name: column[where] for name, column in batch.columns.items()}
        paths = batch.cgroups
        cgroups = [paths[i] if i < len(paths) else "" for i in columns["cgroup.index"].tolist()]
        columns["cgroup.index"] = np.arange(len(where), dtype="<u4")
        return DeltaBatch(batch.node, batch.boot, batch.seq, batch.window, columns, cgroups)


def publication(batch: DeltaBatch) -> tuple[str, int, int]:
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


def _scores(columns: Columns, sort: Sort) -> npt.NDArray[np.uint64]:
    """What rows are ordered by: the sort column, and where that is equal: failed, closed, opened, others."""
    score = np.zeros(len(columns["socket.slot"]), np.uint64)
    for name in _SORT_COLUMNS[sort]:
        score += np.minimum(columns[name].astype(np.uint64), _LARGEST >> np.uint64(1))
    score <<= np.uint64(2)
    event = np.zeros(len(score), np.uint64)
    for number, life in enumerate(("opened", "closed", "failed"), 1):
        event[columns[f"connection.{life}"] != 0] = number
    return score | event


def _joined(one: DeltaBatch, other: DeltaBatch) -> DeltaBatch:
    """The rows of both, each with its own cgroup."""
    if not len(one):
        return other
    columns = {name: np.concatenate([column, other.columns[name]]) for name, column in one.columns.items()}
    columns["cgroup.index"] = np.arange(len(one) + len(other), dtype="<u4")
    cgroups = one.cgroups + other.cgroups
    return DeltaBatch(one.node, one.boot, one.seq, one.window, columns, cgroups)
