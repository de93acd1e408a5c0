"""What of a load's throughput is left while something watches it: 1 is all of it.

Each run with a watcher stands between two without one and is compared with their mean: a machine that grows slower
or faster meanwhile does so for both. Tailrace and its peers take turns within each round.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks import stream
from benchmarks.figure import Bar, Reading
from benchmarks.watchers import PEERS, TAILRACE, Watcher
from benchmarks.web import web
from model.errors import TailraceError

ROUNDS: Final = 7
SECONDS: Final = 2
CONNECTIONS: Final = 32
BAR: Final = Bar(at_least=0.98)

#: One run of a load: how much it got through.
Run = Callable[[], float]


@dataclass
class Kept:
    """What one watcher left, run by run."""

    shares: list[float]
    rates: list[float]
    failure: str = ""

    @property
    def share(self) -> float | None:
        """The median of its runs."""
        return median(self.shares) if self.shares else None

    @property
    def spread(self) -> str:
        """From the worst run to the best."""
        return f"{min(self.shares):.3f}..{max(self.shares):.3f}" if self.shares else self.failure


@contextlib.contextmanager
def keep_alive() -> Iterator[Run]:
    """Requests a second on 32 connections that stay."""
    with web() as site:
        yield lambda: site.wrk(SECONDS, CONNECTIONS, close=False).per_second


@contextlib.contextmanager
def short() -> Iterator[Run]:
    """Connections a second, one request each."""
    with web() as site:
        yield lambda: site.wrk(SECONDS, CONNECTIONS, close=True).per_second


@contextlib.contextmanager
def one_stream() -> Iterator[Run]:
    """Gbit/s of one connection."""
    yield lambda: stream.gigabits(SECONDS)


def kept_by(watchers: list[Watcher], run: Run, rounds: int = ROUNDS) -> dict[str, Kept]:
    """What each watcher leaves of a load, by its name; one that fails is left out from then on."""
    kept = {watcher.name: Kept([], [], watcher.cannot()) for watcher in watchers}
    run()  # caches, ports, the processor's clock
    before = run()
    for _ in range(rounds):
        for watcher in watchers:
            mine = kept[watcher.name]
            if mine.failure:
                continue
            try:
                watched = _watched(watcher, run)
            except TailraceError as error:
                mine.failure = str(error)
                continue
            after = run()
            mine.shares.append(watched / ((before + after) / 2))
            mine.rates.append(watched)
            before = after
    return kept


def _watched(watcher: Watcher, run: Run) -> float:
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder:
        output = Path("/dev/null") if watcher is TAILRACE else Path(folder, "output")
        with watcher.start(output):
            return run()


def measure(load: Callable[[], AbstractContextManager[Run]], unit: str) -> Iterator[Reading]:
    """The share that Tailrace leaves, beside that of each peer."""
    with load() as run:
        kept = kept_by([TAILRACE, *PEERS], run)
    ours = kept.pop(TAILRACE.name)
    if ours.share is None:
        raise TailraceError(ours.failure)
    rate = median(ours.rates)
    for name, peer in kept.items():
        note = f"{ROUNDS} pairs {ours.spread}, {rate:,.4g} {unit} watched; peer {peer.spread}"
        yield Reading(ours.share, "share", BAR, name, peer.share, "more", note)
