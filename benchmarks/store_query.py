"""Milliseconds of questions to a store that is written, beside SQLite with an index for each of them."""

import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.figure import NO_BAR, Bar, Reading
from benchmarks.procfs import memory
from benchmarks.store_rate import filled_sqlite
from benchmarks.store_rows import BEGIN, PairSeconds
from store.measures import SUMS
from store.reading import Window
from store.segments.duck import quoted
from store.segments.reader import SegmentStore
from store.segments.writer import Writer

#: Seconds stored, of 2,000 pairs; the peer has the last of them.
SECONDS: Final = 2400
PEER_SECONDS: Final = 320
REPEATS: Final = 7


def milliseconds(question: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """The median, after a first time.

    :param clock: ``time.process_time``: of the processor, of all threads.
    """
    question()
    times = []
    for _ in range(REPEATS):
        begin = clock()
        question()
        times.append((clock() - begin) * 1e3)
    return statistics.median(times)


def measure() -> Iterator[Reading]:
    """Edges of five minutes, without and with histograms; one edge by the second."""
    pairs = PairSeconds()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writer = Writer(folder / "store")
        for batch in pairs.batches(SECONDS):
            writer.take(batch)
            writer.sync()
        writer.drained()
        end = BEGIN + SECONDS
        peer = filled_sqlite(pairs.batches(PEER_SECONDS, end - PEER_SECONDS), folder / "rows.sqlite")
        store = SegmentStore(folder / "store")
        yield from _answers(store, peer, end)
        store.close()
        peer.close()
        writer.close()


def _answers(store: SegmentStore, peer: sqlite3.Connection, end: int) -> Iterator[Reading]:
    recent = Window(end - 305, end - 5)
    sums = ", ".join(f"sum({quoted(name)})" for name in SUMS)
    peer_edges = milliseconds(
        lambda: peer.execute(
            f"select edge, {sums} from rows where begin_s >= ? and begin_s < ? group by edge", recent
        ).fetchall()
    )
    for name, bar, histograms in (("sums", Bar(at_most=150), False), ("sums and histograms", NO_BAR, True)):
        question = partial(store.edges, recent, histograms=histograms)
        value, used = milliseconds(question), milliseconds(question, time.process_time)
        note = f"all edges of 5 min, {name}; of {SECONDS * 2000:,} rows; {used:.0f} ms of processor time"
        yield Reading(value, "ms", bar, "SQLite, sums", peer_edges, "less", note)
    edge = int(store.edges(recent, histograms=False).ids[7])
    hour = Window(end - 3600, end)
    series = partial(store.series, hour, 1, [edge])
    value, used = milliseconds(series), milliseconds(series, time.process_time)
    by_edge = milliseconds(
        lambda: peer.execute("select * from rows where edge = ? order by begin_s", [edge]).fetchall()
    )
    note = f"one edge by the second, {SECONDS} s with histograms; the peer has {PEER_SECONDS} s of it"
    note += f"; {used:.0f} ms of processor time"
    yield Reading(value, "ms", Bar(at_most=30), "SQLite", by_edge, "less", note)
    resident = memory(os.getpid()).now
    yield Reading(resident, "MB", NO_BAR, note="resident, writer, reader and the benchmark itself")
