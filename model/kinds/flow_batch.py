"""A batch of flow rows: the connections of one second, with both ends of each; columns inside."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np

from model.addresses import address_text
from model.chains import Chain, Chains
from model.enricher import Entity
from model.kinds.delta import Columns
from model.kinds.delta_batch import NOBODY
from model.kinds.flow import SIDES, empty_flows
from model.row_stage import RowStage

#: Rows of one batch at most.
CHUNK_ROWS: Final = 4000


class Node(NamedTuple):
    """A node that reports, and the start of Tailrace there: slots and message numbers begin anew with each."""

    name: str
    boot: str


NOWHERE: Final = Node("", "")


@dataclass(frozen=True)
class FlowBatch:
    """Flows of one window, joined in one place.

    :param node: where they were joined: the node's name, or ``engine``.
    :param boot: the start of Tailrace there; with ``node`` and ``seq`` it names the batch.
    :param window: the second since the epoch in which the rows happened, whole.
    :param chunk: this batch's place among the ``chunks`` of one publication of the window.
    :param cgroups: paths that the columns ``client.cgroup.index`` and ``server.cgroup.index`` point into.
    :param nodes: what ``client.node.index`` and ``server.node.index`` point into; the first is ``NOWHERE``.
    :param entities: what ``client.entity.index`` and ``server.entity.index`` point into; the first is nobody.
    :param chains: what ``nat.index`` points into; the first is empty.
    :param open_sockets: sockets open at the end of the window on this node, also those that have no row.
    :param ledger: the loss ledger at the end of the window, in the last chunk of it (else empty).
    """

    stage: ClassVar[RowStage] = "flows"

    node: str
    boot: str
    seq: int
    window: int
    columns: Columns
    cgroups: list[str] = field(default_factory=lambda: [""])
    nodes: list[Node] = field(default_factory=lambda: [NOWHERE])
    chains: Sequence[Chain] = field(default_factory=Chains)
    entities: Sequence[Entity] = NOBODY
    chunk: int = 0
    chunks: int = 1
    open_sockets: int = 0
    ledger: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.columns["connection.id"])

    @property
    def last(self) -> bool:
        """Whether the publication of the window is complete with this batch."""
        return self.chunk == self.chunks - 1

    def empty(self) -> "FlowBatch":
        """The same without rows."""
        return replace(self, columns=empty_flows())

    def take(self, rows: np.ndarray | slice) -> "FlowBatch":
        """The rows at these places, or of this mask; tables are shared."""
        return replace(self, columns={name: column[rows] for name, column in self.columns.items()})

    def rows(self) -> Iterator[dict[str, Any]]:
        """Rows as plain types, for those who want them: addresses and names as text, flags as numbers."""
        lists = {name: column.tolist() for name, column in self.columns.items()}
        for values in zip(*lists.values(), strict=True):
            row = dict(zip(lists, values, strict=True))
            for end in ("client", "service", "server"):
                row[f"{end}.address"] = address_text(row[f"{end}.address"])
            row["nat"] = [hop.as_dict() for hop in self.chains[row.pop("nat.index")]]
            for side in SIDES:
                row[f"{side}.process.comm"] = row[f"{side}.process.comm"].decode(errors="replace")
                row[f"{side}.cgroup.path"] = self.cgroups[row.pop(f"{side}.cgroup.index")]
                node = self.nodes[row.pop(f"{side}.node.index")]
                row[f"{side}.node"], row[f"{side}.boot"] = node
                row[f"{side}.entity"] = dict(self.entities[row.pop(f"{side}.entity.index")])
            yield row


def flow_chunks(batch: FlowBatch, rows: int = CHUNK_ROWS) -> Iterator[FlowBatch]:
    """``batch`` in pieces of at most ``rows`` rows, at least one, numbered; the ledger in the last."""
    return published([batch], rows)


def published(batches: Sequence[FlowBatch], rows: int = CHUNK_ROWS) -> Iterator[FlowBatch]:
    """Batches with the flows of one window as one publication: in pieces as ``flow_chunks`` gives them.

    :param batches: at least one; number and ledger are those of the first.
    """
    first = batches[0]
    places = [
        (batch, slice(begin, begin + rows)) for batch in batches for begin in range(0, len(batch), rows)
    ] or [(first, slice(0))]
    for chunk, (batch, some) in enumerate(places):
        ledger = first.ledger if chunk == len(places) - 1 else {}
        number = first.seq + chunk
        yield replace(batch.take(some), seq=number, chunk=chunk, chunks=len(places), ledger=ledger)
