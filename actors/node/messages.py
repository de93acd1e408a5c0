"""What a node makes in a second cut into messages, numbered, for one process or for the partitions of a bus."""

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final, Protocol

from actors.items import Chunk, PlainStages, WindowEnd
from actors.node.upstreams import with_upstreams
from model.actor import Actor
from model.batch import MESSAGE_BYTES, Batch
from model.kinds.delta import DELTA
from model.kinds.drop import DROP
from model.kinds.ledger import LEDGER
from model.ledger import Ledger
from model.partition import by_partition
from model.version import VERSION
from probes.kernel.frames import FEEDS

#: Stages of a node's ledger, in this order; those of probes of other packages follow. They depend on frames alone.
STAGES: Final = ("kernel", *FEEDS, "frames", "nat", "sockets", "requests", "links", "queries", "deltas")


class Partitions(Protocol):
    """How a bus divides messages; it may change once the bus is reached."""

    @property
    def partitions(self) -> int:
        """How many there are."""

    @property
    def max_bytes(self) -> int:
        """Of one message at most."""


class Messages(Actor):
    """Cuts batches into messages, and gives each the next number of its kind: kind, node, boot and number name it.

    The ledger of a window goes ahead of its rows, so that who shows them knows what is missing.

    :param partitions: of the bus; without one all goes into one, and a window without rows is a message too.
    :param after: gives the stages that follow in this process, for the ledger of each window.
    """

    def __init__(
        self,
        ledger: Ledger,
        partitions: Partitions | None = None,
        after: Callable[[], PlainStages] = dict,
    ) -> None:
        self._stage = ledger.stage("deltas", "rows")
        self._partitions = partitions
        self._after = after
        self._seqs: Counter[str] = Counter()  # by kind

    def handle(self, item: Any) -> Iterator[Any]:
        """The messages of a window, then its end; those of other kinds; what is no batch is passed on."""
        match item:
            case Batch() if item.kind is DELTA:
                item = with_upstreams(item)
                self._stage.received += len(item)
                self._stage.queued += len(item)
                yield from self._numbered(self._partition_of(item.node), self._ledger(item))
                yield from self._cut(replace(item, head={}))
                yield WindowEnd(item.window, item.head["open_sockets"])
            case Batch() if item.kind is DROP:
                for partition, part in self._divided(item):
                    yield from self._numbered(partition, part)
            case Batch():
                yield from self._numbered(self._partition_of(item.node), item)
            case _:
                yield item

    def _ledger(self, batch: Batch) -> Batch:
        so_far = {**batch.head["ledger"], "deltas": self._stage.as_dict()}
        stages = {name: so_far[name] for name in (*STAGES, *so_far) if name in so_far} | self._after()
        head = {"stages": stages, "open_sockets": batch.head["open_sockets"], "version": VERSION}
        return Batch(LEDGER, batch.node, batch.boot, 0, batch.window, {}, head=head)

    def _cut(self, batch: Batch) -> Iterator[Chunk]:
        """Rows by the partition in which both ends of their connection meet."""
        for partition, part in self._divided(batch):
            for chunk in self._numbered(partition, part):
                self._stage.queued -= len(chunk)
                self._stage.delivered += len(chunk)
                yield chunk

    def _divided(self, batch: Batch) -> Iterable[tuple[int, Batch]]:
        return by_partition(batch, self._partitions.partitions) if self._partitions else [(0, batch)]

    def _partition_of(self, node: str) -> int:
        """Of what is not joined: all of a node in one, which keeps its order."""
        return zlib.crc32(node.encode()) % self._partitions.partitions if self._partitions else 0

    def _numbered(self, partition: int, batch: Batch) -> Iterator[Chunk]:
        max_bytes = self._partitions.max_bytes if self._partitions else MESSAGE_BYTES
        for chunk in replace(batch, seq=self._seqs[batch.kind.name]).fitting(max_bytes):
            self._seqs[batch.kind.name] += 1
            yield Chunk(chunk, partition)
