"""How many rows an engine takes per second of processor time: from NATS to a sum for each connection."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import msgpack
import msgspec
import numpy as np
from faust.types import StreamT

from actors.sockets import SocketTable
from benchmarks.bus import fill, nats
from benchmarks.children import alone
from benchmarks.figure import Bar, Reading
from benchmarks.tick_cost import snapshots
from engine.batch import CHUNK_ROWS, DeltaBatch, chunked
from engine.commands.process import give_memory_back
from engine.ledger import Stage
from engine.subjects import DELTAS
from engine.transport.embedded import embedded_app

SOCKETS: Final = 64_000
PARTITIONS: Final = 4
#: As ``tailrace engine`` has it.
IN_FLIGHT: Final = 16
PEER_BATCH: Final = 1000


class Summing(Protocol):
    """Adds up the bytes of each connection over messages."""

    def take(self, message: bytes) -> int:
        """Adds a message; the number of its rows."""

    def total(self) -> int:
        """Of all connections."""


class Columns:
    """Ours: columns of a batch, added to an array by slot."""

    def __init__(self) -> None:
        self._sums = np.zeros(SOCKETS, np.uint64)

    def take(self, message: bytes) -> int:
        """One batch."""
        columns = DeltaBatch.decode(message).columns
        moved = columns["tx_bytes"] + columns["rx_bytes"]
        np.add.at(self._sums, columns["socket.slot"], moved)
        return len(moved)

    def total(self) -> int:
        """Bytes."""
        return int(self._sums.sum())


class RowMaps:
    """The peers: a map for each row, added to a dictionary; a message is a row, or a list of them."""

    def __init__(self) -> None:
        self._sums: defaultdict[tuple[int, int], int] = defaultdict(int)

    def take(self, message: bytes) -> int:
        """One row or one list of rows."""
        decoded = msgspec.msgpack.decode(message)
        rows = decoded if isinstance(decoded, list) else [decoded]
        for row in rows:
            self._sums[row["socket.slot"], row["socket.generation"]] += row["tx_bytes"] + row["rx_bytes"]
        return len(rows)

    def total(self) -> int:
        """Bytes."""
        return sum(self._sums.values())


def window() -> DeltaBatch:
    """A second of all sockets, as an agent cuts it."""
    columns, cgroups = SocketTable(SOCKETS, Stage("events")).tick(snapshots(SOCKETS)())
    return DeltaBatch("node-1", "boot-1", 0, 1, columns, cgroups)


def batches(count: int) -> list[bytes]:
    """Messages of ``CHUNK_ROWS`` rows."""
    encoded = [chunk.encode() for chunk in chunked(window())]
    return [encoded[number % len(encoded)] for number in range(count)]


def row_maps(count: int) -> list[dict[str, Any]]:
    """The same rows with names."""
    rows = [row for _, row in zip(range(count), window().rows(), strict=False)]
    return [rows[number % len(rows)] for number in range(count)]


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
            rows += sums.take(cast(bytes, message))
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
    """Rows per second of processor time, beside two ways of sending rows as maps."""
    with nats() as server:
        mine = drained(server, Columns, "columns", batches(500))
        rows = row_maps(100_000)
        single = drained(server, RowMaps, "rows", [msgpack.packb(row) for row in rows[:20_000]])
        lists = [msgpack.packb(rows[first : first + PEER_BATCH]) for first in range(0, len(rows), PEER_BATCH)]
        many = drained(server, RowMaps, "lists", lists)
    own = (
        f"{mine.rows:,} rows in messages of {CHUNK_ROWS:,}, {mine.rows / mine.wall:,.0f} rows/s by the clock"
    )
    for peer, name in ((single, "a map as a message"), (many, f"{PEER_BATCH:,} maps as a message")):
        note = f"{own}; peer: {peer.rows:,} rows, {peer.rows / peer.wall:,.0f} rows/s by the clock"
        yield Reading(mine.rate, "rows/s", Bar(at_least=2e6), name, peer.rate, "more", note)
