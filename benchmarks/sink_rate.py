"""Rows per second of processor time that a sink takes and makes safe."""

import asyncio
import time

from model.batch import Batch
from model.sink import Sink


def delivered(sink: Sink, batch: Batch, repeats: int) -> float:
    """The best of some flushes, each of one batch in chunks; the whole process counts, with threads of libraries."""

    async def run() -> float:
        await sink.open([batch.kind])
        best = float("inf")
        chunks = list(batch.chunked())
        for _ in range(repeats):
            begin = time.process_time()
            for chunk in chunks:
                await sink.write(chunk)
            await sink.flush()
            best = min(best, time.process_time() - begin)
        await sink.close()
        return best

    return len(batch) / asyncio.run(run())
