"""Rows per second of processor time into a store, each second made safe, and bytes a row, beside databases."""

import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.figure import Bar, Reading
from benchmarks.store_rows import PairSeconds
from model.batch import Batch
from model.kinds.workload import MEASURES
from store.measures import MOST, SUMS
from store.segments.columns import Column, Lists
from store.segments.duck import quoted, register
from store.segments.intake import Intake
from store.segments.manifest import read
from store.segments.tables import ROWS
from store.segments.writer import Writer

#: Whole blocks of ten minutes, so that minutes are merged; the seconds behind them end the last block.
SECONDS: Final = 600
BEHIND: Final = 120
PEER_SECONDS: Final = 60

#: Rows per second of processor time, and bytes a row.
Result = tuple[float, float]


def measure() -> Iterator[Reading]:
    """2,000 pairs a second, all columns and histograms; every second is one transaction of the peers."""
    seconds = PairSeconds()
    with tempfile.TemporaryDirectory() as folder:
        ours, size, note = ours_of(seconds, Path(folder))
    peers: list[tuple[str, Callable[[list[Batch], Path], Result]]] = [
        ("SQLite WAL", sqlite),
        ("DuckDB's own file", duckdb_file),
    ]
    for name, peer in peers:
        with tempfile.TemporaryDirectory() as folder:
            rate, bytes_a_row = peer(list(seconds.batches(PEER_SECONDS)), Path(folder))
        yield Reading(ours, "rows/s", Bar(at_least=5e5), name, rate, "more", note)
        yield Reading(size, "bytes a row", Bar(at_most=16), name, bytes_a_row)


def ours_of(seconds: PairSeconds, folder: Path) -> tuple[float, float, str]:
    """The log, sealing in all three steps, and merging."""
    writer = Writer(folder)
    rows, begin, making = 0, time.process_time(), 0.0
    batches = seconds.batches(SECONDS + BEHIND)
    while True:
        asked = time.thread_time()
        batch = next(batches, None)
        making += time.thread_time() - asked
        if batch is None:
            break
        writer.take(batch)
        writer.sync()
        rows += len(batch)
    writer.rotate()
    writer.drained()
    spent = time.process_time() - begin - making
    writer.close()
    manifest = read(folder)
    sizes = {step: sum(each.bytes for each in manifest.of(ROWS.name, step)) for step in (1, 10, 60)}
    counts = sum(each.rows for each in manifest.of(ROWS.name, 1))
    total = manifest.bytes
    note = f"{rows:,} rows; in steps of 1 s {sizes[1] / counts:.1f}, with all else {total / counts:.1f} bytes a row"
    return rows / spent, sizes[1] / counts, note


def tables_of(batches: Iterable[Batch]) -> list[dict[str, Column]]:
    """The rows of each second as the store has them: ids in place of names."""
    intake = Intake("peer", {})
    found = []
    for batch in batches:
        intake.take(batch)
        found.append(dict(intake.frame().tables[ROWS.name]))
    return found


def sqlite(batches: list[Batch], folder: Path) -> Result:
    """Histograms as blobs; a transaction a second."""
    path = folder / "rows.sqlite"
    begin = time.process_time()
    tables_of(batches)
    making = time.process_time() - begin
    begin = time.process_time()
    filled_sqlite(iter(batches), path).close()
    spent = time.process_time() - begin - making
    rows = sum(map(len, batches))
    return rows / spent, path.stat().st_size / rows


def filled_sqlite(batches: Iterator[Batch], path: Path) -> sqlite3.Connection:
    """A database with an index by time and one by edge."""
    names = ["edge", "begin_s", *SUMS, *MOST]
    database = sqlite3.connect(path)
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = full")
    columns = ", ".join(f"{quoted(name)} integer" for name in names)
    database.execute(
        f"create table rows ({columns}, rtt blob, connect blob, primary key (begin_s, edge)) without rowid"
    )
    database.execute("create index by_edge on rows (edge, begin_s)")
    marks = ", ".join("?" * (len(names) + 2))
    for table in tables_of(batches):
        values = [np.asarray(table[name]).tolist() for name in names]
        blobs = [_blobs(table, measure) for measure in MEASURES]
        with database:
            database.executemany(f"insert into rows values ({marks})", zip(*values, *blobs, strict=True))
    database.execute("pragma wal_checkpoint(truncate)")
    return database


def _blobs(table: dict[str, Column], measure: str) -> list[bytes]:
    lists = [table[f"{measure}.{name}"] for name in ("buckets", "counts")]
    data = []
    for each in lists:
        assert isinstance(each, Lists)
        values, offsets = np.asarray(each.values).astype("<u2"), each.offsets.tolist()
        data.append([values[a:b].tobytes() for a, b in pairwise(offsets)])
    return [one + other for one, other in zip(*data, strict=True)]


def duckdb_file(batches: list[Batch], folder: Path) -> Result:
    """Its own format; a transaction a second."""
    import duckdb

    path = folder / "rows.duckdb"
    connection: Any = duckdb.connect(str(path), config={"threads": 1})
    rows, spent = 0, 0.0
    for place, table in enumerate(tables_of(batches)):
        begin = time.process_time()
        kept = register(connection, "second", table)
        connection.execute("insert into rows from second" if place else "create table rows as from second")
        spent += time.process_time() - begin
        rows += len(np.asarray(table["edge"]))
        del kept
    connection.execute("checkpoint")
    connection.close()
    return rows / spent, path.stat().st_size / rows
