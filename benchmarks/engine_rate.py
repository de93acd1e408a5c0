"""How many rows an engine takes per second of processor time: from NATS to a sum for each connection."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgpack
from faust.types import StreamT

from benchmarks import engine_flows
from benchmarks.bus import fill, nats
from benchmarks.children import alone
from benchmarks.delta_messages import Columns, RowMaps, Summing, batches, row_maps
from benchmarks.figure import Bar, Reading
from engine.commands.process import give_memory_back
from engine.transport.embedded import embedded_app
from model.kinds.delta import DELTA
from model.subjects import DELTAS

PARTITIONS: Final = 4
#: As ``tailrace engine`` has it.
IN_FLIGHT: Final = 16
PEER_BATCH: Final = 1000


@dataclass(frozen=True)
class Drain:
    """What a process has to take.

    :param total: the sum over all connections that must come out.
    """

    url: str
    kind: type[Columns] | type[RowMaps]
    messages: int
    total: int


@dataclass(frozen=True)
class Drained:
    """What it took for that, in seconds of processor time, user and system, and of the clock."""

    rows: int
    cpu: float
    wall: float

    @property
    def rate(self) -> float:
        """Rows per second of processor time."""
        return self.rows / self.cpu


def drain(task: Drain) -> Drained:
    """Takes everything with our driver for Faust; joining the group is in the time."""
    give_memory_back()
    return asyncio.run(_drain(task))


async def _drain(task: Drain) -> Drained:
    app = embedded_app("tailrace-rate", task.url, in_flight=IN_FLIGHT)
    deltas = app.topic(DELTAS, value_type=bytes)
    sums: Summing = task.kind()
    finished = asyncio.Event()
    rows = messages = 0

    @app.agent(deltas, name="sum")
    async def sum_up(stream: StreamT[bytes]) -> None:
        nonlocal rows, messages
        async for message in stream:
            rows += sums.take(message)
            messages += 1
            if messages == task.messages:
                finished.set()

    cpu, wall = time.process_time(), time.perf_counter()
    await app.start()
    await finished.wait()
    drained = Drained(rows, time.process_time() - cpu, time.perf_counter() - wall)
    await app.stop()
    assert sums.total() == task.total
    return drained


def drained(
    server: str, kind: type[Columns] | type[RowMaps], name: str, messages: Sequence[bytes]
) -> Drained:
    """Fills a log of that name and has a fresh process take it."""
    url = f"{server}/{name}?partitions={PARTITIONS}"
    fill(url, messages)
    sums: Summing = kind()
    for message in messages:
        sums.take(message)
    return alone(drain, Drain(url, kind, len(messages), sums.total()))


def measure() -> Iterator[Reading]:
    """Rows per second of processor time, beside two ways of sending rows as maps; then as far as flows."""
    with nats() as server:
        mine = drained(server, Columns, "columns", batches(500))
        rows = row_maps(100_000)
        single = drained(server, RowMaps, "rows", [msgpack.packb(row) for row in rows[:20_000]])
        lists = [msgpack.packb(rows[first : first + PEER_BATCH]) for first in range(0, len(rows), PEER_BATCH)]
        many = drained(server, RowMaps, "lists", lists)
    own = f"{mine.rows:,} rows in messages of {DELTA.chunk_rows:,}, {mine.rows / mine.wall:,.0f} rows/s by the clock"
    for peer, name in ((single, "a map as a message"), (many, f"{PEER_BATCH:,} maps as a message")):
        note = f"{own}; peer: {peer.rows:,} rows, {peer.rows / peer.wall:,.0f} rows/s by the clock"
        yield Reading(mine.rate, "rows/s", Bar(at_least=2e6), name, peer.rate, "more", note)
    yield from engine_flows.measure()
