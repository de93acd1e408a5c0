"""Engines killed under load: is every row there, is any there twice, and for how long did nothing come."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.arrivals import Arrivals
from benchmarks.bus import nats
from benchmarks.children import Child, running
from benchmarks.figure import Bar, Reading
from benchmarks.paced_source import FIRST_WINDOW, PacedSource
from benchmarks.roles import up
from benchmarks.watchers import program
from engine import graphs
from engine.config import Config

KILLS: Final = 20
LEASE_SECONDS: Final = 1.5
PARTITIONS: Final = 4
SOCKETS: Final = 400
#: Between windows: a hurried second.
TICK_SECONDS: Final = 0.1
#: Between kills; engines start, join and take over meanwhile.
LIFE_SECONDS: Final = 3.0
#: For what is left after the last kill.
LAST_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.01


class Load:
    """An agent that sends a window every ``TICK_SECONDS``, and looks for rows in between."""

    def __init__(self, source: PacedSource, arrivals: Arrivals) -> None:
        self._source = source
        self._arrivals = arrivals

    async def keep_up(self, seconds: float) -> None:
        """Goes on for so long."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            frame = self._source.frame()
            self._arrivals.sent[self._source.window] = now
            self._source.end_second(frame)
            await self.look(TICK_SECONDS)

    async def look(self, seconds: float) -> None:
        """Looks for rows for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await asyncio.sleep(_LOOK_SECONDS)
            self._arrivals.look()

    async def settle(self) -> None:
        """Waits for what is missing."""
        end = time.monotonic() + LAST_SECONDS
        while self._arrivals.missing and time.monotonic() < end:
            await self.look(_LOOK_SECONDS)


def _engine(stack: contextlib.ExitStack, url: str, out: Path) -> Child:
    command = [program(), "engine", "--nats", url, "--stage", "deltas", "--sink", f"jsonl:{out}"]
    quiet = {"TAILRACE_LOG_LEVEL": "error"}
    return stack.enter_context(running(command, ready=lambda _: True, environment=quiet))


async def _kill_engines(url: str, folder: Path) -> Arrivals:
    arrivals = Arrivals([folder / f"{number}.jsonl" for number in range(2 + KILLS)], SOCKETS)
    source = PacedSource(SOCKETS)
    load = Load(source, arrivals)
    with contextlib.ExitStack() as stack:
        engines = [_engine(stack, url, file) for file in arrivals.files[:2]]
        async with up(graphs.agent(Config(), url, source)):
            for number in range(KILLS):
                await load.keep_up(LIFE_SECONDS)
                engines[number].kill()
                engines.append(_engine(stack, url, arrivals.files[2 + number]))
            await load.keep_up(LIFE_SECONDS)
            await load.settle()
    return arrivals


def measure() -> Iterator[Reading]:
    """Rows missing, rows double, and the longest time without a row."""
    with nats() as server, TemporaryDirectory(prefix="tailrace-bench-") as folder:
        url = f"{server}?partitions={PARTITIONS}&lease_seconds={LEASE_SECONDS}"
        found = asyncio.run(_kill_engines(url, Path(folder)))
    sent = len(found.sent) * SOCKETS
    assert found.sent.keys() == set(range(FIRST_WINDOW, FIRST_WINDOW + len(found.sent)))
    note = f"{KILLS} kills, 2 engines, {sent:,} rows; {found.again:,} came again under their name"
    yield Reading(found.missing, "rows missing", Bar(at_most=0), note=note)
    yield Reading(found.double, "rows double", Bar(at_most=0), note=note)
    late = f"a row came {found.late:.2f} s after its window at most; lease {LEASE_SECONDS:g} s"
    yield Reading(found.gap, "s", Bar(at_most=2 * LEASE_SECONDS), note=late)
