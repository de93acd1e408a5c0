"""The sinks as the end of a graph: batches to the fan-out, and acknowledgements back when they are safe."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from actors.items import Chunk, Receipt, Window
from engine.graph import Graph
from model.errors import BROKEN_PIPE, SinkError, UsageError
from sinks.configured import ConfiguredSink
from sinks.fan_out import FanOut

#: Seconds that sinks get to write what is queued when the program ends: with those to close, two in all.
FLUSH_SECONDS: Final = 1.0
#: The same after a flush that waited for all of them, and did not see the end.
LAST_SECONDS: Final = 0.2
#: Seconds that sinks then have to close, and again that their threads have to end.
CLOSE_SECONDS: Final = 0.5


class SinkOutlet:
    """Gives batches to all sinks that want them.

    :param waits: for sinks that are slow; else the oldest that waits for one is dropped, counted, and the data goes
        on. Who waits also waits for all to be safe at the end.
    """

    def __init__(self, graph: Graph, sinks: Mapping[str, ConfiguredSink], *, waits: bool) -> None:
        #: The rows that any of them wants, by the plural of their kind.
        self.wanted = {kind.plural for each in sinks.values() for kind in each.kinds}
        self._stop = graph.stop
        self._fan_out = FanOut(sinks, graph.ledger, self._sink_failed)
        graph.sinks = self._fan_out.statistics
        self._waits = waits
        self._flushed = False
        self._receipts: list[Receipt] = []
        self._unacknowledged = asyncio.Event()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Sinks are open while the block runs.

        :raises SinkError: if one cannot be opened.
        """
        await self._fan_out.start()
        try:
            yield
        finally:
            await self._fan_out.stop(LAST_SECONDS if self._flushed else FLUSH_SECONDS, CLOSE_SECONDS)

    def require_made(self, sinks: Mapping[str, ConfiguredSink]) -> None:
        """Check that all rows that other sinks want are made already.

        :raises UsageError: if some are not: what makes them is part of the graph only if it is wanted at the start.
        """
        if lacking := {kind.plural for each in sinks.values() for kind in each.kinds} - self.wanted:
            what = f"nobody makes {' and '.join(sorted(lacking))} now"
            raise UsageError(what, "restart Tailrace to give them to a sink")

    async def replace(
        self, sinks: Mapping[str, ConfiguredSink], former: Mapping[str, ConfiguredSink]
    ) -> None:
        """Hand on to other sinks from now on; see ``FanOut.replace``."""
        await self._fan_out.replace(sinks, former)

    async def take(self, item: Chunk | Window) -> None:
        """Queues the batches for the sinks; the messages that they are made of are acknowledged later."""
        for batch in item.batches:
            if self._waits:
                await self._fan_out.put(batch)
            else:
                self._fan_out.offer(batch)
        if item.receipts:
            self._receipts += item.receipts
            self._unacknowledged.set()

    async def acknowledge(self) -> None:
        """Acknowledges messages whose rows all sinks have made safe, or counted as lost. Runs until cancelled.

        While one flush is under way more batches are queued; the next one covers them.
        """
        while True:
            await self._unacknowledged.wait()
            self._unacknowledged.clear()
            receipts, self._receipts = self._receipts, []
            await self._fan_out.flush()
            _acknowledge(receipts)

    async def flush(self) -> None:
        """Returns when all is safe: at the end of the data."""
        if self._waits:
            self._flushed = True
            await self._fan_out.drained()
            receipts, self._receipts = self._receipts, []
            _acknowledge(receipts)

    def _sink_failed(self, _name: str, error: BaseException) -> None:
        """A reader that went away (``tailrace run | head``) ends the program as it ends others."""
        if isinstance(error, SinkError) and error.reason == BROKEN_PIPE:
            self._stop()


def _acknowledge(receipts: list[Receipt]) -> None:
    for receipt in receipts:
        receipt.acknowledge()
