"""A store of 50 million rows of a second: how quick it takes them, how large it is, and what questions to it cost."""

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.children import alone
from benchmarks.figure import NO_BAR, Bar, Reading
from benchmarks.procfs import Memory, memory
from benchmarks.store_query import milliseconds
from benchmarks.store_rows import BEGIN, PairSeconds
from model.batch import Batch
from store.reading import Window
from store.segments.limits import Limits
from store.segments.manifest import read
from store.segments.reader import SegmentStore
from store.segments.tables import ROWS
from store.segments.writer import Writer

#: Of 2,000 pairs: 50 million rows, which are all kept by the second.
SECONDS: Final = 25_000
_MONTH: Final = 30 * 86_400
#: Made-up seconds that come again and again: to make them costs more than to store them.
_MADE: Final = 120


def _batches() -> Iterator[Batch]:
    made = list(PairSeconds().batches(_MADE))
    for at in range(SECONDS):
        yield replace(made[at % _MADE], seq=at, window=BEGIN + at)


def filled(folder: Path) -> tuple[float, float, float, float]:
    """Rows per second of processor time, and by the clock; bytes a row in steps of a second, and of all files."""
    batches, writer = _batches(), Writer(folder, Limits({1: _MONTH, 10: _MONTH, 60: _MONTH}, 1 << 40))
    begin, spent, rows = time.perf_counter(), time.process_time(), 0
    for batch in batches:
        writer.take(batch)
        writer.sync()
        rows += len(batch)
    writer.drained()
    spent, seconds = time.process_time() - spent, time.perf_counter() - begin
    writer.close()
    manifest = read(folder)
    by_second = manifest.of(ROWS.name, 1)
    counted, size = sum(each.rows for each in by_second), sum(each.bytes for each in by_second)
    return rows / spent, rows / seconds, size / counted, manifest.bytes / counted


def asked(folder: Path) -> tuple[list[tuple[float, ...]], Memory]:
    """Milliseconds of all edges of five minutes, and of an edge by the second for an hour.

    :return: of each by the clock and of the processor.
    """
    store, end = SegmentStore(folder), BEGIN + SECONDS
    recent, hour = Window(end - 305, end - 5), Window(end - 3600, end)
    edge = int(store.edges(recent, histograms=False).ids[7])
    questions = partial(store.edges, recent, histograms=False), partial(store.series, hour, 1, [edge])
    clocks = time.perf_counter, time.process_time
    found = [tuple(milliseconds(question, clock) for clock in clocks) for question in questions]
    resident = memory(os.getpid())
    store.close()
    return found, resident


def measure() -> Iterator[Reading]:
    """Takes ten minutes and 1.5 GB of disk."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        by_processor, by_clock, by_second, of_all = alone(filled, folder)
        found, resident = alone(asked, folder)
    note = f"{SECONDS * 2000:,} rows, {by_clock:,.0f} a second by the clock"
    yield Reading(by_processor, "rows/s", Bar(at_least=5e5), note=note)
    yield Reading(by_second, "bytes a row", Bar(at_most=16), note=f"with all steps and tables {of_all:.1f}")
    told = ("all edges of 5 min, sums", 150), ("one edge by the second for an hour, with histograms", 30)
    for (by_clock, used), (what, bar) in zip(found, told, strict=True):
        yield Reading(by_clock, "ms", Bar(at_most=bar), note=f"{what}; {used:.0f} ms of processor time")
    note = f"resident after questions, at most {resident.peak:.0f}"
    yield Reading(resident.now, "MB", NO_BAR, note=note)
