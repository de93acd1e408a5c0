"""The sink contract: what a class behind the entry point group ``tailrace.sinks`` provides."""

from typing import ClassVar, Protocol, runtime_checkable

import msgspec

from model.kinds.delta_batch import DeltaBatch
from model.kinds.flow_batch import FlowBatch
from model.kinds.workload_batch import WorkloadBatch

#: What sinks take: flows, the deltas that they are made of, or the workloads that they are summed up to.
Batch = FlowBatch | DeltaBatch | WorkloadBatch


@runtime_checkable
class Sink(Protocol):
    """Takes batches, one at a time, in order; the fan-out in front of it holds the bounded queue.

    ``Config`` is a ``msgspec.Struct`` (``forbid_unknown_fields=True``) whose first field is what
    ``--sink NAME:ARG`` sets. The constructor takes one and does no I/O.

    A sink that does not take every kind of batch says so in ``stages: ClassVar[tuple[RowStage, ...]]``. One that has
    an attribute ``stage`` is told there, before it is opened, which it gets: always one and the same.
    """

    Config: ClassVar[type[msgspec.Struct]]

    async def open(self) -> None:
        """Get ready.

        :raises SinkError: if it cannot be written to, with what to do; the program does not start then.
        """

    async def write(self, batch: Batch) -> None:
        """Take one batch; when it returns, the rows are delivered. Must not block the event loop for long.

        :raises SinkError: if rows are lost or the batch should be offered again.
        """

    async def close(self) -> None:
        """Flush and let go; called once, also after a failure."""
