"""The rows of a second cut into messages, numbered, for one process or for the partitions of a bus."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final, Protocol

from actors.items import Books, Chunk, WindowEnd
from model.actor import Actor
from model.batch import MESSAGE_BYTES, Batch
from model.kinds.delta import DELTA
from model.ledger import Ledger
from model.partition import by_partition
from probes.kernel.frames import FEEDS, RING_STAGE

#: Stages whose books travel with the deltas, in this order: they depend on nothing but the frames.
STAGES: Final = ("kernel", *FEEDS, "frames", "nat", "sockets", "deltas")


class Partitions(Protocol):
    """How a bus divides messages; it may change once the bus is reached."""

    @property
    def partitions(self) -> int:
        """How many there are."""

    @property
    def max_bytes(self) -> int:
        """Of one message at most."""


class Messages(Actor):
    """Cuts batches into messages, and gives each the next number: with node and boot it names a message for good.

    :param partitions: of the bus; without one all goes into one, and a window without rows is a message too.
    :param after: gives the books of what follows in this process, for the end of each window.
    """

    def __init__(
        self,
        ledger: Ledger,
        partitions: Partitions | None = None,
        after: Callable[[], Books] = dict,
    ) -> None:
        self._stage = ledger.stage("deltas", "rows")
        self._partitions = partitions
        self._after = after
        self._seq = 0

    def handle(self, item: Any) -> Iterator[Any]:
        """The messages of a window, then its end; what is no rows of a window is passed on."""
        match item:
            case Batch() if item.kind is DELTA:
                yield from self._cut(item)
                yield WindowEnd(item.window, item.head["open_sockets"])
            case _:
                yield item

    def _cut(self, batch: Batch) -> Iterator[Chunk]:
        self._stage.received += len(batch)
        self._stage.queued += len(batch)
        batch = replace(batch, head={**batch.head, "ledger": self._books(batch)})
        if self._partitions is None:
            yield from self._numbered(0, batch, MESSAGE_BYTES)
            return
        for partition, part in by_partition(batch, self._partitions.partitions):
            yield from self._numbered(partition, part, self._partitions.max_bytes)

    def _books(self, batch: Batch) -> dict[str, Any]:
        books = {**batch.head["ledger"], "deltas": self._stage.as_dict()}
        rings = [name for name in books if name.startswith(RING_STAGE)]
        return {name: books[name] for name in (*STAGES, *rings) if name in books} | self._after()

    def _numbered(self, partition: int, batch: Batch, max_bytes: int) -> Iterator[Chunk]:
        for chunk in replace(batch, seq=self._seq).fitting(max_bytes):
            self._seq += 1
            self._stage.queued -= len(chunk)
            self._stage.delivered += len(chunk)
            yield Chunk(chunk, partition)
