"""How long after its end the rows of a second are at the sink: in one process, and by way of NATS."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from benchmarks.bus import nats
from benchmarks.children import alone, holds, running
from benchmarks.figure import Bar, Reading
from benchmarks.roles import Role, up
from benchmarks.watchers import SETTLE_SECONDS, program
from benchmarks.web import Web, web
from engine import graphs
from engine.commands.process import give_memory_back
from engine.config import Config
from model.batch import Batch
from model.clock import SECOND_NS
from model.errors import TailraceError
from model.kind import Kind
from model.kinds.delta import DELTA
from model.settings import PluginConfig
from sinks.configured import ConfiguredSink

WINDOWS: Final = 60
#: Connections a second, one request each.
RATE: Final = 500


class Stamping:
    """A sink that notes when rows came.

    ``arrived`` is when the last rows of a window were there, in nanoseconds of the wall clock.
    """

    Config: ClassVar[type[PluginConfig]] = PluginConfig

    def __init__(self) -> None:
        self.arrived: dict[int, int] = {}
        self.rows = 0

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Nothing to get ready."""

    async def write(self, batch: Batch) -> None:
        """Notes the time."""
        if len(batch):
            self.arrived[batch.window] = time.time_ns()
            self.rows += len(batch)

    async def flush(self) -> None:
        """Nothing is kept back."""

    async def close(self) -> None:
        """Nothing to let go of."""


@dataclass(frozen=True)
class Waited:
    """Milliseconds from the end of each window of the load until its last rows were there."""

    windows: list[float]
    rows: int


async def _watched(sink: Stamping, role: Role, site: Web) -> Waited:
    """Lets a role watch the load; the windows in which it begins and ends are left out."""
    loop = asyncio.get_running_loop()
    async with up(role):
        await asyncio.sleep(SETTLE_SECONDS)
        begin, rows = time.time_ns(), sink.rows
        await loop.run_in_executor(None, site.pace, WINDOWS + 2, RATE)
        end = time.time_ns()
        await asyncio.sleep(SETTLE_SECONDS)
    inside = range(begin // SECOND_NS + 1, end // SECOND_NS)
    ends = {window: (window + 1) * SECOND_NS for window in inside}
    late = [(sink.arrived[window] - ends[window]) / 1e6 for window in inside if window in sink.arrived]
    return Waited(late, sink.rows - rows)


def in_memory(_: str) -> Waited:
    """Everything of ``tailrace run`` in this process."""
    give_memory_back()
    sink = Stamping()
    with web() as site:
        return asyncio.run(
            _watched(sink, graphs.run(Config(), {"stamping": ConfiguredSink(sink, [DELTA])}), site)
        )


def over_nats(url: str) -> Waited:
    """``tailrace agent`` as a process, and an engine in this one."""
    give_memory_back()
    sink = Stamping()
    agent = [program(), "agent", "--nats", url]
    with web() as site, running(agent, ready=holds("bpf_link", "bpf-link")):
        return asyncio.run(
            _watched(sink, graphs.engine(Config(), url, {"stamping": ConfiguredSink(sink, [DELTA])}), site)
        )


def _reading(waited: Waited, bar: float) -> Reading:
    if len(waited.windows) < WINDOWS:
        raise TailraceError(f"rows of {len(waited.windows)} windows came, not of {WINDOWS}")
    median, p99 = np.percentile(waited.windows, (50, 99))
    note = (
        f"p99 of {len(waited.windows)} windows, median {median:.1f} ms, worst {max(waited.windows):.1f} ms;"
    )
    note += f" {waited.rows / (WINDOWS + 2):,.0f} rows/s"
    return Reading(float(p99), "ms", Bar(at_most=bar), note=note)


def measure_memory() -> Iterator[Reading]:
    """Milliseconds, within one process."""
    yield _reading(alone(in_memory, ""), 100)


def measure_nats() -> Iterator[Reading]:
    """Milliseconds, over agent, NATS and engine."""
    with nats() as url:
        yield _reading(alone(over_nats, url), 300)
