"""How long a neighbourhood of two hops takes in a store of 10,000 workloads and 100,000 edges, and in what memory."""

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.children import alone
from benchmarks.figure import Bar, Reading
from benchmarks.fleet import fleet, second
from benchmarks.procfs import memory
from store.opening import open_store
from store.queries.kept_edges import KeptEdges
from store.queries.questions import QUESTIONS, ask, parameters_of
from store.reading import Window
from store.segments.writer import Writer

WORKLOADS: Final = 10_000
EDGES: Final = 100_000
SECONDS: Final = 120
BEGIN: Final = 1_796_000_040
ROUNDS: Final = 40
#: Of the connects of the fleet: some 10,000 rows a second.
_SHARE: Final = 0.08


def fill(folder: Path) -> int:
    """Two minutes of the fleet, through what the sink writes with; rows that were written."""
    made = fleet(WORKLOADS, EDGES)
    made = replace(made, opens=made.opens * _SHARE)
    writer, rows = Writer(folder), 0
    for at in range(SECONDS):
        batch = second(made, BEGIN + at, at)
        rows += len(batch)
        writer.take(batch)
        writer.sync()
    writer.drained()
    writer.close()
    return rows


def asked(folder: Path) -> tuple[float, float, float, int]:
    """Seconds that 95 of 100 maps do not exceed, and of processor time; MB resident at most; edges of the window."""
    store, random = KeptEdges(open_store(str(folder))), np.random.default_rng(3)
    names = [part.name for part in store.workloads().parts]
    taken, used, question = [], [], QUESTIONS["map"]
    for place in random.integers(0, len(names), ROUNDS).tolist():
        window = {"at": [str(BEGIN + SECONDS)], "window": [f"{SECONDS}s"]}
        said = {"select": [names[place]], "hops": ["2"], **window}
        begin, spent = time.perf_counter(), time.process_time()
        ask(store, question, parameters_of(question, said), float(BEGIN + SECONDS))
        taken.append(time.perf_counter() - begin)
        used.append(time.process_time() - spent)
    resident = memory(os.getpid()).peak  # rusage has the peak of the parent too, which made this process
    edges = len(store.edges(Window(BEGIN, BEGIN + SECONDS), histograms=False))
    store.close()
    return float(np.quantile(taken, 0.95)), float(np.quantile(used, 0.95)), resident, edges


def measure() -> Iterator[Reading]:
    """Time and memory."""
    with tempfile.TemporaryDirectory() as folder:
        rows = alone(fill, Path(folder))
        seconds, processor, resident, edges = alone(asked, Path(folder))
    note = f"{edges:,} edges, {rows:,} rows of {SECONDS} s, {ROUNDS} selections in one window, 2 hops"
    told = f"p95, {processor * 1e3:.0f} ms of processor time: {note}"
    yield Reading(seconds * 1e3, "ms", Bar(at_most=250), note=told)
    yield Reading(resident, "MB", Bar(at_most=250), note=f"resident: {note}")
