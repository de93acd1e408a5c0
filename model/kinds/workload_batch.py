"""A batch of workload rows: pairs of workloads in one second; columns inside."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final

import numpy as np

from model.histogram import Histograms
from model.kinds.delta import Columns
from model.kinds.flow import SIDES
from model.kinds.workload import OTHER, Workload, empty_workloads
from model.row_stage import RowStage

#: Rows of one batch at most.
CHUNK_ROWS: Final = 4000

#: Part of a workload → its key in a row, after the side.
PARTS: Final = {
    "name": "workload.name",
    "kind": "workload.kind",
    "namespace": "workload.namespace",
    "zone": "cloud.availability_zone",
    "version": "service.version",
}
#: What rows have histograms of.
MEASURES: Final = ("rtt_ns", "connect_latency_ns")


@dataclass(frozen=True)
class WorkloadBatch:
    """Pairs of one window; further rows of the same pair and window, of any batches, are added to them.

    :param node: where the flows were joined: the node's name, or that of the engine's partition.
    :param seq: with ``node`` and ``boot`` it names the batch.
    :param workloads: what ``client.workload.index`` and ``server.workload.index`` point into; the first is ``OTHER``.
    :param histograms: what ``rtt_ns.index`` and ``connect_latency_ns.index`` point into; the first is empty.
    :param chunk: this batch's place among the ``chunks`` of one publication of the window.
    :param open_sockets: as of the flows.
    :param ledger: the loss ledger at the end of the window, in the last chunk of it (else empty).
    """

    stage: ClassVar[RowStage] = "workloads"

    node: str
    boot: str
    seq: int
    window: int
    columns: Columns
    workloads: Sequence[Workload] = (OTHER,)
    histograms: Histograms = field(default_factory=Histograms)
    chunk: int = 0
    chunks: int = 1
    open_sockets: int = 0
    ledger: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.columns["server.port"])

    @property
    def last(self) -> bool:
        """Whether the publication of the window is complete with this batch."""
        return self.chunk == self.chunks - 1

    def empty(self) -> "WorkloadBatch":
        """The same without rows."""
        return replace(self, columns=empty_workloads())

    def take(self, rows: np.ndarray | slice) -> "WorkloadBatch":
        """The rows at these places, or of this mask; tables are shared."""
        return replace(self, columns={name: column[rows] for name, column in self.columns.items()})

    def rows(self) -> Iterator[dict[str, Any]]:
        """Rows as plain types, for those who want them: names as text, histograms as maps."""
        lists = {name: column.tolist() for name, column in self.columns.items()}
        for values in zip(*lists.values(), strict=True):
            row = dict(zip(lists, values, strict=True))
            for side in SIDES:
                workload = self.workloads[row.pop(f"{side}.workload.index")]
                row |= {f"{side}.{key}": getattr(workload, part) for part, key in PARTS.items()}
            for measure in MEASURES:
                row[measure] = self.histograms[row.pop(f"{measure}.index")].as_dict()
            yield row


def workload_chunks(batch: WorkloadBatch, rows: int = CHUNK_ROWS) -> Iterator[WorkloadBatch]:
    """``batch`` in pieces of at most ``rows`` rows, at least one, numbered; the ledger in the last."""
    chunks = max(1, -(-len(batch) // rows))
    for chunk in range(chunks):
        part = batch.take(slice(chunk * rows, (chunk + 1) * rows))
        ledger = batch.ledger if chunk == chunks - 1 else {}
        yield replace(part, seq=batch.seq + chunk, chunk=chunk, chunks=chunks, ledger=ledger)
