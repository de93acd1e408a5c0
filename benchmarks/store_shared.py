"""The store in ClickHouse beside the store in a folder: rows per second of the writer, and times of questions.

The server is Debian's, on the same machine; its own processor time is not the writer's.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.figure import NO_BAR, Reading
from benchmarks.store_rows import BEGIN, PairSeconds
from sinks.clickhouse.connection import Connection, Server
from store.clickhouse.link import Link
from store.clickhouse.reader import ClickHouseStore
from store.clickhouse.writer import ServerWriter
from store.reading import Store, Window
from store.segments.limits import Limits
from store.segments.reader import SegmentStore
from store.segments.writer import Writer
from tests.clickhouse_server import ClickHouseServer

SECONDS: Final = 300
REPEATS: Final = 5


def measure() -> Iterator[Reading]:
    """2,000 pairs a second; each second is made safe."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = ClickHouseServer(folder / "server")
        server.process.start()
        try:
            yield from _measured(server, folder)
        finally:
            server.process.kill()


def _measured(server: ClickHouseServer, folder: Path) -> Iterator[Reading]:
    access = Server(server.url, password=server.password)
    rate, wall = asyncio.run(_inserted(access))
    peer = _written(folder / "store")
    note = f"{SECONDS * 2000 / wall:,.0f} rows/s by the wall clock, the server's longer steps included"
    yield Reading(rate, "rows/s", NO_BAR, "a folder", peer, "more", note)
    stores = ClickHouseStore(Link.to(access), "store"), SegmentStore(folder / "store")
    window = Window(BEGIN, BEGIN + SECONDS)
    questions: list[tuple[str, Callable[[Store], object]]] = [
        ("edges of 5 min", lambda store: store.edges(window)),
        ("edges of 5 min, no histograms", lambda store: store.edges(window, histograms=False)),
        ("one edge, 1 s", lambda store: store.series(window, 1, [_one(store, window)], ["bytes"])),
        ("workloads", lambda store: store.workloads()),
    ]
    for name, question in questions:
        ours, theirs = ([_timed(question, store) for _ in range(REPEATS)] for store in stores)
        yield Reading(1000 * min(ours), "ms", NO_BAR, "a folder", 1000 * min(theirs), "less", name)
    for store in stores:
        store.close()


async def _inserted(access: Server) -> tuple[float, float]:
    """Rows per second of processor time, and seconds in all."""
    writer = ServerWriter(Connection(access, 60), "store", Limits().keep_s)
    await writer.open()
    spent, begun = 0.0, time.monotonic()
    for batch in PairSeconds().batches(SECONDS):
        at = time.process_time()
        writer.take(batch)
        await writer.sync()
        if batch.seq % 60 == 59:
            await writer.seal()
        spent += time.process_time() - at
    wall = time.monotonic() - begun
    await writer.close()
    return SECONDS * 2000 / spent, wall


def _written(folder: Path) -> float:
    """The same of a folder."""
    writer, spent = Writer(folder), 0.0
    for batch in PairSeconds().batches(SECONDS):
        at = time.process_time()
        writer.take(batch)
        writer.sync()
        spent += time.process_time() - at
    at = time.process_time()
    writer.rotate()
    writer.drained()
    spent += time.process_time() - at
    writer.close()
    return SECONDS * 2000 / spent


def _one(store: Store, window: Window) -> int:
    """The edge with the most bytes."""
    edges = store.edges(window, histograms=False, columns=["bytes"])
    return int(edges.ids[np.argmax(edges.measures["bytes"])])


def _timed(question: Callable[[Store], object], store: Store) -> float:
    begun = time.monotonic()
    question(store)
    return time.monotonic() - begun
