"""A million NAT entries: the memory that they take, and the longest that anything waits for the table."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final, Protocol

import numpy as np

from actors.nat.resolver import Resolver
from actors.nat.table import NatTable
from benchmarks.children import alone
from benchmarks.connections import FIRST_WINDOW, Connections
from benchmarks.figure import Bar, Reading
from benchmarks.peers.row_join import RowJoin, pairs_of, rows_of
from benchmarks.procfs import memory
from engine.commands.process import give_memory_back
from model.ledger import Stage

LIVE: Final = 1_000_000
#: Room for those and some that ended: once it is full, each new entry takes the place of one of them.
ENTRIES: Final = LIVE + 50_000
RATE: Final = 20_000
#: Drains a second; what comes in one is one call.
DRAINS: Final = 10
SECONDS: Final = 10
LOOKED_UP: Final = 10_000
_BATCH: Final = RATE // DRAINS
#: Generations of connections, after which tuples come again.
_GENERATIONS: Final = 100


@dataclass
class Attachment:
    """What a table took.

    :param megabytes: by which the process grew while the entries came.
    :param longest: seconds of processor time of the longest call of each kind.
    :param wall: of the longest of all by the clock.
    """

    megabytes: float = 0.0
    longest: dict[str, float] = field(default_factory=dict)
    wall: float = 0.0

    def call(self, kind: str, work: Callable[[], object]) -> None:
        """Measures one call."""
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        self.longest[kind] = max(self.longest.get(kind, 0.0), time.process_time() - cpu)
        self.wall = max(self.wall, time.perf_counter() - wall)

    @property
    def pause(self) -> float:
        """Milliseconds of the longest call."""
        return 1e3 * max(self.longest.values())

    @property
    def text(self) -> str:
        """All kinds."""
        kinds = ", ".join(f"{kind} {1e3 * seconds:.1f}" for kind, seconds in self.longest.items())
        return f"{kinds} ms; by the clock {1e3 * self.wall:.0f} ms at most"


class Table(Protocol):
    """What is measured; each method returns the work, everything that is not its own made ready before."""

    def come(self, new: np.ndarray, gone: np.ndarray) -> Callable[[], object]: ...

    def look_up(self, window: int) -> Callable[[], object]: ...

    def tell(self, window: int) -> Callable[[], object]: ...


class Columns:
    """Ours; it announces to other nodes, as an agent's does."""

    def __init__(self) -> None:
        give_memory_back()
        self._stage = Stage("entries")
        self._table = NatTable(ENTRIES, self._stage, announces=True)
        self._resolver = Resolver(LOOKED_UP, self._table)
        self._connections = Connections(LOOKED_UP // 2, rewritten=True)

    def come(self, new: np.ndarray, gone: np.ndarray) -> Callable[[], object]:
        """Entries that end, then new ones."""
        events = np.concatenate((gone, new))
        return lambda: self._table.learn(events, 0)

    def look_up(self, window: int) -> Callable[[], object]:
        """Sockets that are all new."""
        columns = self._connections.ends(window)
        return lambda: self._resolver.resolve(columns, FIRST_WINDOW)

    def tell(self, window: int) -> Callable[[], object]:
        """What other nodes should know."""
        return lambda: self._table.announce(window)


class Rows:
    """The peer: a dictionary of tuples, of addresses as bytes and ports; it tells nobody."""

    def __init__(self) -> None:
        self._table = RowJoin()
        self._connections = Connections(LOOKED_UP // 2, rewritten=True)

    def come(self, new: np.ndarray, gone: np.ndarray) -> Callable[[], object]:
        """Entries that end, then new ones."""
        come, go = pairs_of(new), pairs_of(gone)

        def work() -> None:
            self._table.forget(go)
            self._table.learn(come)

        return work

    def look_up(self, window: int) -> Callable[[], object]:
        """Rows that are dictionaries."""
        rows = rows_of(self._connections.ends(window))
        return lambda: self._table.join(rows)

    def tell(self, _: int) -> Callable[[], object]:
        """Nothing."""
        return lambda: None


def batches(*, gone: bool) -> Iterator[np.ndarray]:
    """Events of a drain each; entries end in the order in which they came."""
    connections = Connections(RATE, rewritten=True)
    for generation in range(_GENERATIONS):
        events = connections.entries(generation, FIRST_WINDOW, gone=gone)
        yield from (events[begin : begin + _BATCH] for begin in range(0, RATE, _BATCH))


def lived(kind: type[Table]) -> Attachment:
    """Fills a table, then lets entries come and go at a steady rate."""
    taken, new, gone = Attachment(), batches(gone=False), batches(gone=True)
    none = next(batches(gone=True))[:0]
    before = memory(os.getpid()).now
    table = kind()
    for _ in range(LIVE // _BATCH):
        taken.call("fill", table.come(next(new), none))
    table.tell(0)()
    taken.megabytes = memory(os.getpid()).now - before
    for second in range(1, SECONDS + 1):
        for _ in range(DRAINS):
            taken.call("learn", table.come(next(new), next(gone)))
        taken.call("look-up", table.look_up(_GENERATIONS // 4 + second))
        taken.call("announce", table.tell(second))
    return taken


@cache
def mine() -> Attachment:
    """Ours, once for both figures."""
    return alone(lived, Columns)


@cache
def peer() -> Attachment:
    """The peer, once for both figures."""
    return alone(lived, Rows)


def measure_memory() -> Iterator[Reading]:
    """MB by which a fresh process grows with a million entries."""
    note = f"{LIVE:,} entries that hold, room for {ENTRIES:,}"
    yield Reading(mine().megabytes, "MB", Bar(at_most=400), "dict of tuples", peer().megabytes, note=note)


def measure_pause() -> Iterator[Reading]:
    """Milliseconds of processor time of the longest call."""
    note = f"{RATE:,} entries/s come and go in {DRAINS} calls, {LOOKED_UP:,} rows a look-up: {mine().text}"
    note += f"; peer: {peer().text}"
    yield Reading(mine().pause, "ms", Bar(at_most=50), "dict of tuples", peer().pause, note=note)
