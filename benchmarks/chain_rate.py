"""Rows per second of processor time on the whole way through an engine: from NATS to a sink that counts."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

import numpy as np

from actors.nat.resolver import Resolver
from actors.nat.table import NatTable
from benchmarks.bus import feed, nats
from benchmarks.children import alone_beside
from benchmarks.connections import FIRST_WINDOW, Connections
from benchmarks.enrich_rate import PATHS, PROCESSES, entity_of, owned
from benchmarks.figure import Bar, Reading
from engine import graphs
from engine.commands.process import give_memory_back
from engine.config import load_config
from model.arrays import Columns
from model.batch import Batch
from model.kind import Kind
from model.kinds.delta import DELTA, Role
from model.kinds.workload import WORKLOAD
from model.ledger import Stage
from model.partition import by_partition
from model.settings import PluginConfig
from sinks.configured import ConfiguredSink

#: As a bus has them by default.
PARTITIONS: Final = 8
#: Rows offered in a second; how many seconds of that are told, and by how much time of the clock they are apart.
OFFERED: Final = {10_000: (101, 0.1), 100_000: (21, 0.5), 1_000_000: (5, 5.0)}
#: From the start of an engine's process until it surely reads.
_START_SECONDS: Final = 4.0
_SETTINGS: Final = {
    "TAILRACE_KUBERNETES_ENABLED": "off",
    "TAILRACE_NAMES": "{10.0.0.0/8: inside}",
}


@dataclass(frozen=True)
class Way:
    """What an engine has to take.

    :param offered: rows of a second.
    :param rows: of all seconds.
    :param bytes: that all connections moved.
    """

    url: str
    offered: int
    rows: int
    bytes: int


class Counting:
    """A sink that adds up what workloads moved."""

    Config: ClassVar[type[PluginConfig]] = PluginConfig

    def __init__(self) -> None:
        self.bytes = 0

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Nothing."""

    async def write(self, batch: Batch) -> None:
        """Adds up."""
        self.bytes += int(batch.columns["bytes"].sum()) if len(batch) else 0

    async def flush(self) -> None:
        """Nothing is kept back."""

    async def close(self) -> None:
        """Nothing."""


def resolved(count: int) -> Columns:
    """Delta rows of a second, of both ends, as agents have them; the owners are the nodes' 400 processes."""
    columns = owned(Connections(count // 2, rewritten=False).ends())
    Resolver(count, NatTable(16, Stage("entries"))).resolve(columns, FIRST_WINDOW)
    columns["entity.index"] = np.add(columns["cgroup.index"], np.uint32(1))
    return columns


def sent(columns: Columns, window: int) -> Iterator[tuple[int, bytes]]:
    """The messages of a second of two nodes, with their partitions: one has the callers, the other the called."""
    entities = [{}, *map(entity_of, range(PROCESSES))]
    for role in (Role.CLIENT, Role.SERVER):
        mine = columns["connection.role"] == role
        part = {name: column[mine] for name, column in columns.items()}
        seq = window * 1000
        batch = Batch(DELTA, role.name, "boot", seq, window, part, {"cgroups": PATHS, "entities": entities})
        for partition, rows in by_partition(batch, PARTITIONS):
            for chunk in replace(rows, seq=seq).fitting():
                seq = chunk.seq + 1
                yield partition, chunk.encode()


def whole_way(way: Way) -> float:
    """Seconds of processor time for all seconds but the first, in which all connections are new."""
    give_memory_back()
    return asyncio.run(_whole_way(way))


async def _whole_way(way: Way) -> float:
    sink = Counting()
    engine = graphs.engine(load_config(None, _SETTINGS), way.url, {"count": ConfiguredSink(sink, [WORKLOAD])})
    joined = engine.ledger.stage("join", "rows")
    running = asyncio.create_task(engine.run())

    async def joins(rows: int) -> None:
        while joined.delivered < rows:
            assert not running.done()
            await asyncio.sleep(graphs.TICK_SECONDS)

    await joins(way.offered)
    before = time.process_time()
    await joins(way.rows)
    taken = time.process_time() - before
    engine.stop()
    await running
    assert (sink.bytes, joined.delivered) == (way.bytes, way.rows)
    return taken


def rate(server: str, offered: int, seconds: int, gap: float) -> float:
    """Rows per second of processor time at so many rows a second."""
    columns, url = resolved(offered), f"{server}/rate{offered}?partitions={PARTITIONS}"
    told = [list(sent(columns, window)) for window in range(FIRST_WINDOW, FIRST_WINDOW + seconds)]
    moved = int(columns["tx_bytes"][columns["connection.role"] == Role.CLIENT].sum()) * seconds
    way = Way(url, offered, offered * seconds, moved)

    def tell() -> None:
        time.sleep(_START_SECONDS)
        feed(url, told, gap)

    return (way.rows - offered) / alone_beside(whole_way, way, tell)


def measure() -> Iterator[Reading]:
    """The rate, and how much dearer a row is at one number of rows a second than at another."""
    rates = {}
    for offered, (seconds, gap) in OFFERED.items():
        with nats() as server:
            rates[offered] = rate(server, offered, seconds, gap)
    shown = "; ".join(f"{offered:,} a second: {found / 1e6:.2f} M rows/s" for offered, found in rates.items())
    note = f"NATS, decode, NAT, pair, enrich, workloads, a counting sink. {shown}"
    yield Reading(min(rates.values()), "rows/s", Bar(at_least=5e5), note=note)
    dearest = max(rates.values()) / min(rates.values())
    yield Reading(dearest, "x", Bar(at_most=1.1), note="dearest row over cheapest")
