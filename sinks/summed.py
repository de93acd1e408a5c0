"""Seconds summed up before a sink gets them (``every``): rows are gathered, and summed up when they are made safe."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import ClassVar

from model.batch import Batch
from model.errors import SinkError
from model.kind import Kind
from model.settings import PluginConfig
from model.sink import Sink, check_of, paths_of
from model.summing import summed
from sinks.gathered import Gathered, Request


class SummedSink:
    """In front of another sink, which gets a row for each key in place of one for each key and second.

    Rows count as delivered when those that they were summed up to are safe.
    """

    Config: ClassVar[type[PluginConfig]] = PluginConfig

    def __init__(self, sink: Sink) -> None:
        self.ledgers = getattr(sink, "ledgers", False)
        self.check = check_of(sink)
        self.paths = paths_of(sink)
        self._sink = sink
        self._gathered: Gathered[Batch] = Gathered(_sums, self._give)
        self._rows = 0  # gathered since the last flush
        self._given = 0  # what they were summed up to
        self._refused: list[SinkError] = []

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Open the sink.

        :raises Exception: what it raises.
        """
        await self._sink.open(kinds)

    async def write(self, batch: Batch) -> None:
        """Gather rows; what has none, such as a ledger, goes on at once."""
        if not batch.kind.columns:
            await self._sink.write(batch)
            return
        self._gathered.add(batch)
        self._rows += len(batch)

    async def flush(self) -> None:
        """Sum up what was gathered, give it to the sink, and have it made safe.

        :raises SinkError: what the sink raises; of rows that it lost as many as they were summed up from.
        """
        try:
            await self._gathered.deliver()
        except SinkError as error:
            if error.retryable:
                raise
            self._refused.append(error)
        try:
            await self._sink.flush()
        except SinkError as error:
            if error.retryable:
                raise
            self._refused.append(self._whole(error))
        refused, self._refused = self._refused, []
        self._rows = self._given = 0
        if refused:
            lost = [error.lost_rows for error in refused]
            rows = None if None in lost else sum(each or 0 for each in lost)
            raise SinkError(refused[0].what, refused[0].remedy, reason=refused[0].reason, lost_rows=rows)

    async def close(self) -> None:
        """Close the sink."""
        self._gathered.clear()
        await self._sink.close()

    async def _give(self, batch: Batch) -> None:
        """:raises SinkError: what the sink raises; if it lost rows of a batch, all that it was summed up from."""
        try:
            await self._sink.write(batch)
        except SinkError as error:
            if error.retryable:
                raise
            raise SinkError(error.what, error.remedy, reason=error.reason) from error
        self._given += len(batch)

    def _whole(self, error: SinkError) -> SinkError:
        """With the rows that the lost ones were summed up from."""
        if error.lost_rows is None:
            return error
        lost = math.ceil(self._rows * error.lost_rows / max(1, self._given))
        return SinkError(error.what, error.remedy, reason=error.reason, lost_rows=lost)


def _sums(batches: Sequence[Batch]) -> Iterator[Request[Batch]]:
    """One for each source, in pieces as the kind has them."""
    sources: dict[tuple[str, str], list[Batch]] = defaultdict(list)
    for batch in batches:
        sources[batch.node, batch.boot].append(batch)
    for same in sources.values():
        whole, rows = summed(same), sum(map(len, same))
        chunks = list(whole.chunked())
        for place, chunk in enumerate(chunks):
            share = rows * (place + 1) // len(chunks) - rows * place // len(chunks)
            yield Request(share, chunk)
