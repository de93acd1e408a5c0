"""What an agent costs at 100,000 rows a second: from the snapshot to the last acknowledgement of NATS."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks.bus import nats
from benchmarks.children import alone
from benchmarks.figure import Bar, Reading
from benchmarks.paced_source import PacedSource
from benchmarks.roles import up
from engine import graphs
from engine.commands.process import give_memory_back
from engine.config import Config

ROWS: Final = 100_000
SECONDS: Final = 10
_LOOK_SECONDS: Final = 0.005


@dataclass(frozen=True)
class Spent:
    """Seconds of processor time, user and system, and of the clock, of each second's rows."""

    cpu: list[float]
    wall: list[float]


def publish(url: str) -> Spent:
    """Lets an agent take ``SECONDS`` windows; the first, in which all sockets are new, is not counted."""
    give_memory_back()  # as ``tailrace agent`` does
    return asyncio.run(_publish(url))


async def _publish(url: str) -> Spent:
    source, spent = PacedSource(ROWS), Spent([], [])
    agent = graphs.agent(Config(), url, source)
    outbox = agent.ledger.stage("outbox", "rows")
    async with up(agent):
        for number in range(SECONDS + 1):
            frame = source.frame()
            cpu, wall = time.process_time(), time.perf_counter()
            source.end_second(frame)
            while outbox.delivered < (number + 1) * ROWS:  # noqa: ASYNC110  # a ledger has no event
                await asyncio.sleep(_LOOK_SECONDS)
            spent.cpu.append(time.process_time() - cpu)
            spent.wall.append(time.perf_counter() - wall)
    return Spent(spent.cpu[1:], spent.wall[1:])


def measure() -> Iterator[Reading]:
    """Percent of one core."""
    with nats() as server:
        spent = alone(publish, server)
    worst, wall = max(spent.cpu), median(spent.wall)
    note = (
        f"median of {SECONDS} windows of {ROWS:,} rows, worst {100 * worst:.1f} %; stored {wall * 1e3:.0f} ms"
    )
    note += " after the snapshot"
    yield Reading(100 * median(spent.cpu), "% of core", Bar(at_most=10), note=note)
